"""What users ask of an app as a whole: no server, strangers that join, parts that fail, an end without remains."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vagus import App, Context, Event


class Query(Event):
    text: str


class Found(Event):
    text: str


async def until(true: Callable[[], Any], within_s: float = 20.0) -> None:
    """Wait until `true()` holds, looking at each turn of what else happens."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.01)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def open_files() -> int:
    """How many files this process has open, where the system tells."""
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


@pytest.mark.requirement("R34")
async def test_app_in_memory_needs_no_server_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = App("memory://", name="shop")
    found: list[str] = []

    @app.on(Query)
    async def look(query: Query) -> Found:
        return Found(query.text.upper())

    @app.on(Found)
    def keep(event: Found) -> None:
        found.append(event.text)

    async with app.running():
        await app.publish(Query("hi"))
        await until(lambda: found)

    assert (found, names_in(tmp_path)) == (["HI"], [])


@pytest.mark.requirement("R73")
async def test_new_listener_joins_without_a_change_to_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    old, new = App(url, name="old"), App(url, name="new")
    heard: list[str] = []

    @old.on(Query)
    async def look(query: Query) -> None:
        heard.append(f"old:{query.text}")

    @new.on("query")  # by the topic's name: it shares no class with the other
    async def audit(event: dict[str, Any]) -> None:
        heard.append(f"new:{event['text']}")

    async with old.running():
        await old.publish(Query("one"))
        await until(lambda: len(heard) == 1)
        async with new.running():
            await old.publish(Query("two"))
            await until(lambda: len(heard) == 3)

    assert sorted(heard) == ["new:two", "old:one", "old:two"]


@pytest.mark.requirement("R75")
async def test_one_part_that_is_away_stops_no_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    gateway, retrieval = App(url, name="gateway"), App(url, name="retrieval")
    orders: list[str] = []
    pages: list[str] = []

    @gateway.on(Query)
    async def order_status(query: Query) -> None:
        orders.append(query.text)

    @retrieval.on(Query)
    async def retrieve(query: Query) -> None:
        pages.append(query.text)

    async with retrieval:
        pass  # it was here once: its group is known
    async with gateway.running():
        await gateway.publish([Query("one"), Query("two")])
        await until(lambda: len(orders) == 2)
        assert pages == []
        async with retrieval.running():
            await until(lambda: len(pages) == 2)

    assert (orders, pages) == (["one", "two"], ["one", "two"])


@pytest.mark.requirement("R44")
async def test_closed_app_leaves_no_thread_and_no_open_file(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/shop.db", name="shop")
    handled: list[str] = []

    @app.on(Query)
    def look(query: Query) -> None:
        handled.append(query.text)

    async def once(words: int) -> tuple[int, int]:
        before = len(handled)
        async with app.running():
            await app.publish([Query(str(number)) for number in range(words)])
            await until(lambda: len(handled) == before + words)
        await until(lambda: threading.active_count() <= threads)
        return threading.active_count(), open_files()

    threads = threading.active_count()
    first = await once(10)

    assert await once(300) == first
    assert names_in(tmp_path / "shop.db.d") == ["lock"]


@pytest.mark.contract("G16")
async def test_stopping_hands_back_what_has_no_time_to_finish(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    slow, quick = App(url, name="shop", grace_s=0.0), App(url, name="shop")
    begun = asyncio.Event()
    attempts: list[tuple[int, int]] = []

    @slow.on(Query, group="shop.look")
    async def hang(query: Query) -> None:
        begun.set()
        await asyncio.Event().wait()

    @quick.on(Query, group="shop.look")
    async def look(query: Query, ctx: Context) -> None:
        attempts.append((ctx.attempt, ctx.losses))

    async with slow.running():
        await slow.publish(Query("x"))
        await begun.wait()
    async with quick.running():
        await until(lambda: attempts)

    assert attempts == [(1, 0)]


@pytest.mark.contract("G17")
async def test_member_says_whether_it_waits_or_works() -> None:
    app = App("memory://", name="shop", grace_s=0.0)
    begun, seen = asyncio.Event(), []

    @app.on(Query)
    async def hang(query: Query) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with app.running():
        seen.append((await app.stats()).workers[0].state)
        await app.publish(Query("x"))
        await begun.wait()
        seen.append((await app.stats()).workers[0].state)
        healthy = (await app.stats()).healthy

    assert (seen, healthy) == (["waiting", "working"], True)
