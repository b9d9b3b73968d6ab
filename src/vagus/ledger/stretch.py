"""Where a cursor reads: stretches of a lane, of which only the last may be open (rule 5).

A point is a count of events before it, and a position that it is behind. Stretches are in order, do not overlap and
are not empty; what lies between two of them was left to another subscription.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Point: TypeAlias = tuple[int, int]
Stretch: TypeAlias = tuple[Point, Point | None]
"""From the first point up to the second one; without it, for as long as events come."""


def unread(stretches: Sequence[Stretch], count: int) -> int:
    """Return how many of the `count` events that a lane ever had lie in the stretches."""
    return sum((count if until is None else until[0]) - start[0] for start, until in stretches)


def cut_off(stretches: Sequence[Stretch], at: Point) -> list[Stretch]:
    """Return what of the stretches lies before `at`: all that is left when a cursor is closed there."""
    kept: list[Stretch] = []
    for start, until in stretches:
        if start[0] < at[0]:
            kept.append((start, at if until is None or until[0] > at[0] else until))
    return kept


def opened(stretches: Sequence[Stretch], at: Point) -> list[Stretch]:
    """Return what a closed cursor reads when it reads on from `at`: what it had left before that, and all behind."""
    kept = cut_off(stretches, at)
    if kept and kept[-1][1] is not None and kept[-1][1][0] == at[0]:
        return [*kept[:-1], (kept[-1][0], None)]
    return [*kept, (at, None)]
