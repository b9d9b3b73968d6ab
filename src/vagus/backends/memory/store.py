"""The ledger's state as a store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from vagus.backends.memory.place import Place
from vagus.store import Append, Change, Part, Value


class MemoryStore:
    """See `vagus.store.Store`."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def get(self, keys: Sequence[str]) -> Sequence[Value | None]:
        """Return the values of `keys`."""
        now = self._place.clock.now()
        return [self._place.ledger.state.get(key, now) for key in keys]

    async def swap(self, changes: Sequence[Change]) -> Sequence[bool]:
        """Carry out all changes or none."""
        return self._place.ledger.state.swap(changes, self._place.clock.now())

    async def scan(self, prefix: str, after: str, limit: int) -> Sequence[tuple[str, Value]]:
        """Return keys with `prefix`, sorted."""
        return self._place.ledger.state.scan(prefix, after, limit, self._place.clock.now())

    async def append(self, append: Append) -> bool:
        """Append parts and wake those who follow."""
        done = self._place.ledger.state.apply(append, self._place.clock.now())
        self._place.wake_followers([append])
        return done

    async def follow(self, stream: str, after: int, limit: int, wait_s: float = 0.0) -> Sequence[Part]:
        """Return the next parts, waiting for the first one at most `wait_s` seconds."""
        state, clock = self._place.ledger.state, self._place.clock
        until = clock.monotonic() + wait_s
        while True:
            parts = state.follow(stream, after, limit, clock.now())
            left_s = until - clock.monotonic()
            if parts or left_s <= 0:
                return parts
            await self._wait(stream, left_s)

    async def _wait(self, stream: str, wait_s: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        followers = self._place.followers.setdefault(stream, {})
        followers[future] = None
        timer = self._place.clock.call_later(wait_s, lambda: None if future.done() else future.set_result(None))
        try:
            await future
        finally:
            timer.cancel()
            followers.pop(future, None)
            if not followers and self._place.followers.get(stream) is followers:
                del self._place.followers[stream]

    async def close(self) -> None:
        """Nothing to let go of: the place belongs to the backend."""
