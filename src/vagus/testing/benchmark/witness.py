"""Who handled what when: taken down by the handler itself, and judged afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from vagus import App
from vagus.testing.benchmark.event import NAME, KeyedNote


class Handling(NamedTuple):
    """One event of a key, and from when to when it was handled, by the clock that all processes share."""

    key: str
    number: int
    begin_ns: int
    end_ns: int


def witness_app(url: str, handlings: list[Handling]) -> App:
    """Return an app whose handler gives way once, and takes down each handling."""
    app = App(url, name=NAME)

    @app.on(group="notes")
    async def handle(note: KeyedNote) -> None:
        begin_ns = time.monotonic_ns()
        await asyncio.sleep(0)
        handlings.append(Handling(note.key, note.number, begin_ns, time.monotonic_ns()))

    return app


def breaches(handlings: Iterable[Handling]) -> int:
    """Return how many handlings began out of order, or before the one before them in their key was over."""
    last: dict[str, Handling] = {}
    count = 0
    for one in sorted(handlings, key=attrgetter("begin_ns")):
        before = last.get(one.key)
        expected = 0 if before is None else before.number + 1
        count += one.number != expected or (before is not None and before.end_ns > one.begin_ns)
        last[one.key] = one
    return count
