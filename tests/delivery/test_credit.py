"""How much a member holds follows the pace at which it settles."""

import pytest

from vagus.delivery.credit import MOST, Pace


def settle(pace: Pace, count: int, seconds: float, start: float) -> None:
    """Settle `count` deliveries evenly over `seconds`, measuring whenever the pace asks for it."""
    for number in range(1, count + 1):
        if pace.settled():
            pace.measure(start + seconds * number / count)


def test_fast_handler_is_given_more_and_never_too_much() -> None:
    pace = Pace(concurrency=32)

    settle(pace, 20_000, 0.5, 0.0)

    assert pace.credit == MOST == pace.most


def test_slow_handler_holds_what_it_runs_and_nothing_else() -> None:
    pace = Pace(concurrency=4)

    settle(pace, 500, 500.0, 0.0)

    assert pace.credit == 4


def test_credit_at_most_doubles_and_at_most_halves() -> None:
    pace = Pace(concurrency=10)
    settle(pace, 64, 0.1, 0.0)  # only begins to measure
    settle(pace, 64, 0.001, 0.1)

    assert pace.credit == 20


def test_time_that_stands_still_gives_the_most() -> None:
    pace = Pace(concurrency=600)
    for _ in range(2):
        pace.measure(5.0)

    assert pace.credit == 1_000


@pytest.mark.parametrize(("held", "room"), [(0, 8), (6, 2), (7, 0), (8, 0)])
def test_fixed_prefetch_is_kept_and_filled_by_the_quarter(held: int, room: int) -> None:
    pace = Pace(concurrency=4, prefetch=8)
    settle(pace, 1_000, 0.001, 0.0)

    assert (pace.credit, pace.most, pace.room(held)) == (8, 8, room)


def test_spare_room_is_what_credit_may_grow_by_and_half_of_a_fixed_one() -> None:
    assert (Pace(32).spare, Pace(32, 100).spare, Pace(32, 1).spare) == (MOST - 32, 50, 0)


@pytest.mark.contract("G13")
@pytest.mark.parametrize(("held", "room"), [(8, 2), (9, 1), (10, 0)])
def test_attempt_that_could_run_waits_for_no_quarter(held: int, room: int) -> None:
    assert Pace(concurrency=10).room(held) == room
    assert Pace(concurrency=10, prefetch=10).room(held) == room
