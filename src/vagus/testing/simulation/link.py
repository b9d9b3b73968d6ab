"""The line between one simulated process and the backend: it is slow, it loses requests and replies, it can be cut."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import msgspec

from vagus.backend import Backend, Delivery, Feed, Lane, Member, Outcome, Source, Token, Unit
from vagus.backends.memory.feed import MemoryFeed
from vagus.errors import ConnectionLost, PublishUnconfirmed
from vagus.testing.simulation.history import History
from vagus.testing.simulation.passing import Passing, PassingFeed


class Weather(msgspec.Struct, frozen=True):
    """How a line behaves: chances between 0 and 1; the longest way of a request or a reply, in seconds."""

    lost_request: float = 0.0
    lost_reply: float = 0.0
    slow: float = 0.3
    way_s: float = 0.02


class Link(Passing):
    """See the module."""

    def __init__(self, inner: Backend, who: str, chance: random.Random, weather: Weather, history: History) -> None:
        super().__init__(inner)
        self.is_cut = False
        self.under_way = 0
        self._who = who
        self._chance = chance
        self._weather = weather
        self._history = history
        self._feeds: list[LinkFeed] = []

    def cut(self) -> None:
        """Let nothing through until `heal`."""
        self.is_cut = True
        for feed in self._feeds:
            feed.drop()
        self._feeds.clear()

    def heal(self, weather: Weather | None = None) -> None:
        """Let everything through again; with `weather`, it is like that from now on."""
        self.is_cut = False
        self._weather = weather or self._weather

    def must_reach(self) -> None:
        """Raise `ConnectionLost` while the line is cut."""
        if self.is_cut:
            raise ConnectionLost("the line is cut", hint="wait until it heals")

    async def travel(self) -> None:
        """Take the time of one way; now and then there is any."""
        if self._chance.random() < self._weather.slow:
            await asyncio.sleep(self._chance.random() * self._weather.way_s)

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """Pass on, unless the request or the reply is lost: whoever waits for it cannot tell which it was."""
        self.must_reach()
        lot = self._chance.random()
        self.under_way += 1
        try:
            await self.travel()
            if lot < self._weather.lost_request:
                self._history.fault("lost request", self._who)
                raise PublishUnconfirmed("no answer came")
            outcomes = await self.inner.commit(units)
            if lot < self._weather.lost_request + self._weather.lost_reply:
                self._history.fault("lost reply", self._who)
                raise PublishUnconfirmed("no answer came")
            await self.travel()
            self.must_reach()
        finally:
            self.under_way -= 1
        return outcomes

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        """Join over this line."""
        self.must_reach()
        feed = LinkFeed(self.inner.attach(source, member, credit), self)
        self._feeds.append(feed)
        return feed

    async def close(self) -> None:
        """Let go of the feeds of this process; the backend is shared with others."""
        self.cut()


class LinkFeed(PassingFeed):
    """A feed over a line."""

    def __init__(self, inner: Feed, link: Link) -> None:
        super().__init__(inner)
        self._link = link
        self._broken = False

    def _must_reach(self) -> None:
        self._link.must_reach()
        if self._broken:
            raise ConnectionLost("the line was cut since this feed was made", hint="attach again")

    async def take(self, limit: int, lanes: Sequence[Lane]) -> Sequence[Delivery]:
        """Pass on; what was handed out while the line broke never arrives."""
        self._must_reach()
        deliveries = await self.inner.take(limit, lanes)
        await self._link.travel()
        self._must_reach()
        return deliveries

    async def extend(self, tokens: Sequence[Token], by_s: float) -> Sequence[Token]:
        """Pass on."""
        self._must_reach()
        return await self.inner.extend(tokens, by_s)

    async def leave(self) -> None:
        """Pass on."""
        self._must_reach()
        await self.inner.leave()

    def drop(self) -> None:
        """End the backend's side, as it does when a connection breaks."""
        self._broken = True
        feed = self.inner
        while isinstance(feed, PassingFeed):
            feed = feed.inner
        if isinstance(feed, MemoryFeed):
            feed.close()
