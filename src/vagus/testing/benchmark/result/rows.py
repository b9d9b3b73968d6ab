"""Rows that are made of other figures."""

from __future__ import annotations

from collections.abc import Mapping

from vagus.testing.benchmark.result.figure import Spread
from vagus.testing.benchmark.result.report import Row, Unit


def growth(case: str, figures: Mapping[str, Spread], smallest: str, largest: str) -> Row:
    """Return how many times the median at the largest size is that at the smallest."""
    return single(case, figures[largest].median / figures[smallest].median)


def single(case: str, value: float, unit: Unit = "") -> Row:
    """Return a figure that was measured once."""
    return Row(case, unit, {"vagus": Spread(value, value, value)})
