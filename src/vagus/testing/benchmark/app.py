"""The app that is measured: an ordinary one, with the settings that an app has by default."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from vagus import App
from vagus.testing.benchmark.event import NAME, KeyedNote, Note, OtherNote

SETTLE_S = 1.0
"""How long an idle worker may take to come to rest before it is watched, in seconds."""
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


async def drain_us(url: str, wanted: int) -> float:
    """Handle events until `wanted` are handled; return the microseconds that each took after the first."""
    times: list[float] = []
    enough = asyncio.Event()

    def told(note: Any) -> None:
        times.append(time.perf_counter())
        if len(times) == wanted:
            enough.set()

    async with app_for(url, told).running():
        await enough.wait()
    return (times[wanted - 1] - times[0]) / max(1, wanted - 1) * 1e6


def idle_app(url: str, groups: int) -> App:
    """Return an app with that many groups on each of two topics."""
    app = App(url, name=NAME)

    async def handle(note: Note) -> None: ...

    async def handle_other(note: OtherNote) -> None: ...

    for number in range(groups):
        app.on(group=f"notes-{number}")(handle)
        app.on(group=f"others-{number}")(handle_other)
    return app


async def idle(url: str, groups: int, idle_s: float) -> dict[str, float]:
    """Work on nothing; return how often threads of this process went to sleep again, and its CPU seconds."""
    async with idle_app(url, groups).running():
        await asyncio.sleep(SETTLE_S)
        before = resource.getrusage(resource.RUSAGE_SELF)
        await asyncio.sleep(idle_s)
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # One of them is this function's own sleep.
    return {"wakes": max(0, after.ru_nvcsw - before.ru_nvcsw - 1), "cpu_s": cpu_s}
