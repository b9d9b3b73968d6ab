"""Higher lanes first, in the order that the taker names; one sequence of positions over all lanes."""

from __future__ import annotations

import pytest

from vagus.backend import First
from vagus.testing.conformance.bench import Bench, numbered, words
from vagus.testing.conformance.needs import needs

pytestmark = pytest.mark.contract("G9")


@needs("lanes")
@pytest.mark.requirement("R58")
async def test_higher_lanes_come_first(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    await line.put(*numbered(100, "low"), lane=1)
    await line.put(*numbered(10, "high"), lane=9)
    ann = line.member(credit=200)
    assert words(await ann.take(10)) == numbered(10, "high")
    assert words(await ann.take(100)) == numbered(100, "low")


@needs("lanes")
async def test_order_of_lanes_is_the_takers(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    for lane in (0, 5, 9):
        await line.put(f"lane{lane}", lane=lane)
    ann = line.member()
    assert words([await ann.one(lanes=(5, 9, 0))]) == ["lane5"]
    assert words([await ann.one(lanes=(0, 9, 5))]) == ["lane0"]
    assert words([await ann.one(lanes=(9, 5, 0))]) == ["lane9"]


@needs("lanes")
async def test_lane_that_is_not_named_is_not_looked_at(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    await line.put("urgent", lane=9)
    await line.put("idle", lane=0)
    ann = line.member()
    assert words([await ann.one(lanes=(0, 1, 2))]) == ["idle"]
    await ann.none(0.05, lanes=(0, 1, 2))
    assert words([await ann.one()]) == ["urgent"]


@needs("lanes")
async def test_events_within_a_lane_keep_their_order(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    await line.put(*numbered(30), lane=4)
    assert await line.member().take_and_ack(30) == numbered(30)


@needs("lanes")
async def test_delivery_names_its_lane(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    await line.put("a", lane=7)
    assert (await line.member().one()).lane == 7


@needs("lanes", "replay")
async def test_positions_are_one_sequence_over_the_lanes(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    positions = [(await line.put(word, lane=lane))[0] for word, lane in (("a", 9), ("b", 0), ("c", 5))]
    assert positions == sorted(positions, key=lambda position: position or 0)
    assert await bench.words_in(line.topic, First()) == ["a", "b", "c"]


async def test_topic_without_lanes_ignores_the_lane(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", lane=0)
    await line.put("b", lane=9)
    deliveries = await line.member().take(2)
    assert words(deliveries) == ["a", "b"]


@needs("lanes", "keyed_lanes")
@pytest.mark.contract("G8")
async def test_order_of_a_key_beats_priority(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    await line.put("a-low", key="a", lane=0)
    await line.put("a-high", key="a", lane=9)
    await line.put("b-mid", key="b", lane=5)
    assert await line.member().take_and_ack(3) == ["b-mid", "a-low", "a-high"]


@needs("lanes", "keyed_lanes")
@pytest.mark.contract("G8")
async def test_priority_chooses_among_the_heads_of_keys(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    for key, lane in (("a", 1), ("b", 8), ("c", 4)):
        await line.put(f"{key}1", f"{key}2", key=key, lane=lane)
    ann = line.member()
    assert words(await ann.take(3)) == ["b1", "c1", "a1"]


@needs("lanes", "keyed_lanes")
@pytest.mark.contract("G8")
async def test_key_keeps_its_order_through_all_lanes(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    for number, lane in enumerate((3, 9, 0, 9, 1, 5)):
        await line.put(f"a{number}", key="a", lane=lane)
    assert await line.member().take_and_ack(6) == [f"a{number}" for number in range(6)]


@needs("lanes", "keyed_lanes", "delay")
@pytest.mark.contract("G8")
async def test_retried_head_of_a_key_holds_its_higher_lanes(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    await line.put("a-low", key="a", lane=0)
    ann = line.member()
    await ann.release(await ann.one(), after_s=0.2)
    await line.put("a-high", key="a", lane=9)
    assert await ann.take_and_ack(2) == ["a-low", "a-high"]


@needs("lanes")
@pytest.mark.contract("G20")
async def test_books_count_over_all_lanes(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    for lane in range(10):
        await line.put(f"lane{lane}", lane=lane)
    ann = line.member()
    await ann.ack(*await ann.take(4))
    await line.expect(matched=10, acked=4, ready=6)


@needs("lanes")
async def test_topic_may_be_given_lanes_later(bench: Bench) -> None:
    line = await bench.line()
    await line.put("before")
    await bench.topic(lanes=10)
    await line.put("urgent", lane=9)
    assert await line.member().take_and_ack(2) == ["urgent", "before"]
