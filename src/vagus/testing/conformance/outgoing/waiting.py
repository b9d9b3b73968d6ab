"""A take that waits is woken by whatever makes something available; it does not look again and again."""

from __future__ import annotations

import asyncio
import statistics
import time

import pytest

from vagus.backend import After, End
from vagus.errors import ConnectionLost
from vagus.testing.conformance.bench import Bench, Delivery, Worker, numbered, within, words
from vagus.testing.conformance.needs import needs

#: A push arrives within that many seconds even on a slow machine; a backend that looks once a second does not make it.
PUSH_S = 0.4


async def start_waiting(worker: Worker) -> asyncio.Task[Delivery]:
    """Let the worker wait for an event, and return once it does."""
    waiting = asyncio.create_task(worker.one())
    await asyncio.sleep(0.05)
    assert not waiting.done(), "something was handed out already"
    return waiting


async def woken(waiting: asyncio.Task[Delivery]) -> list[str]:
    """Return the word that wakes the worker at once."""
    return words([await within(waiting, "be woken", PUSH_S)])


@pytest.mark.contract("G13")
async def test_put_wakes_a_waiting_take(bench: Bench) -> None:
    line = await bench.line()
    waiting = await start_waiting(line.member())
    await line.put("a")
    assert await woken(waiting) == ["a"]


@pytest.mark.contract("G13")
async def test_put_on_another_connection_wakes_a_waiting_take(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member(backend=await bench.second())
    waiting = await start_waiting(ann)
    await line.put("a")
    assert await woken(waiting) == ["a"]


@needs("shared")
@pytest.mark.contract("G13")
async def test_put_of_another_process_wakes_a_waiting_take(bench: Bench) -> None:
    line = await bench.line()
    other = await bench.process()
    waiting = await start_waiting(line.member())
    await other.ask("put", line.topic, "a")
    assert await woken(waiting) == ["a"]


@pytest.mark.contract("G13")
async def test_wake_ups_are_quick_most_of_the_time(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member(backend=await bench.second())
    delays = []
    for word in numbered(15):
        waiting = asyncio.create_task(ann.one())
        await asyncio.sleep(0.01)
        started = time.monotonic()
        await line.put(word)
        await ann.ack(await waiting)
        delays.append(time.monotonic() - started)
    assert statistics.median(delays) < 0.2, delays


@pytest.mark.contract("G5")
async def test_release_wakes_a_waiting_take(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob", backend=await bench.second())
    held = await ann.one()
    waiting = await start_waiting(bob)
    await ann.release(held)
    assert await woken(waiting) == ["a"]


@pytest.mark.contract("G4")
async def test_leaving_member_wakes_a_waiting_take(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob", backend=await bench.second())
    await ann.one()
    waiting = await start_waiting(bob)
    await ann.leave()
    assert await woken(waiting) == ["a"]


@pytest.mark.contract("G4")
async def test_lapsing_lease_wakes_a_waiting_take(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob", backend=await bench.second())
    await ann.one()
    waiting = await start_waiting(bob)
    assert words([await within(waiting, "be woken", bench.subject.lease_s + 1.0)]) == ["a"]


@pytest.mark.contract("G8")
async def test_freed_key_wakes_a_waiting_take(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a1", "a2", key="a")
    ann, bob = line.member("ann"), line.member("bob", backend=await bench.second())
    held = await ann.one()
    waiting = await start_waiting(bob)
    await ann.ack(held)
    assert await woken(waiting) == ["a2"]


@pytest.mark.contract("G2")
async def test_cancelled_takes_lose_nothing(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    got: list[Delivery] = []
    for number, word in enumerate(numbered(20)):
        waiting = asyncio.create_task(ann.feed.take(1, ()))
        await asyncio.sleep(0)
        await line.put(word)
        if number % 2:
            await asyncio.sleep(0.001)
        waiting.cancel()
        [result] = await asyncio.gather(waiting, return_exceptions=True)
        got += result if not isinstance(result, BaseException) else []
    rest = await ann.take(20 - len(got)) if len(got) < 20 else []
    assert sorted(words([*got, *rest])) == numbered(20)
    assert {delivery.losses for delivery in [*got, *rest]} == {0}
    await line.expect(lost=0, held=20)


@pytest.mark.contract("G17")
async def test_closing_ends_a_waiting_take_with_connection_lost(bench: Bench) -> None:
    line = await bench.line()
    waiting = await start_waiting(line.member())
    await within(bench.backend.close(), "close")
    with pytest.raises(ConnectionLost):
        await within(waiting, "end")
    await bench.reopen()


@pytest.mark.contract("G17")
async def test_closing_twice_is_no_error(bench: Bench) -> None:
    await within(bench.backend.close(), "close")
    await within(bench.backend.close(), "close again")
    await bench.reopen()


@pytest.mark.contract("G17")
async def test_opening_twice_changes_nothing(bench: Bench) -> None:
    assert await within(bench.backend.open(), "open again") == bench.can


@needs("replay")
@pytest.mark.contract("G14")
async def test_reading_at_the_end_waits_for_the_next_event(bench: Bench) -> None:
    line = await bench.line()
    [position] = await line.put("old")
    assert position is not None
    reading = asyncio.create_task(bench.backend.read(line.topic, After(position), 10, 5.0))
    await asyncio.sleep(0.05)
    await line.put("new")
    [record] = await within(reading, "be woken", PUSH_S)
    assert record.envelope.body.endswith(b'"new"}')


@needs("replay")
@pytest.mark.contract("G14")
async def test_reading_at_the_end_stops_waiting_in_time(bench: Bench) -> None:
    line = await bench.line()
    started = time.monotonic()
    assert list(await within(bench.backend.read(line.topic, End(), 10, 0.2), "read")) == []
    assert 0.19 <= time.monotonic() - started < 0.2 + 1.0
