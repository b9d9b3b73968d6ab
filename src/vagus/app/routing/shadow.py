"""Copies of what was published, for a second backend that is on trial: whatever becomes of them, nobody waits for it.

An event is copied once its own backend has stored it, in the order in which that was confirmed. Copies wait in memory:
when the process dies, they are missing on the second backend, and a comparison shows it (`vagus routes diff`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from vagus.backend import Backend, Put, TopicSpec, Unit
from vagus.errors import VagusError

WAITING = 10_000
"""How many copies may wait for a second backend that is slow or gone; later ones are left out, and counted."""

FLUSH_S = 2.0
"""How long copies may still take when the app is closed, in seconds."""

_BATCH = 500
_AGAIN_S = (0.5, 1.0, 2.0, 5.0)
_log = logging.getLogger("vagus.shadow")


class ShadowStats(msgspec.Struct, frozen=True, kw_only=True):
    """The copies for one shadow backend, since this process opened the app.

    `left_out`: those that found no room or no time. `refused`: those that the backend did not take. `failures`: how
    often it could not be reached.
    """

    backend: str
    copied: int
    waiting: int
    left_out: int
    refused: int
    failures: int


class Shadow:
    """One second backend, and the copies on their way to it. `copied`, `left_out`, `refused`, `failures` count."""

    def __init__(self, name: str, backend: Backend) -> None:
        self.name = name
        self.backend = backend
        self.copied = self.left_out = self.refused = self.failures = 0
        self._puts: deque[Put] = deque()
        self._specs: dict[str, TopicSpec] = {}
        self._declared: dict[str, TopicSpec] = {}
        self._task: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def declare(self, specs: Sequence[TopicSpec]) -> None:
        """Have these topics there, each keeping what is copied, though nobody listens."""
        self._specs |= {spec.name: msgspec.structs.replace(spec, archive=True) for spec in specs}
        self._begin()

    def copy(self, put: Put) -> None:
        """Copy an event that its own backend has stored."""
        if len(self._puts) >= WAITING:
            if not self.left_out:
                _log.warning("%s is behind by %d copies: later ones are left out", self.name, WAITING)
            self.left_out += 1
            return
        self._puts.append(msgspec.structs.replace(put, heard=False))
        self._begin()

    def _begin(self) -> None:
        self._empty.clear()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._carry_all(), name=f"copy to {self.name}")

    async def _carry_all(self) -> None:
        again = 0
        while self._puts or self._specs != self._declared:
            try:
                await self._carry()
                again = 0
            except Exception as error:  # whatever it is, it is the second backend's, and the app goes on
                self.failures += 1
                _log.warning("%s cannot be copied to now, trying again: %r", self.name, error)
                await asyncio.sleep(_AGAIN_S[min(again, len(_AGAIN_S) - 1)])
                again += 1
        self._empty.set()

    async def _carry(self) -> None:
        if self._specs != self._declared:
            wanted = dict(self._specs)
            await self.backend.open()
            await self.backend.declare(list(wanted.values()), ())
            self._declared = wanted
        batch = [self._puts[index] for index in range(min(_BATCH, len(self._puts)))]
        if not batch:
            return
        outcomes = await self.backend.commit([Unit((put,)) for put in batch])
        for outcome in outcomes:
            self._puts.popleft()
            self.copied += outcome.done
            self.refused += not outcome.done

    async def close(self) -> None:
        """Wait a moment for what is on its way, then leave the rest out, and close the second backend."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self._empty.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._puts:
            _log.warning("%d copies never reached %s", len(self._puts), self.name)
            self.left_out += len(self._puts)
        with suppress(VagusError):
            await self.backend.close()

    @property
    def stats(self) -> ShadowStats:
        """How it stands."""
        return ShadowStats(
            backend=self.name,
            copied=self.copied,
            waiting=len(self._puts),
            left_out=self.left_out,
            refused=self.refused,
            failures=self.failures,
        )
