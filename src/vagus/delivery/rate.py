"""How often handlers of a group may begin, over all its members: who may begin how many, and when.

Time is cut into stretches, one behind the other, each as long as its events take at the rate. A member claims the next
free one for what it has in hand, and may begin that many in it. Whoever claims moves on, by compare-and-set, the one
number that is kept: when the next stretch is free. An idle group saves nothing up.

The bound: in any time, no more than rate × time begin, and `Rate.burst` more (a claim at either end of that time may be
used at once, and a claim is good for `LATE_S` after its end, or a busy process would lose what it claimed).
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from vagus.errors import InvalidArgument

STRETCH_S: Final = 0.05
"""The most that is claimed at once, in seconds of the rate: what limits how often the number is moved."""

LATE_S: Final = 0.1
"""How long after its end a claim may still be used, in seconds."""

_RATE = re.compile(r"(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)?(s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_FAR_S = 60.0


class Rate(msgspec.Struct, frozen=True):
    """So many beginnings a second, over a whole group."""

    per_s: float

    @property
    def most(self) -> int:
        """How many are claimed at once, at most."""
        return max(1, int(self.per_s * STRETCH_S))

    @property
    def burst(self) -> int:
        """By how many the rate may be exceeded within any time."""
        return max(3, 2 * self.most + int(self.per_s * LATE_S) + 1)


class Claim(msgspec.Struct, frozen=True):
    """A stretch of time in which `count` handlers may begin; `until` is when the next one is free."""

    count: int
    since: float
    until: float

    def is_good(self, now: float) -> bool:
        """Return whether it may be used now."""
        return self.since <= now < self.until + LATE_S


def rate_of(text: str, what: str = "rate") -> Rate:
    """Return the rate that a text such as "100/s", "30/m" or "5/10s" means. Raises `InvalidArgument`."""
    found = _RATE.fullmatch(str(text))
    if found is not None:
        count, span_s = float(found[1]), float(found[2] or 1) * _SECONDS[found[3]]
        if count and span_s:
            return Rate(count / span_s)
    raise InvalidArgument(f'{what}: expected a number of events in a time, such as "100/s" or "30/m", got {text!r}')


def claim(rate: Rate, free_at: float, now: float, wanted: int) -> Claim:
    """Return the claim on the next free stretch for `wanted` events; times in seconds since 1970.

    `free_at` is the number that is kept, 0 at first. One that lies absurdly far in the future was written under a clock
    that was wrong, and is passed over.
    """
    count = max(1, min(wanted, rate.most))
    if free_at - now > max(_FAR_S, 1_000 * rate.most / rate.per_s):
        free_at = now
    since = max(free_at, now)
    return Claim(count, since, since + count / rate.per_s)
