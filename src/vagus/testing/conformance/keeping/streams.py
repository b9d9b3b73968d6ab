"""A reader that re-joins after any cut gets every part once and in order; an older epoch is refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from vagus.backend import Unit
from vagus.store import Append, Part
from vagus.testing.conformance.bench import Bench, within
from vagus.testing.conformance.needs import needs
from vagus.testing.conformance.process import stream_append

pytestmark = pytest.mark.contract("G18")


async def append(bench: Bench, number: int, *parts: str, producer: str = "answer", epoch: int = 0) -> bool:
    """Append parts to the stream of this test."""
    return await within(bench.store.append(stream_append(bench.name("run"), producer, number, parts, epoch)), "append")


async def follow(bench: Bench, after: int = 0, limit: int = 100, wait_s: float = 0.0) -> Sequence[Part]:
    """Read the stream of this test."""
    return await within(bench.store.follow(bench.name("run"), after, limit, wait_s), "follow")


async def test_parts_come_out_in_order_from_position_one(bench: Bench) -> None:
    assert await append(bench, 1, "to", "be")
    assert await append(bench, 3, "or")
    parts = await follow(bench)
    assert [(part.position, part.number, part.body) for part in parts] == [(1, 1, b"to"), (2, 2, b"be"), (3, 3, b"or")]


async def test_unknown_stream_has_no_parts(bench: Bench) -> None:
    assert list(await follow(bench)) == []


async def test_repeated_append_adds_nothing(bench: Bench) -> None:
    await append(bench, 1, "to", "be")
    assert await append(bench, 1, "to", "be")
    assert await append(bench, 2, "be", "or")
    assert [part.body for part in await follow(bench)] == [b"to", b"be", b"or"]


@pytest.mark.parametrize("cut", range(6))
async def test_reader_that_rejoins_anywhere_misses_nothing(bench: Bench, cut: int) -> None:
    for number in range(1, 6):
        await append(bench, number, f"part {number}")
    first = await follow(bench, 0, cut) if cut else []
    rest = await follow(bench, first[-1].position if first else 0)
    assert [part.position for part in (*first, *rest)] == [1, 2, 3, 4, 5]
    assert [part.body for part in (*first, *rest)] == [f"part {number}".encode() for number in range(1, 6)]


async def test_older_epoch_is_refused(bench: Bench) -> None:
    assert await append(bench, 1, "first try", epoch=0)
    assert await append(bench, 1, "second try", epoch=1)
    assert not await append(bench, 2, "late", epoch=0)
    assert [(part.epoch, part.body) for part in await follow(bench)] == [(0, b"first try"), (1, b"second try")]


async def test_newer_epoch_numbers_its_parts_anew(bench: Bench) -> None:
    await append(bench, 1, "a", "b", epoch=0)
    await append(bench, 1, "A", epoch=1)
    assert await append(bench, 2, "B", epoch=1)
    assert [(part.epoch, part.number) for part in await follow(bench)] == [(0, 1), (0, 2), (1, 1), (1, 2)]


async def test_epoch_of_one_producer_fences_no_other(bench: Bench) -> None:
    await append(bench, 1, "x", producer="search", epoch=5)
    assert await append(bench, 1, "y", producer="answer", epoch=0)
    assert [part.producer for part in await follow(bench)] == ["search", "answer"]


async def test_streams_of_two_runs_are_apart(bench: Bench) -> None:
    await append(bench, 1, "mine")
    await bench.store.append(stream_append(bench.name("other"), "answer", 1, ["theirs"]))
    assert [part.body for part in await follow(bench)] == [b"mine"]


async def test_reader_at_the_end_is_woken_by_the_next_part(bench: Bench) -> None:
    await append(bench, 1, "old")
    reading = asyncio.create_task(follow(bench, 1, 10, 5.0))
    await asyncio.sleep(0.05)
    assert not reading.done()
    await append(bench, 2, "new")
    assert [part.body for part in await within(reading, "be woken", 0.4)] == [b"new"]


async def test_reader_on_another_connection_is_woken(bench: Bench) -> None:
    other = (await bench.second()).store
    assert other is not None
    reading = asyncio.create_task(other.follow(bench.name("run"), 0, 10, 5.0))
    await asyncio.sleep(0.05)
    await append(bench, 1, "new")
    assert [part.body for part in await within(reading, "be woken", 0.4)] == [b"new"]


async def test_reader_is_woken_by_a_unit_that_appends(bench: Bench) -> None:
    reading = asyncio.create_task(follow(bench, 0, 10, 5.0))
    await asyncio.sleep(0.05)
    change = Append(bench.name("run"), "answer", 0, 1, [b"new"], ttl_s=300.0)
    [outcome] = await bench.commit(Unit(changes=[change]))
    assert outcome.done
    assert [part.body for part in await within(reading, "be woken", 0.4)] == [b"new"]


async def test_reader_that_waits_in_vain_stops_in_time(bench: Bench) -> None:
    started = time.monotonic()
    assert list(await follow(bench, 0, 10, 0.2)) == []
    assert 0.19 <= time.monotonic() - started < 1.2


async def test_stream_is_forgotten_after_its_time(bench: Bench) -> None:
    stream = bench.name("run")
    await bench.store.append(Append(stream, "answer", 0, 1, [b"a"], ttl_s=0.2))
    await bench.pass_time(0.3)
    assert list(await follow(bench)) == []


@needs("shared")
async def test_parts_of_another_process_arrive(bench: Bench) -> None:
    other = await bench.process()
    reading = asyncio.create_task(follow(bench, 0, 10, 10.0))
    await asyncio.sleep(0.05)
    assert await other.ask("append", bench.name("run"), "answer", 1, "from afar")
    assert [part.body for part in await within(reading, "be woken", 2.0)] == [b"from afar"]


@needs("durable")
async def test_parts_survive_a_restart(bench: Bench) -> None:
    await append(bench, 1, "a", "b")
    await bench.reopen()
    assert await append(bench, 2, "b", "c")
    assert [part.body for part in await follow(bench)] == [b"a", b"b", b"c"]


@needs("durable")
async def test_epoch_fence_survives_a_restart(bench: Bench) -> None:
    await append(bench, 1, "a", epoch=2)
    await bench.reopen()
    assert not await append(bench, 2, "b", epoch=1)
