"""When a group's figure is too high, and when it is well again: crossing and clearing, with a gap between.

A figure that goes up and down around its limit is told once: what has crossed at the limit clears only at `clear` times
the limit, or below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from vagus.backend import Figures

Figure: TypeAlias = Literal["backlog", "oldest_s", "dead"]
"""Events that wait (ready, parked, or for a due time), the age of the oldest ready one, dead letters that are open."""

CLEAR = 0.8


class Threshold(msgspec.Struct, frozen=True):
    """What is watched: one figure of one group. `topic`: where it is told that it crosses `limit`, or clears."""

    group: str
    figure: Figure
    limit: float
    topic: str
    clear: float = CLEAR


class Standing(msgspec.Struct, frozen=True):
    """How a threshold stands, and since when (seconds since 1970)."""

    crossed: bool
    since: float


def value_of(figure: Figure, books: Sequence[Figures]) -> float:
    """Return a figure of a group from its books, which are several where it delivers to all."""
    if figure == "oldest_s":
        return max((one.oldest_s for one in books if one.oldest_s is not None), default=0.0)
    if figure == "backlog":
        return sum(one.ready + one.parked + one.waiting for one in books)
    # A redrive leaves the letter in the count of the dead, and adds one to that of the redriven.
    return max(0, sum(one.dead - one.redriven for one in books))


def judge(threshold: Threshold, value: float, standing: Standing | None, now: float) -> Standing | None:
    """Return the new standing where `value` crosses or clears the threshold; None where nothing changes."""
    if standing is None or not standing.crossed:
        return Standing(True, now) if value >= threshold.limit else None
    return Standing(False, now) if value <= threshold.limit * threshold.clear else None
