"""A backend that passes everything on: what a lossy line, a witness or a planted bug is made from."""

from __future__ import annotations

from collections.abc import Sequence

from vagus.backend import (
    Backend,
    Capabilities,
    Catalogue,
    Cut,
    Delivery,
    Feed,
    Figures,
    GroupSpec,
    Inbox,
    Lane,
    Member,
    Outcome,
    Record,
    SeekTo,
    Source,
    Start,
    Switch,
    Token,
    Topic,
    TopicSpec,
    Unit,
)
from vagus.store import Store


class Passing:
    """See `vagus.backend.Backend`; each method is that of `inner`."""

    def __init__(self, inner: Backend) -> None:
        self.inner = inner

    @property
    def store(self) -> Store | None:
        """Pass on."""
        return self.inner.store

    async def open(self) -> Capabilities:
        """Pass on."""
        return await self.inner.open()

    async def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> None:
        """Pass on."""
        await self.inner.declare(topics, groups)

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """Pass on."""
        return await self.inner.commit(units)

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        """Pass on."""
        return self.inner.attach(source, member, credit)

    async def steer(self, group: str, change: SeekTo | Switch) -> Cut | None:
        """Pass on."""
        return await self.inner.steer(group, change)

    async def read(self, topic: str, start: Start, limit: int, wait_s: float = 0.0) -> Sequence[Record]:
        """Pass on."""
        return await self.inner.read(topic, start, limit, wait_s)

    async def stats(self, group: str) -> Sequence[Figures]:
        """Pass on."""
        return await self.inner.stats(group)

    async def describe(self) -> Catalogue:
        """Pass on."""
        return await self.inner.describe()

    async def drop(self, target: Topic | Inbox) -> None:
        """Pass on."""
        await self.inner.drop(target)

    async def close(self) -> None:
        """Pass on."""
        await self.inner.close()


class PassingFeed:
    """See `vagus.backend.Feed`; each method is that of `inner`."""

    def __init__(self, inner: Feed) -> None:
        self.inner = inner

    async def take(self, limit: int, lanes: Sequence[Lane]) -> Sequence[Delivery]:
        """Pass on."""
        return await self.inner.take(limit, lanes)

    async def extend(self, tokens: Sequence[Token], by_s: float) -> Sequence[Token]:
        """Pass on."""
        return await self.inner.extend(tokens, by_s)

    async def leave(self) -> None:
        """Pass on."""
        await self.inner.leave()
