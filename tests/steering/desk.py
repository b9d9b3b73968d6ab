"""A small app to be steered: jobs that wait for a word, and what was seen of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from vagus import App, Event

WITHIN_S = 30


class Job(Event):
    """One thing to do."""

    number: int


class Made(Event):
    """What came of it."""

    number: int


class Desk:
    """An app whose handler notes what it began and ended, and holds each job until `go` is set."""

    def __init__(self, url: str, **options: Any) -> None:
        self.app = App(url, name="shop", grace_s=5.0)
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.cancelled: list[int] = []
        self.go = asyncio.Event()
        self._stirred = asyncio.Event()

        @self.app.on(Job, **options)
        async def work(job: Job) -> Made:
            self.begun.append(job.number)
            self._stirred.set()
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancelled.append(job.number)
                raise
            self.ended.append(job.number)
            self._stirred.set()
            return Made(job.number)

    async def until(self, there: Callable[[], bool]) -> None:
        """Wait until jobs have begun or ended so that `there` is true."""
        async with asyncio.timeout(WITHIN_S):
            while not there():
                self._stirred.clear()
                await self._stirred.wait()


async def books(app: App, group: str = "shop.work", within_s: float = WITHIN_S, **figures: int) -> None:
    """Wait until the group's books, over its members, show exactly these figures."""
    found: dict[str, int] = {}
    try:
        async with asyncio.timeout(within_s):
            while True:
                all_books = await app.backend.stats(group)
                found = {name: sum(getattr(one, name) for one in all_books) for name in figures}
                if found == figures:
                    assert all(one.entered == one.accounted for one in all_books)
                    return
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"expected {figures}, got {found}") from None
