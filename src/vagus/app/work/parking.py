"""Deliveries of paused runs: kept in hand as far as there is room, so that a resumed run goes on at once.

The others are given back, due again later, each at a moment of its own: however many there are, a member looks at no
more than `LOOKS_A_SECOND` of them, so that a paused run never makes a hot loop.
"""

from __future__ import annotations

from collections.abc import Iterable

from vagus.app.work.attempt import Attempt

LOOKS_A_SECOND = 100.0
"""How many given-back deliveries of paused runs a member looks at again in a second, at most."""

FIRST_LOOK_S = 1.0
"""After how many seconds the first of them is looked at again."""


class Parking:
    """The deliveries of paused runs that one member keeps in hand."""

    def __init__(self) -> None:
        self._kept: dict[Attempt, None] = {}
        self._next_look = 0.0

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, attempt: Attempt) -> bool:
        return attempt in self._kept

    @property
    def kept(self) -> Iterable[Attempt]:
        """What is kept in hand."""
        return self._kept

    def keep(self, attempt: Attempt) -> None:
        """Keep one in hand until its run goes on."""
        self._kept[attempt] = None

    def drop(self, attempt: Attempt) -> None:
        """Forget one; safe where it is not kept."""
        self._kept.pop(attempt, None)

    def take_all(self) -> list[Attempt]:
        """Return all that is kept, and keep nothing."""
        kept, self._kept = list(self._kept), {}
        return kept

    def look_after_s(self, now: float) -> float:
        """Return in how many seconds to look again at the next one that is given back."""
        self._next_look = max(now + FIRST_LOOK_S, self._next_look + 1.0 / LOOKS_A_SECOND)
        return self._next_look - now
