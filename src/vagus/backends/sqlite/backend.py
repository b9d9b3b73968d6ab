"""Events and small state in one SQLite file, shared by the processes of one machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import apsw
import msgspec

from vagus.backend import (
    After,
    Capabilities,
    Catalogue,
    Cut,
    End,
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
from vagus.backends.sqlite.engine.engine import Engine
from vagus.backends.sqlite.feed import SqliteFeed
from vagus.backends.sqlite.options import parse
from vagus.backends.sqlite.request import Call, Commit, Wakeups
from vagus.backends.sqlite.store import SqliteStore
from vagus.backends.sqlite.writer import Writer, watch
from vagus.clock import Clock, SystemClock
from vagus.errors import ForkedAfterOpen, NotStarted, mask_url
from vagus.ledger.sql.tables import MIGRATIONS
from vagus.store import Store

T = TypeVar("T")


class Sqlite:
    """The whole contract in a file: durable, shared by processes, atomic, fenced, exact.

    The clock is read on a thread of its own, so it must not need an event loop to be read.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._url = url
        self._options = parse(url)
        self._clock = clock or SystemClock()
        self._writer: Writer | None = None
        self._store: SqliteStore | None = None
        self._feeds: set[SqliteFeed] = set()
        self._pid = 0

    @property
    def store(self) -> Store | None:
        """The store in the same file."""
        self._open_writer()
        return self._store

    @property
    def wakeups(self) -> Wakeups:
        """How often the writer's thread was woken, and by what."""
        return self._open_writer().wakeups

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise NotStarted(f"the backend {mask_url(self._url)} is not open", hint="await backend.open() first")
        if self._pid != os.getpid():
            raise ForkedAfterOpen(
                f"{mask_url(self._url)} was opened before this process was forked", hint="open it in the child"
            )
        return self._writer

    async def open(self) -> Capabilities:
        """Open the file, make it or bring it up to date if need be, and start the writer's thread."""
        if self._writer is None:
            options = msgspec.structs.replace(self._options, path=self._options.path.absolute())
            writer = Writer(options, self._clock, asyncio.get_running_loop())
            await writer.open()
            self._writer, self._pid = writer, os.getpid()
            self._store = SqliteStore(self._open_writer, self._clock)
        self._open_writer()
        return Capabilities(
            system="sqlite",
            version=apsw.sqlite_lib_version(),
            durable=True,
            shared=True,
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
            settings={
                "database": os.path.realpath(self._options.path),  # noqa: ASYNC240 - once, when it is opened
                "journal_mode": "wal",
                "synchronous": self._options.synchronous,
                "schema": str(len(MIGRATIONS)),
                "driver": f"apsw {apsw.apsw_version()}",
            },
        )

    async def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> None:
        """Make topics and groups exist."""
        await self._call(lambda engine, now: engine.declaring.declare(topics, groups, now))

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """Carry the units out together with whatever else is asked at this moment."""
        writer = self._writer
        if writer is None or self._pid != os.getpid():
            writer = self._open_writer()
        future: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()
        writer.put(Commit(future, units))
        return await future

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        """Take a seat at a group; that there is none of that name is said by the first `take`."""
        feed = SqliteFeed(self._open_writer(), self._clock, source, member, credit)
        self._feeds.add(feed)
        return feed

    async def steer(self, group: str, change: SeekTo | Switch) -> Cut | None:
        """Move a group's cursors, or change how it delivers."""
        if isinstance(change, Switch):
            return await self._call(lambda engine, now: engine.switching.switch(group, change, now), tidy=True)
        await self._call(lambda engine, now: engine.switching.seek(group, change, now))
        return None

    async def read(self, topic: str, start: Start, limit: int, wait_s: float = 0.0) -> Sequence[Record]:
        """Look at stored events, waiting for the first one if asked to."""
        if wait_s <= 0:
            return await self._call(lambda engine, now: engine.seeing.read(topic, start, limit, now), writes=False)
        if isinstance(start, End):
            start = After(await self._call(lambda engine, now: engine.seeing.end(topic), writes=False))

        def look(engine: Engine, now: float) -> list[Record]:
            return engine.seeing.read(topic, start, limit, now)

        return await watch(self._open_writer(), self._clock, wait_s, look, topic=topic)

    async def stats(self, group: str) -> Sequence[Figures]:
        """Return a group's books."""
        return await self._call(
            lambda engine, now: engine.seeing.stats(engine.declaring.team(group), now), writes=False, tidy=True
        )

    async def describe(self) -> Catalogue:
        """Return all topics and groups."""
        return await self._call(lambda engine, now: engine.seeing.describe(now), writes=False, tidy=True)

    async def drop(self, target: Topic | Inbox) -> None:
        """Remove a topic, a group or a member."""
        await self._call(lambda engine, now: engine.declaring.drop(target))

    async def _call(self, work: Callable[[Engine, float], T], *, writes: bool = True, tidy: bool = False) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._open_writer().put(Call(future, work, writes, tidy))
        return await future

    async def close(self) -> None:
        """Finish what was asked, then close the file; what members hold comes back when their leases lapse."""
        writer, self._writer = self._writer, None
        if writer is not None and self._pid == os.getpid():
            await writer.close()
        self._feeds.clear()
