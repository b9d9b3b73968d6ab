"""Which lane is looked at first: higher priorities first, and no lane passed over for ever.

The bound: with `lanes` lanes, each of them comes first at least once in any `EVERY * (lanes - 1)` consecutive takes
(72 for ten lanes). On the other takes the order is strictly from the highest to the lowest. The turns that favour a
lower lane go through the lanes from the top, so that a short burst of high priority on a fresh member is not broken.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from vagus.backend import Lane
from vagus.errors import InvalidArgument

LANES: Final = 10
"""How many lanes a topic with priorities has."""

EVERY: Final = 8
"""Every so many takes a lower lane comes first."""


@cache
def cycle(lanes: int, every: int = EVERY) -> tuple[tuple[Lane, ...], ...]:
    """Return the orders of one whole round of takes, after which they repeat; made once per `lanes` and `every`.

    Raises `InvalidArgument` when `lanes` is under 1 or `every` under 2.
    """
    if lanes < 1 or every < 2:
        raise InvalidArgument(f"expected lanes of 1 or more and every of 2 or more, got {lanes} and {every}")
    strict = tuple(range(lanes - 1, -1, -1))
    round_: list[tuple[Lane, ...]] = []
    for favoured in strict[1:]:
        round_ += [strict] * (every - 1)
        round_.append((favoured, *(lane for lane in strict if lane != favoured)))
    return tuple(round_) or (strict,)


def next_order(lanes: int, turn: int) -> tuple[Lane, ...]:
    """Return the order of lanes for take number `turn` (from 0) of a member; all lanes are in it, each once."""
    orders = cycle(lanes)
    return orders[turn % len(orders)]


def lane_of(priority: int, lanes: int = LANES) -> Lane:
    """Return the lane of an event of `priority` 0 to 9, higher first; 0 where the topic has one lane only.

    Raises `InvalidArgument` when `priority` is not a whole number from 0 to 9, also where it would be ignored.
    """
    if not _is_priority(priority):
        raise InvalidArgument(f"expected a priority from 0 to 9 (9 is the most urgent), got {priority!r}")
    return priority if lanes > 1 else 0


def _is_priority(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LANES
