"""A delayed event is handed out not before its time, and soon after it."""

from __future__ import annotations

import time

import pytest

from vagus.backend import First
from vagus.testing.conformance.bench import Bench, put, word_of, words
from vagus.testing.conformance.needs import needs, turned_clock

pytestmark = pytest.mark.contract("G10")

#: A delayed event is handed out within that long after its time, on an idle group.
LATE_S = 1.0


@needs("delay")
async def test_delayed_event_waits_for_its_time(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    started = time.monotonic()
    await line.put("later", after_s=0.4)
    await ann.one()
    assert 0.4 <= time.monotonic() - started <= 0.4 + LATE_S


@needs("delay")
async def test_delayed_event_has_no_position_until_due(bench: Bench) -> None:
    line = await bench.line()
    assert await line.put("later", after_s=30.0) == [None]
    [first] = await line.put("now")
    got = await line.member().one()
    assert (word_of(got.envelope), got.position) == ("now", first)


@needs("delay")
async def test_delayed_events_come_in_order_of_their_times(bench: Bench) -> None:
    line = await bench.line()
    await line.put("third", after_s=0.3)
    await line.put("first", after_s=0.1)
    await line.put("second", after_s=0.2)
    await line.put("at once")
    assert words(await line.member().take(4)) == ["at once", "first", "second", "third"]


@needs("delay")
async def test_take_already_waiting_is_woken_when_due(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    await ann.none(0.05)
    await line.put("later", after_s=0.2)
    assert words([await ann.one(within_s=0.2 + LATE_S + 0.5)]) == ["later"]


@needs("delay")
@pytest.mark.contract("G8")
async def test_delayed_event_joins_its_key_when_due(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    await line.put("later", key="k", after_s=0.2)
    await line.put("now", key="k")
    assert await ann.take_and_ack(2) == ["now", "later"]


@needs("delay")
@pytest.mark.contract("G20")
async def test_scheduled_event_is_in_the_catalogue_not_the_books(bench: Bench) -> None:
    line = await bench.line()
    await line.put("later", after_s=30.0)
    await line.expect(matched=0, ready=0)
    assert (await bench.topic_info(line.topic)).scheduled == 1 or not bench.can.exact_stats


@needs("delay", "replay")
async def test_scheduled_event_cannot_be_read_yet(bench: Bench) -> None:
    line = await bench.line()
    await line.put("later", after_s=30.0)
    await line.put("now")
    assert await bench.words_in(line.topic, First()) == ["now"]


@needs("delay")
@pytest.mark.contract("G3")
async def test_group_declared_before_due_time_gets_the_event(bench: Bench) -> None:
    line = await bench.line()
    await line.put("later", after_s=0.3)
    late = await bench.group("late", line.topic)
    assert words(await bench.member(late).take()) == ["later"]


@needs("delay", "durable")
async def test_scheduled_event_survives_a_restart(bench: Bench) -> None:
    line = await bench.line()
    await line.put("later", after_s=0.3)
    await bench.reopen()
    assert words(await line.member().take()) == ["later"]


@needs("delay", "durable")
async def test_event_that_came_due_while_closed_is_handed_out(bench: Bench) -> None:
    line = await bench.line()
    await line.put("later", after_s=0.02)
    await bench.reopen()
    await bench.pass_time(0.02)
    assert words(await line.member().take()) == ["later"]


@needs("delay")
@turned_clock
async def test_event_delayed_by_three_days_waits_three_days(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    await line.put("later", after_s=3 * 86_400)
    await bench.pass_time(3 * 86_400 - 60)
    await ann.none()
    await bench.pass_time(61)
    assert words([await ann.one()]) == ["later"]


@needs("delay")
async def test_negative_delay_means_at_once(bench: Bench) -> None:
    line = await bench.line()
    outcome = await bench.offer(put(line.topic, "a", after_s=-5.0))
    assert outcome.done
    assert words(await line.member().take()) == ["a"]
