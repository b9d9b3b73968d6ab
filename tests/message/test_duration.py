"""Durations as users say them."""

from __future__ import annotations

from typing import Any

import pytest

from vagus.errors import InvalidArgument
from vagus.message.duration import seconds


@pytest.mark.parametrize(
    ("said", "meant"), [(0, 0.0), (1.5, 1.5), ("500ms", 0.5), ("30s", 30.0), ("5m", 300.0), ("2h", 7_200.0)]
)
def test_seconds_and_text_with_a_unit_are_durations(said: Any, meant: float) -> None:
    assert seconds(said, "timeout") == meant


@pytest.mark.parametrize(
    "said", [-1, "soon", "5", "5 m", True, None, [], 10**400, float("nan"), float("inf"), 1e300, "9999999d"]
)
def test_what_is_no_duration_is_refused_by_name(said: Any) -> None:
    with pytest.raises(InvalidArgument, match="timeout: expected seconds"):
        seconds(said, "timeout")
