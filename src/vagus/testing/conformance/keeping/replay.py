"""What is kept can be looked at, and handed out again to one group, in a new generation, without touching others."""

from __future__ import annotations

import pytest

from vagus.backend import After, Ago, End, First, SeekTo
from vagus.testing.conformance.bench import Bench, numbered, within, word_of, words
from vagus.testing.conformance.needs import needs, turned_clock

pytestmark = pytest.mark.contract("G14")


@needs("replay")
async def test_reading_consumes_nothing(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b")
    assert await bench.words_in(line.topic, First()) == ["a", "b"]
    assert await bench.words_in(line.topic, First()) == ["a", "b"]
    assert await line.member().take_and_ack(2) == ["a", "b"]


@needs("replay")
async def test_settled_events_can_still_be_read(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b")
    await line.member().take_and_ack(2)
    assert await bench.words_in(line.topic, First()) == ["a", "b"]


@needs("replay")
async def test_reading_goes_on_after_a_position(bench: Bench) -> None:
    line = await bench.line()
    positions = await line.put(*numbered(5))
    assert positions[1] is not None
    assert await bench.words_in(line.topic, After(positions[1])) == numbered(5)[2:]
    assert await bench.words_in(line.topic, First(), limit=2) == numbered(5)[:2]
    assert await bench.words_in(line.topic, End()) == []


@needs("replay")
async def test_record_says_what_the_put_said(bench: Bench) -> None:
    line = await bench.line()
    [position] = await line.put("a", key="k", generation=3)
    [record] = await within(bench.backend.read(line.topic, First(), 10), "read")
    assert (word_of(record.envelope), record.position) == ("a", position)
    assert (record.key, record.generation, record.entry) == ("k", 3, "new")
    assert 0 <= record.age_s < 60


@needs("replay")
async def test_reading_from_some_time_ago_finds_what_came_since(bench: Bench) -> None:
    line = await bench.line()
    await line.put("old")
    await bench.pass_time(0.4)
    await line.put("new")
    assert await bench.words_in(line.topic, Ago(0.2)) == ["new"]
    assert await bench.words_in(line.topic, Ago(60)) == ["old", "new"]


@needs("replay")
async def test_seek_to_the_beginning_hands_all_out_again(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(5))
    ann = line.member()
    await ann.take_and_ack(5)
    await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    again = await ann.take(5)
    assert words(again) == numbered(5)
    assert [delivery.generation for delivery in again] == [1] * 5
    await ann.ack(*again)
    await line.expect(matched=5, replayed=5, acked=10)


@needs("replay")
async def test_event_after_a_replay_is_of_the_first_generation(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await ann.take_and_ack(1)
    await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    await line.put("b")
    deliveries = await ann.take(2)
    assert [(word_of(each.envelope), each.generation) for each in deliveries] == [("a", 1), ("b", 0)]


@needs("replay")
async def test_each_replay_raises_the_generation(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    seen = []
    for _ in range(3):
        held = await ann.one()
        seen.append(held.generation)
        await ann.ack(held)
        await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    assert seen == [0, 1, 2]


@needs("replay")
async def test_seek_to_a_position_goes_on_behind_it(bench: Bench) -> None:
    line = await bench.line()
    positions = await line.put(*numbered(5))
    ann = line.member()
    await ann.take_and_ack(5)
    assert positions[2] is not None
    await within(bench.backend.steer(line.group, SeekTo(After(positions[2]))), "steer")
    assert words(await ann.take(2)) == numbered(5)[3:]
    await ann.none(0.05)


@needs("replay")
async def test_seek_to_the_end_skips_and_counts_it(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(5))
    await within(bench.backend.steer(line.group, SeekTo(End())), "steer")
    await line.put("new")
    ann = line.member()
    assert words(await ann.take()) == ["new"]
    await line.expect(matched=6, skipped=5, held=1)


@needs("replay")
async def test_seek_by_time_hands_out_what_came_since(bench: Bench) -> None:
    line = await bench.line()
    await line.put("old")
    await bench.pass_time(0.4)
    await line.put("new")
    ann = line.member()
    await ann.take_and_ack(2)
    await within(bench.backend.steer(line.group, SeekTo(Ago(0.2))), "steer")
    assert words(await ann.take()) == ["new"]
    await ann.none(0.05)


@needs("replay")
async def test_replay_of_one_group_touches_no_other(bench: Bench) -> None:
    line = await bench.line()
    other = bench.member(await bench.group("other", line.topic))
    await line.put("a")
    await line.member().take_and_ack(1)
    await other.take_and_ack(1)
    await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    await other.none()
    await bench.expect(bench.name("other"), matched=1, replayed=0, acked=1)


@needs("replay")
@pytest.mark.contract("G3")
async def test_replay_for_one_member_touches_no_other(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann, bob = line.member("ann"), line.member("bob")
    await line.put("a")
    await ann.take_and_ack(1)
    await bob.take_and_ack(1)
    await within(bench.backend.steer(line.group, SeekTo(First(), "ann")), "steer")
    assert await ann.take_and_ack(1) == ["a"]
    await bob.none()


@needs("replay")
async def test_replay_wakes_a_waiting_take(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member(backend=await bench.second())
    await ann.take_and_ack(1)
    await ann.none(0.05)
    await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    assert words([await ann.one(within_s=1.0)]) == ["a"]


@needs("replay")
async def test_seek_leaves_what_is_held_as_it_is(bench: Bench) -> None:
    line = await bench.line()
    await line.put("held", "other")
    ann = line.member()
    held, other = await ann.take(2)
    await ann.ack(other)
    await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    assert words(await ann.take()) == ["other"]
    await ann.none(0.05)
    await ann.ack(held)
    books = await line.expect(acked=2, held=1)
    assert books.entered >= 3 or books.estimated


@needs("replay")
@pytest.mark.contract("G8")
async def test_replay_keeps_the_order_of_a_key(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a1", "a2", "a3", key="a")
    ann = line.member()
    await ann.take_and_ack(3)
    await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    assert await ann.take_and_ack(3) == ["a1", "a2", "a3"]


@needs("replay", "durable")
async def test_replay_goes_on_after_a_restart(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b")
    await line.member().take_and_ack(2)
    await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    await bench.reopen()
    again = await line.member().take(2)
    assert [(word_of(each.envelope), each.generation) for each in again] == [("a", 1), ("b", 1)]


@needs("replay")
@turned_clock
async def test_events_of_three_days_ago_are_replayed(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    for word in ("four days", "two days", "now"):
        await line.put(word)
        await ann.take_and_ack(1)
        await bench.pass_time(2 * 86_400 if word != "now" else 1.0)
    await within(bench.backend.steer(line.group, SeekTo(Ago(3 * 86_400))), "steer")
    assert await ann.take_and_ack(2) == ["two days", "now"]


@needs("replay")
async def test_seek_on_one_topic_touches_no_other(bench: Bench) -> None:
    orders, bills = await bench.topic("orders"), await bench.topic("bills")
    clerk = await bench.group("clerk", orders, bills)
    ann = bench.member(clerk)
    await bench.put(orders, "order")
    await bench.put(bills, "bill")
    await ann.take_and_ack(2)
    await within(bench.backend.steer(clerk, SeekTo(First(), topic=bills)), "steer")
    assert await ann.take_and_ack(1) == ["bill"]
    await bench.expect(clerk, matched=2, replayed=1, acked=3)


@needs("replay")
async def test_seek_that_may_not_skip_leaves_a_backlog(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(3))
    ann = line.member()
    await ann.take_and_ack(1)
    await within(bench.backend.steer(line.group, SeekTo(End(), skip=False)), "steer")
    assert await ann.take_and_ack(2) == numbered(3)[1:]
    await line.expect(matched=3, skipped=0, acked=3)


@needs("replay")
async def test_seek_raises_the_generation_as_far_as_it_is_told(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await ann.take_and_ack(1)
    seen = []
    for least in (3, 2):
        await within(bench.backend.steer(line.group, SeekTo(First(), generation=least)), "steer")
        held = await ann.one()
        seen.append(held.generation)
        await ann.ack(held)
    assert seen == [3, 4]
