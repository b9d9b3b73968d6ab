"""One call for many: the middleware of each event of a batch comes to the door, and all wait there for the one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from vagus.app.work.context import Context


class Gathering:
    """A door for each of `count` events: whoever enters waits for the call; who turns back is not waited for."""

    def __init__(self, count: int) -> None:
        self.entered: dict[int, Context] = {}
        self._missing = set(range(count))
        self._complete = asyncio.Event()
        self._ends: dict[int, asyncio.Future[None]] = {}

    def door(self, index: int) -> Callable[[Context], Awaitable[None]]:
        """Return what the middleware of one event comes to last."""

        async def enter(ctx: Context) -> None:
            self.entered[index] = ctx
            self._ends[index] = asyncio.get_running_loop().create_future()
            self.gone(index)
            await self._ends[index]

        return enter

    def gone(self, index: int, walk: object = None) -> None:
        """Take that nobody needs to wait for that event any more: it is here, or will not come."""
        self._missing.discard(index)
        if not self._missing:
            self._complete.set()

    async def complete(self) -> None:
        """Wait until each has entered or turned back."""
        await self._complete.wait()

    def leave(self, outcomes: Sequence[Any]) -> None:
        """Let all go on, in the order of their events: an exception is raised where its event waits."""
        for (_, future), outcome in zip(sorted(self._ends.items()), outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(None)
