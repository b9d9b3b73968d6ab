"""Blobs in the memory of one process: for an app under test, whose bodies go with the test."""

from __future__ import annotations

from collections.abc import Sequence

from vagus.blob import BlobInfo
from vagus.clock import Clock


class MemoryBlobs:
    """See `vagus.blob.BlobStore`. `contents` can be looked at."""

    def __init__(self, clock: Clock) -> None:
        self.contents: dict[str, bytes] = {}
        self._clock = clock
        self._idle_from: dict[str, float] = {}

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def put(self, name: str, content: bytes, hold_s: float = 0.0) -> None:
        """Keep it."""
        self.contents[name] = content
        self._idle_from[name] = max(self._idle_from.get(name, 0.0), self._clock.now() + hold_s)

    async def get(self, name: str) -> bytes | None:
        """Return it."""
        return self.contents.get(name)

    async def names(self, after: str, limit: int) -> Sequence[BlobInfo]:
        """List what there is."""
        now = self._clock.now()
        names = sorted(name for name in self.contents if name > after)[:limit]
        return [BlobInfo(name, len(self.contents[name]), now - self._idle_from[name]) for name in names]

    async def remove(self, name: str, idle_s: float) -> bool:
        """Forget it."""
        gone = name in self.contents and self._clock.now() - self._idle_from[name] >= idle_s
        if gone:
            del self.contents[name], self._idle_from[name]
        return gone

    async def close(self) -> None:
        """Nothing is held open."""
