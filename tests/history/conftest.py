"""Logs that are five days old, made by the raw hooks, on both backends; and words for what tests ask of them."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.history.filler import append
from tools.markers import ROOT
from vagus import App, Event
from vagus.backend import Figures

DAY_S = 86_400.0
_numbers = itertools.count(1)


class Order(Event, key="customer"):
    number: int
    customer: str = "ann"
    text: str = ""


class Bill(Event):
    number: int


class Store:
    """A place of a test, and how to fill it past our own code."""

    def __init__(self, url: str) -> None:
        self.url = url

    def app(self, **options: Any) -> App:
        return App(self.url, name="shop", **options)

    def fill(self, count: int, days: float = 5.0, topic: str = "order", first: int = 0) -> None:
        """Append `count` events, evenly over the last `days` days: event n is (count - n) steps old.

        A file is written to from another process: two copies of SQLite in one would take each other's locks away.
        """
        if self.url.startswith("sqlite:"):
            words = [self.url, str(count), str(days), topic, str(first)]
            subprocess.run([sys.executable, "-m", "tests.history.filler", *words], cwd=ROOT, check=True, timeout=60)
        else:
            append(self.url, count, days, topic, first)


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(f"memory://history-{next(_numbers)}" if request.param == "memory" else f"sqlite:///{tmp_path}/log.db")


@pytest.fixture
def file(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path}/log.db")


async def until(done: Callable[[], Any], within_s: float = 20.0) -> None:
    """Look again until `done` is true; may be a coroutine function."""
    async with asyncio.timeout(within_s):
        while True:
            found = done()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)


async def handled(app: App, group: str, count: int) -> None:
    """Wait until a group has settled so many events."""

    async def enough() -> bool:
        return sum(one.acked + one.dead for one in await app.backend.stats(group)) >= count

    await until(enough)


async def books(app: App, *groups: str) -> list[Sequence[Figures]]:
    """The books of groups, without how old their oldest event is."""
    return [[msgspec.structs.replace(f, oldest_s=None) for f in await app.backend.stats(group)] for group in groups]
