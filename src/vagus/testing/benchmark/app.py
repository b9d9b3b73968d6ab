"""The app that is measured: an ordinary one, with the settings that an app has by default."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from vagus import App
from vagus.testing.benchmark.event import KeyedNote, Note

NAME = "bench"
TASKS = 64
"""How many tasks publish singly."""
BATCH = 500
"""How many events are published at once."""


class Tally:
    """Counts what was handled, and says when all of it was."""

    def __init__(self, expected: int) -> None:
        self.handled = 0
        self.expected = expected
        self.all = asyncio.Event()

    def add(self) -> None:
        """Count one."""
        self.handled += 1
        if self.handled == self.expected:
            self.all.set()


def app_for(url: str, told: Callable[[Any], object], *, keyed: bool = False, **options: Any) -> App:
    """Return an app with one typed handler, which calls `told` with each event; `options` are the handler's."""
    app = App(url, name=NAME)
    if keyed:

        @app.on(group="notes", **options)
        async def handle_keyed(note: KeyedNote) -> None:
            told(note)

    else:

        @app.on(group="notes", **options)
        async def handle(note: Note) -> None:
            told(note)

    return app


async def publish_batches(app: App, notes: Iterable[Any]) -> None:
    """Publish 500 at once, one batch after the other."""
    rest = iter(notes)
    while batch := list(islice(rest, BATCH)):
        await app.publish(batch)


async def publish_singly(app: App, notes: Iterable[Any]) -> None:
    """Publish one at a time, in each of 64 tasks."""
    rest = iter(notes)

    async def publisher() -> None:
        for note in rest:
            await app.publish(note)

    await asyncio.gather(*(publisher() for _ in range(TASKS)))


async def acked(app: App) -> int:
    """Return how many deliveries the app's groups are done with, as their books say."""
    return sum(figures.acked for figures in (await app.stats()).groups)


async def until_acked(app: App, count: int, look_every_s: float) -> None:
    """Wait until that many deliveries are settled and stored as such."""
    while await acked(app) < count:  # noqa: ASYNC110 - other processes settle too, and tell nobody here
        await asyncio.sleep(look_every_s)
