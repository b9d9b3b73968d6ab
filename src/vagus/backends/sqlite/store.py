"""Small keyed state in the same file: its changes can join a unit, and readers of streams are woken, not polled for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from vagus.backends.sqlite.engine.engine import Engine
from vagus.backends.sqlite.request import Call
from vagus.backends.sqlite.writer import Writer, watch
from vagus.clock import Clock
from vagus.store import Append, Change, Part, Value

T = TypeVar("T")


class SqliteStore:
    """See `vagus.store.Store`."""

    def __init__(self, writer: Callable[[], Writer], clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    async def get(self, keys: Sequence[str]) -> Sequence[Value | None]:
        """Return the values of `keys`."""
        return await self._call(lambda engine, now: [engine.state.get(key, now) for key in keys], writes=False)

    async def swap(self, changes: Sequence[Change]) -> Sequence[bool]:
        """Carry out all changes or none."""
        return await self._call(lambda engine, now: engine.state.swap(changes, now))

    async def scan(self, prefix: str, after: str, limit: int) -> Sequence[tuple[str, Value]]:
        """Return keys with `prefix`, sorted."""
        return await self._call(lambda engine, now: engine.state.scan(prefix, after, limit, now), writes=False)

    async def append(self, append: Append) -> bool:
        """Append parts to a stream."""
        return await self._call(lambda engine, now: engine.state.apply(append, now))

    async def follow(self, stream: str, after: int, limit: int, wait_s: float = 0.0) -> Sequence[Part]:
        """Return the next parts, waiting for the first one at most `wait_s` seconds."""

        def look(engine: Engine, now: float) -> list[Part]:
            return engine.state.follow(stream, after, limit, now)

        if wait_s <= 0:
            return await self._call(look, writes=False)
        return await watch(self._writer(), self._clock, wait_s, look, stream=stream)

    async def _call(self, work: Callable[[Engine, float], T], *, writes: bool = True) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._writer().put(Call(future, work, writes))
        return await future

    async def close(self) -> None:
        """Nothing to let go of: the file belongs to the backend."""
