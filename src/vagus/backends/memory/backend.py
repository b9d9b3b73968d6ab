"""The memory backend: the seam's methods over one place."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from vagus.backend import (
    Capabilities,
    Catalogue,
    Cut,
    Feed,
    Figures,
    GroupSpec,
    Inbox,
    Member,
    Outcome,
    Record,
    SeekTo,
    Source,
    Start,
    Switch,
    Topic,
    TopicSpec,
    Unit,
)
from vagus.backends.memory.feed import MemoryFeed
from vagus.backends.memory.options import parse
from vagus.backends.memory.place import Place, place_of
from vagus.backends.memory.store import MemoryStore
from vagus.clock import Clock, SystemClock
from vagus.errors import ForkedAfterOpen, NotStarted
from vagus.store import Store

CAPABILITIES = Capabilities(
    system="memory",
    version="1",
    durable=False,
    shared=False,
    atomic=True,
    fenced=True,
    notes=True,
    dedupe=True,
    delay=True,
    lanes=True,
    keyed_lanes=True,
    replay=True,
    bounded=True,
    exact_stats=True,
    switch=True,
    inboxes=True,
)


class Memory:
    """Events in this process's memory: the whole contract, but for what needs a disk or a second process."""

    def __init__(self, url: str = "memory://", clock: Clock | None = None) -> None:
        self._options = parse(url)
        self._clock = clock or SystemClock()
        self._place: Place | None = None
        self._feeds: dict[MemoryFeed, None] = {}
        self._pid = 0

    @property
    def store(self) -> Store | None:
        """The ledger's state."""
        return MemoryStore(self._open_place())

    def _open_place(self) -> Place:
        if self._place is None:
            raise NotStarted("the backend memory:// is not open", hint="await backend.open() first")
        if self._pid != os.getpid():
            raise ForkedAfterOpen("memory:// was opened before this process was forked", hint="open it in the child")
        return self._place

    async def open(self) -> Capabilities:
        """Make or join the place of this name."""
        if self._place is None:
            self._place = place_of(self._options.name, self._clock)
            self._pid = os.getpid()
        return CAPABILITIES

    async def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> None:
        """Make topics and groups exist; new readers may have something to take at once."""
        place = self._open_place()
        place.ledger.declare(topics, groups, self._clock.now())
        place.wake(set(), set(), everybody=True)

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """Carry the units out at once, without giving way to others."""
        return self._open_place().commit(units)

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        """Take a seat at a group."""
        feed = MemoryFeed(self._open_place(), source, member, credit, self._forget)
        self._feeds[feed] = None
        return feed

    def _forget(self, feed: MemoryFeed) -> None:
        self._feeds.pop(feed, None)

    async def steer(self, group: str, change: SeekTo | Switch) -> Cut | None:
        """Move a group's cursors, or change how it delivers."""
        place = self._open_place()
        cut: Cut | None = None
        if isinstance(change, Switch):
            cut = place.ledger.switch(group, change, self._clock.now())
        else:
            place.ledger.seek(group, change, self._clock.now())
        place.wake(set(), set(), everybody=True)
        return cut

    async def read(self, topic: str, start: Start, limit: int, wait_s: float = 0.0) -> Sequence[Record]:
        """Look at stored events, waiting for the first one if asked to."""
        place = self._open_place()
        until = self._clock.monotonic() + wait_s
        while True:
            place.advance(self._clock.now())
            records = place.ledger.read(topic, start, limit, self._clock.now())
            left_s = until - self._clock.monotonic()
            if records or left_s <= 0:
                return records
            await _Tail(place, topic).wait(left_s)

    async def stats(self, group: str) -> Sequence[Figures]:
        """Return a group's books."""
        place = self._open_place()
        place.advance(self._clock.now())
        return place.ledger.stats(group, self._clock.now())

    async def describe(self) -> Catalogue:
        """Return all topics and groups."""
        place = self._open_place()
        place.advance(self._clock.now())
        return place.ledger.describe(self._clock.now())

    async def drop(self, target: Topic | Inbox) -> None:
        """Remove a topic, a group or a member."""
        place = self._open_place()
        place.ledger.drop(target, self._clock.now())
        place.wake(set(), set(), everybody=True)

    async def close(self) -> None:
        """Close the feeds, as a dying process would; the place itself lives as long as others use it."""
        for feed in tuple(self._feeds):
            feed.close()
        self._place = None


class _Tail:
    """Waits until a topic grows."""

    def __init__(self, place: Place, topic: str) -> None:
        self._place = place
        self._topic = topic
        self._grown: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def look(self, grown: set[str], gained: object) -> None:
        """Wake up when the topic is among those that grew."""
        if self._topic in grown:
            self._wake()

    def _wake(self) -> None:
        if not self._grown.done():
            self._grown.set_result(None)

    async def wait(self, wait_s: float) -> None:
        """Wait for growth, at most `wait_s` seconds."""
        timer = self._place.clock.call_later(wait_s, self._wake)
        self._place.waiters[self] = None
        try:
            await self._grown
        finally:
            self._place.waiters.pop(self, None)
            timer.cancel()
