"""A member's end of a subscription in memory: takes wait on a future that commits and timers resolve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from vagus.backend import Delivery, Inbox, Member, Source, Token
from vagus.backends.memory.place import Place
from vagus.errors import ConnectionLost
from vagus.ledger.subscription import Subscription


class MemoryFeed:
    """See `vagus.backend.Feed`."""

    def __init__(
        self, place: Place, source: Source, member: Member, credit: int, left: Callable[[MemoryFeed], None]
    ) -> None:
        self._place = place
        self._source = source
        self._member = member
        self._credit = credit
        self._left = left
        self._waiting: asyncio.Future[None] | None = None
        self._closed = False
        if source == Inbox(source.group):
            place.ledger.attach(source.group, member, place.clock.now())

    def look(self, grown: set[str], gained: set[Subscription]) -> None:
        """Wake up if one of the seat's subscriptions gained something, or reads a log that grew."""
        group = self._place.ledger.groups.get(self._source.group)
        subscriptions = group.sources(self._source, self._member.name) if group else ()
        if not subscriptions or any(
            one in gained or any(name in grown for name, _ in one.cursors) for one in subscriptions
        ):
            self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def take(self, limit: int, lanes: Sequence[int]) -> Sequence[Delivery]:
        """Wait for events; see `Feed.take`. Nothing is claimed before the last await, so cancelling loses nothing."""
        place = self._place
        while True:
            if self._closed:
                raise ConnectionLost("the feed is closed", hint="attach again")
            now = place.clock.now()
            place.advance(now)
            deliveries = place.ledger.take(self._source, self._member, self._credit, limit, lanes, now)
            if deliveries or place.ledger.is_emptied(self._source):
                return deliveries
            await self._wait(now)

    async def _wait(self, now: float) -> None:
        """Wait for a push, the next due time, or the time to show that this member is still there."""
        lease_s = self._place.ledger.groups[self._source.group].spec.lease_s
        due = self._place.ledger.next_due(self._source, self._member)
        delay_s = lease_s if due is None else min(lease_s, max(0.0, due - now))
        self._waiting = asyncio.get_running_loop().create_future()
        timer = self._place.clock.call_later(delay_s, self._wake)
        self._place.waiters[self] = None
        try:
            await self._waiting
        finally:
            self._place.waiters.pop(self, None)
            timer.cancel()

    async def extend(self, tokens: Sequence[Token], by_s: float) -> Sequence[Token]:
        """Extend leases; return the lost ones."""
        return self._place.ledger.extend(self._source.group, self._member, tokens, by_s, self._place.clock.now())

    async def leave(self) -> None:
        """End the membership; others may take at once what it held."""
        if not self._closed:
            self._place.ledger.leave(self._source, self._member, self._place.clock.now())
            self.close()
            self._place.wake(set(), set(), everybody=True)

    def close(self) -> None:
        """Let go without leaving, as if the process had died."""
        self._closed = True
        self._left(self)
        self._wake()
