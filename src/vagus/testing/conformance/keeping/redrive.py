"""A dead letter that is sent again reaches the group that failed, and nobody else, in a new generation."""

from __future__ import annotations

import pytest

from vagus.backend import Dead, Done, First, Inbox, Settle, Unit
from vagus.testing.conformance.bench import Bench, Line, Worker, numbered, put, within, words
from vagus.testing.conformance.needs import needs

pytestmark = [pytest.mark.contract("G7"), pytest.mark.requirement("R42")]


async def bury(line: Line, worker: Worker, count: int = 1) -> None:
    """Take events and make each of them a dead letter."""
    for held in await worker.take(count):
        letter = put(Dead(line.group), "", envelope=held.envelope)
        assert (await worker.commit(Unit(puts=[letter], settles=[Settle(held.token, Done("dead"))]))).done


async def test_redriven_event_reaches_its_group_only(bench: Bench) -> None:
    line = await bench.line()
    other = bench.member(await bench.group("other", line.topic))
    await line.put("a")
    ann = line.member()
    await bury(line, ann)
    await other.take_and_ack(1)
    await bench.put(Inbox(line.group), "a", entry="redriven", generation=1)
    again = await ann.one()
    assert (words([again]), again.generation) == (["a"], 1)
    await other.none()


async def test_redrive_is_counted_and_leaves_dead_as_it_was(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await bury(line, ann)
    await bench.put(Inbox(line.group), "a", entry="redriven", generation=1)
    await ann.take_and_ack(1)
    await line.expect(matched=1, dead=1, redriven=1, acked=1, ready=0)


@needs("dedupe")
@pytest.mark.contract("G12")
async def test_each_generation_is_redriven_once(bench: Bench) -> None:
    line = await bench.line()
    for generation in (1, 1, 2):
        dedupe = f"a:{generation}"
        await bench.offer(put(Inbox(line.group), "a", entry="redriven", generation=generation, dedupe=dedupe))
    ann = line.member()
    deliveries = await ann.take(2)
    assert [delivery.generation for delivery in deliveries] == [1, 2]
    await ann.none(0.05)


async def test_redrive_comes_to_a_group_without_members_later(bench: Bench) -> None:
    line = await bench.line()
    await bench.put(Inbox(line.group), *numbered(3), entry="redriven", generation=1)
    assert await line.member().take_and_ack(3) == numbered(3)


@pytest.mark.contract("G8")
async def test_redriven_event_has_left_its_order(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a1", "a2", key="a")
    ann = line.member()
    await bury(line, ann)
    await ann.take_and_ack(1)
    await bench.put(Inbox(line.group), "a1", key="a", entry="redriven", generation=1)
    assert await ann.take_and_ack(1) == ["a1"]


@needs("replay")
async def test_mark_on_a_letter_is_a_record_of_its_own(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    await bury(line, line.member())
    redrive = put(Inbox(line.group), "a", entry="redriven", generation=1)
    mark = put(Dead(line.group), "a", entry="redriven", generation=1)
    assert (await bench.offer(redrive, mark)).done
    records = await within(bench.backend.read(f"$dead.{line.group}", First(), 10), "read")
    assert [record.entry for record in records] == ["new", "redriven"]


@pytest.mark.contract("G6")
async def test_redriven_event_may_die_again(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await bury(line, ann)
    await bench.put(Inbox(line.group), "a", entry="redriven", generation=1)
    await bury(line, ann)
    await line.expect(matched=1, redriven=1, dead=2)


@needs("delay")
async def test_redrive_can_be_spread_over_time(bench: Bench) -> None:
    line = await bench.line()
    for number, word in enumerate(numbered(3)):
        await bench.put(Inbox(line.group), word, entry="redriven", generation=1, after_s=0.1 * number)
    ann = line.member()
    assert words(await ann.some()) == ["e0000"]
    assert await ann.take_and_ack(2) == ["e0001", "e0002"]


@needs("durable")
async def test_redriven_event_survives_a_restart(bench: Bench) -> None:
    line = await bench.line()
    await bench.put(Inbox(line.group), "a", entry="redriven", generation=1)
    await bench.reopen()
    again = await line.member().one()
    assert (words([again]), again.generation) == (["a"], 1)
