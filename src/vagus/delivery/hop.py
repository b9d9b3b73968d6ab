"""How far an event may be from the first one of its chain: 64 hops, which ends handlers that feed each other."""

from __future__ import annotations

from typing import Final

import msgspec

HOP_LIMIT: Final = 64
"""An event may be caused by an event, that by another, and so on, this many times."""


class HopLimit(msgspec.Struct, frozen=True):
    """The output would be further from the first event of its chain than `limit`; it is not published."""

    hops: int
    limit: int

    @property
    def sentence(self) -> str:
        """What to tell the reader."""
        return f"an output would be hop {self.hops} of its chain, over the limit of {self.limit}: a loop of handlers?"


def next_hops(cause_hops: int, limit: int = HOP_LIMIT) -> int | HopLimit:
    """Return the hops of an event caused by one of `cause_hops` (a first event has 0), or `HopLimit` when too many."""
    hops = max(0, cause_hops) + 1
    return hops if hops <= limit else HopLimit(hops, limit)
