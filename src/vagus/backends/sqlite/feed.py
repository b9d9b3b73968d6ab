"""A member's end of a subscription in a file: takes stand with the writer until they are filled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from vagus.backend import Delivery, Member, Source, Token
from vagus.backends.sqlite.engine.engine import Engine
from vagus.backends.sqlite.request import Call, Demand, Membership
from vagus.backends.sqlite.writer import Writer
from vagus.clock import Clock
from vagus.errors import ConnectionLost


class SqliteFeed:
    """See `vagus.backend.Feed`."""

    def __init__(self, writer: Writer, clock: Clock, source: Source, member: Member, credit: int) -> None:
        self._writer = writer
        self._membership = Membership(source, member, credit, clock.now())
        self._joined: asyncio.Future[None] | None = None
        self._left = False
        if self._membership.joins:
            self._joined = asyncio.get_running_loop().create_future()
            writer.put(Call(self._joined, lambda engine, now: engine.members.attach(source.group, member, now)))

    async def _join(self) -> None:
        if self._joined is not None:
            await asyncio.shield(self._joined)
            self._joined = None

    async def take(self, limit: int, lanes: Sequence[int]) -> Sequence[Delivery]:
        """Wait for events; see `Feed.take`. What was claimed for a take that is cancelled goes back uncounted."""
        if self._joined is not None:
            await self._join()
        if self._left:
            raise ConnectionLost("the feed is closed", hint="attach again")
        future: asyncio.Future[Sequence[Delivery]] = asyncio.get_running_loop().create_future()
        self._writer.put(Demand(future, self._membership, limit, lanes))
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._writer.hand_back(future.result())
            raise

    async def extend(self, tokens: Sequence[Token], by_s: float) -> Sequence[Token]:
        """Extend leases; return the lost ones."""
        await self._join()
        membership = self._membership
        future: asyncio.Future[Sequence[Token]] = asyncio.get_running_loop().create_future()

        def work(engine: Engine, now: float) -> list[Token]:
            if membership.joins:
                engine.members.seen(membership.source.group, membership.member, now)
            return engine.settling.extend(tokens, by_s, now)

        self._writer.put(Call(future, work))
        return await future

    async def leave(self) -> None:
        """End the membership; others may take at once what it held."""
        if self._left:
            return
        self._left = True
        membership = self._membership
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writer.put(
            Call(future, lambda engine, now: engine.members.leave(membership.source, membership.member, now))
        )
        await future
