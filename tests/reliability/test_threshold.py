"""When a figure crosses its limit, and when it is well again: as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.backend import Figures
from vagus.reliability.threshold import Figure, Standing, Threshold, judge, value_of

LIMIT = Threshold("g", "backlog", 100, "alerts")
CROSSED, CLEARED = Standing(True, 5.0), Standing(False, 5.0)


@pytest.mark.requirement("R64")
@pytest.mark.parametrize(
    ("value", "before", "after"),
    [
        (99, None, None),
        (100, None, Standing(True, 9.0)),
        (100, CLEARED, Standing(True, 9.0)),
        (99, CLEARED, None),
        (500, CROSSED, None),
        (99, CROSSED, None),
        (81, CROSSED, None),
        (80, CROSSED, Standing(False, 9.0)),
        (0, CROSSED, Standing(False, 9.0)),
    ],
)
def test_limit_crosses_at_once_and_clears_with_a_gap(
    value: float, before: Standing | None, after: Standing | None
) -> None:
    assert judge(LIMIT, value, before, 9.0) == after


@given(st.lists(st.floats(81, 99), max_size=20))
def test_value_that_swings_within_the_gap_tells_nothing(values: list[float]) -> None:
    assert [judge(LIMIT, value, CROSSED, 9.0) for value in values] == [None] * len(values)
    assert [judge(LIMIT, value, CLEARED, 9.0) for value in values] == [None] * len(values)


BOOKS = [
    Figures(group="g", member="a", ready=2, parked=1, waiting=4, held=9, dead=3, redriven=1, oldest_s=7.5),
    Figures(group="g", member="b", ready=1, dead=1, oldest_s=None),
]


@pytest.mark.parametrize(
    ("figure", "books", "value"),
    [
        ("backlog", BOOKS, 8),
        ("oldest_s", BOOKS, 7.5),
        ("oldest_s", BOOKS[1:], 0),
        ("dead", BOOKS, 3),
        ("dead", [Figures(group="g", redriven=2)], 0),
        ("backlog", [], 0),
    ],
)
def test_figures_of_all_members_are_taken_together(figure: Figure, books: list[Figures], value: float) -> None:
    assert value_of(figure, books) == value
