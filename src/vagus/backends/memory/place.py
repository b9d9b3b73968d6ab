"""One ledger in this process, and those who wait for something to happen to it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Protocol
from weakref import WeakValueDictionary

from vagus.backend import Outcome, Unit
from vagus.clock import Clock
from vagus.ledger.model import Ledger, Limits
from vagus.ledger.subscription import Subscription
from vagus.store import Append, Change

KEPT = Limits(settled=10_000, dedupe=100_000)
"""Memory is finite: settled events per lane and dedupe values per log that are kept, besides all unsettled ones."""

_named: WeakValueDictionary[str, Place] = WeakValueDictionary()


class Waiter(Protocol):
    """Somebody who waits for events."""

    def look(self, grown: set[str], gained: set[Subscription]) -> None:
        """Wake up if one of these logs or subscriptions concerns you."""


class Place:
    """A ledger that may be shared by several backends of one process, on one event loop."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ledger = Ledger(KEPT)
        self.waiters: dict[Waiter, None] = {}  # in order of waiting, so that a run can be repeated
        self.followers: dict[str, dict[asyncio.Future[None], None]] = {}
        self._advance_at = -math.inf

    def commit(self, units: Sequence[Unit]) -> list[Outcome]:
        """Carry out the units and wake whom they concern."""
        now = self.clock.now()
        outcomes, grown, gained = self.ledger.commit(units, now)
        for unit in units:
            for put in unit.puts:
                if put.after_s > 0:
                    self._advance_at = min(self._advance_at, now + put.after_s)
            if unit.changes:
                self.wake_followers(unit.changes)
        # A waiting member knows its own due times; a delayed put may have given it an earlier one.
        self.wake(grown, gained, everybody=self._advance_at <= now or any(p.after_s > 0 for u in units for p in u.puts))
        return outcomes

    def advance(self, now: float) -> None:
        """Let what is due enter its log; cheap while nothing is."""
        if now < self._advance_at:
            return
        grown = self.ledger.advance(now)
        dues = [log.scheduled[0][0] for log in self.ledger.logs.values() if log.scheduled]
        self._advance_at = min([now + 1.0, *dues])
        self.wake(grown, set())

    def wake(self, grown: set[str], gained: set[Subscription], *, everybody: bool = False) -> None:
        """Let those who wait look whether this concerns them."""
        if self.waiters and everybody:
            grown = set(self.ledger.logs)
        if self.waiters and (grown or gained):
            for waiter in tuple(self.waiters):
                waiter.look(grown, gained)

    def wake_followers(self, changes: Sequence[Change | Append]) -> None:
        """Wake those who follow the streams that were appended to."""
        for change in changes:
            if isinstance(change, Append):
                self._wake_followers_of(change.stream)

    def _wake_followers_of(self, stream: str) -> None:
        for future in self.followers.pop(stream, ()):
            if not future.done():
                future.set_result(None)


def place_of(name: str, clock: Clock) -> Place:
    """Return the place of that name, made if need be; without a name, a place of its own."""
    if not name:
        return Place(clock)
    place = _named.get(name)
    if place is None:
        place = _named[name] = Place(clock)
    return place
