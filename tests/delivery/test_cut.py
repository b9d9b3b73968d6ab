"""What was there before a moment, by position, and by time for what got its position later."""

from __future__ import annotations

import pytest

from vagus.backend import Position
from vagus.delivery.cut import Cut

CUT = Cut({"job": 10, "$inbox.g": 5, "words": "m"}, at=100.0)


@pytest.mark.contract("G16")
@pytest.mark.parametrize(
    ("topic", "position", "published_at", "covered"),
    [
        ("job", 10, None, True),
        ("job", 11, None, False),
        ("job", 11, 99.9, True),  # it was delayed
        ("job", 11, 100.0, False),
        ("job", "x", None, False),  # a position of another kind compares with nothing
        ("words", "a", None, True),
        ("other", 1, None, False),
        ("other", 1, 99.0, True),
    ],
)
def test_event_was_there_by_its_place_or_its_time(
    topic: str, position: Position, published_at: float | None, covered: bool
) -> None:
    assert CUT.covers(topic, position, published_at=published_at, inbox="$inbox.g") is covered


@pytest.mark.contract("G16")
@pytest.mark.parametrize(
    ("topic", "position", "covered"),
    [("job", 3, False), ("$inbox.g", 5, True), ("$inbox.g", 6, False)],
    ids=["replayed", "redriven before", "redriven later"],
)
def test_what_was_sent_again_counts_as_a_new_order(topic: str, position: Position, covered: bool) -> None:
    assert CUT.covers(topic, position, published_at=1.0, generation=1, inbox="$inbox.g") is covered
