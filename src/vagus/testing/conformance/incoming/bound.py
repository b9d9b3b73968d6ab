"""A full topic refuses the publisher; it never drops, and it takes again when there is room."""

from __future__ import annotations

import pytest

from vagus.backend import Dead, Done, Settle, Unit
from vagus.testing.conformance.bench import Bench, numbered, put, words
from vagus.testing.conformance.needs import needs

pytestmark = pytest.mark.contract("G13")


@needs("bounded")
async def test_full_topic_refuses_the_next_put(bench: Bench) -> None:
    line = await bench.line(max_events=3)
    await line.put(*numbered(3))
    outcome = await bench.offer(put(line.topic, "over"))
    assert not outcome.done
    assert (outcome.puts[0].status, outcome.puts[0].why) == ("refused", "full")


@needs("bounded")
async def test_full_topic_drops_nothing(bench: Bench) -> None:
    line = await bench.line(max_events=3)
    for word in numbered(6):
        await bench.offer(put(line.topic, word))
    ann = line.member()
    assert await ann.take_and_ack(3) == numbered(3)
    await ann.none()


@needs("bounded")
async def test_settling_makes_room_again(bench: Bench) -> None:
    line = await bench.line(max_events=3)
    await line.put(*numbered(3))
    ann = line.member()
    held = await ann.take(3)
    assert not (await bench.offer(put(line.topic, "too early"))).done
    await ann.ack(*held)
    await line.put("fits")
    assert words(await ann.take()) == ["fits"]


@needs("bounded")
async def test_unit_that_does_not_fit_whole_is_refused_whole(bench: Bench) -> None:
    line = await bench.line(max_events=3)
    await line.put("a", "b")
    outcome = await bench.offer(put(line.topic, "c"), put(line.topic, "d"))
    assert [said.status for said in outcome.puts] in (["untried", "refused"], ["refused", "refused"])
    ann = line.member()
    assert await ann.take_and_ack(2) == ["a", "b"]
    await ann.none()


@needs("bounded")
async def test_slowest_group_decides_what_is_full(bench: Bench) -> None:
    line = await bench.line(max_events=2)
    await bench.group("slow", line.topic)
    await line.put("a", "b")
    await line.member().take_and_ack(2)
    assert not (await bench.offer(put(line.topic, "c"))).done


@needs("bounded", "delay")
async def test_scheduled_events_count_for_the_bound(bench: Bench) -> None:
    line = await bench.line(max_events=2)
    await line.put("a", "b", after_s=30.0)
    assert not (await bench.offer(put(line.topic, "c"))).done


@needs("bounded", "dedupe")
async def test_duplicate_needs_no_room(bench: Bench) -> None:
    line = await bench.line(max_events=1)
    await line.put("a", dedupe="a")
    assert (await bench.offer(put(line.topic, "a", dedupe="a"))).puts[0].status == "duplicate"


@needs("bounded")
async def test_raised_bound_holds_at_once(bench: Bench) -> None:
    line = await bench.line(max_events=1)
    await line.put("a")
    await bench.topic(max_events=2)
    await line.put("b")
    assert not (await bench.offer(put(line.topic, "c"))).done


@needs("bounded")
async def test_refused_output_leaves_its_cause_unsettled(bench: Bench) -> None:
    line = await bench.line()
    full = await bench.topic("full", max_events=1)
    await bench.group("reader", full)
    await bench.put(full, "first")
    await line.put("cause")
    ann = line.member()
    held = await ann.one()
    outcome = await ann.commit(Unit(puts=[put(full, "output")], settles=[Settle(held.token, Done("acked"))]))
    assert not outcome.done
    assert (outcome.puts[0].status, outcome.settles[0]) == ("refused", "untried")
    await line.expect(acked=0, held=1)
    await ann.release(held)
    again = await ann.one()
    assert (words([again]), again.losses) == (["cause"], 0)


@needs("bounded")
async def test_full_topic_still_takes_dead_letters_of_its_group(bench: Bench) -> None:
    line = await bench.line(max_events=1)
    await line.put("a")
    ann = line.member()
    held = await ann.one()
    unit = Unit(puts=[put(Dead(line.group), "a")], settles=[Settle(held.token, Done("dead"))])
    assert (await ann.commit(unit)).done
