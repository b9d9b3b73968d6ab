"""What several measurements of one thing say: their median, and how far apart they lie."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """The rounds of one lane: median, smallest and largest."""

    median: float
    low: float
    high: float

    def less(self, value: float) -> Spread:
        """Return what is left of each when `value` is taken away."""
        return Spread(self.median - value, self.low - value, self.high - value)


def spread(samples: Sequence[float]) -> Spread:
    """Return what at least one sample says."""
    return Spread(statistics.median(samples), min(samples), max(samples))


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least `share` of all do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def short(value: float) -> str:
    """Return a figure in three digits: `9.31`, `61.2k`, `1.05M`."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return _three(value / size) + letter
    return _three(value)


def _three(value: float) -> str:
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    text = f"{round(value, digits):.{max(0, min(digits, 4))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
