"""The order of lanes: strict on most takes, and a bound on how long a lane waits for its turn."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.delivery.lane import EVERY, LANES, cycle, lane_of, next_order
from vagus.errors import InvalidArgument

STRICT = (9, 8, 7, 6, 5, 4, 3, 2, 1, 0)


@pytest.mark.contract("G9")
@pytest.mark.requirement("R58")
def test_the_first_takes_go_from_the_highest_lane_down() -> None:
    assert [next_order(LANES, turn) for turn in range(EVERY - 1)] == [STRICT] * (EVERY - 1)


@pytest.mark.contract("G9")
@pytest.mark.parametrize(
    ("turn", "order"),
    [
        (7, (8, 9, 7, 6, 5, 4, 3, 2, 1, 0)),
        (15, (7, 9, 8, 6, 5, 4, 3, 2, 1, 0)),
        (71, (0, 9, 8, 7, 6, 5, 4, 3, 2, 1)),
        (72, STRICT),
        (79, (8, 9, 7, 6, 5, 4, 3, 2, 1, 0)),
    ],
)
def test_every_eighth_take_favours_the_next_lower_lane(turn: int, order: tuple[int, ...]) -> None:
    assert next_order(LANES, turn) == order


@pytest.mark.contract("G9")
@given(start=st.integers(0, 10**9))
def test_each_lane_comes_first_within_72_takes_of_any_turn(start: int) -> None:
    firsts = {next_order(LANES, turn)[0] for turn in range(start, start + EVERY * (LANES - 1))}

    assert firsts == set(range(LANES))


@given(lanes=st.integers(1, 12), turn=st.integers(0, 1000))
def test_every_order_names_each_lane_once(lanes: int, turn: int) -> None:
    assert sorted(next_order(lanes, turn)) == list(range(lanes))


def test_a_topic_with_one_lane_has_one_order() -> None:
    assert cycle(1) == ((0,),)


def test_orders_are_made_once_and_shared() -> None:
    assert next_order(LANES, 3) is next_order(LANES, 3 + EVERY * (LANES - 1))


@pytest.mark.parametrize(("lanes", "every"), [(0, 8), (10, 1)])
def test_a_cycle_that_cannot_be_is_refused(lanes: int, every: int) -> None:
    with pytest.raises(InvalidArgument, match="1 or more"):
        cycle(lanes, every)


@pytest.mark.parametrize(("priority", "lanes", "lane"), [(0, 10, 0), (9, 10, 9), (5, 10, 5), (9, 1, 0)])
def test_a_priority_is_a_lane_where_the_topic_has_lanes(priority: int, lanes: int, lane: int) -> None:
    assert lane_of(priority, lanes) == lane


@pytest.mark.contract("G19")
@pytest.mark.parametrize("priority", [-1, 10, True, 1.0, "high", None])
def test_a_priority_outside_0_to_9_is_refused_by_name(priority: Any) -> None:
    with pytest.raises(InvalidArgument, match=f"priority from 0 to 9.*{priority!r}"):
        lane_of(priority, lanes=1)
