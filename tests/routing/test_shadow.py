"""Shadow mode: a second backend gets what was published, and can hurt nobody; a comparison finds what it lacks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vagus import App, Event, Rule
from vagus.app.routing import shadow as shadow_module
from vagus.app.routing.diff import difference
from vagus.app.routing.routed import Routed
from vagus.app.routing.shadow import ShadowStats
from vagus.backend import Backend, Envelope, First, Outcome, Put, Record, Topic, Unit
from vagus.errors import ConnectionLost
from vagus.message import DEFAULT_WIRE
from vagus.registry import create_backend


class Order(Event, key="customer"):
    customer: str
    number: int


class Bill(Event):
    number: int


@pytest.fixture
def new(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/new.db"


def shop(url: str, new: str) -> App:
    app = App(url, name="shop", routes={"rules": [Rule(event="Order", shadow=new), Rule(event="Bill", shadow=new)]})
    app.topic(Bill, keep="1d")

    @app.on(Order)
    async def bill(order: Order) -> Bill:
        return Bill(order.number)

    return app


async def stand(app: App) -> ShadowStats:
    """How the shadow stands once nothing waits for it."""
    async with asyncio.timeout(20):
        while (stats := (await app.stats()).shadows[0]).waiting:
            await asyncio.sleep(0.01)
    return stats


async def read(url: str, topic: str) -> Sequence[Record]:
    backend = create_backend(url)
    await backend.open()
    try:
        return await backend.read(topic, First(), 1_000)
    finally:
        await backend.close()


@pytest.mark.requirement("R49")
async def test_what_is_published_is_copied_outputs_too(tmp_path: Path, new: str) -> None:
    old = f"sqlite:///{tmp_path}/old.db"
    app = shop(old, new)
    async with app.running():
        await app.publish([Order("ann", number) for number in range(50)])
        async with asyncio.timeout(20):
            while (await app.backend.stats("shop.bill"))[0].acked < 50:
                await asyncio.sleep(0.01)
        stats = await stand(app)
    assert (stats.copied, stats.left_out, stats.refused) == (100, 0, 0)
    for topic in ("order", "bill"):
        mine, theirs = await read(old, topic), await read(new, topic)
        assert [record.envelope for record in mine] == [record.envelope for record in theirs]

    first, second = create_backend(old), create_backend(new)
    await first.open()
    await second.open()
    assert (await difference("order", first, second, DEFAULT_WIRE, 0.0)).same
    forged = Put(Topic("order"), Envelope(b'{"specversion":"1.0","id":"x","source":"s","type":"order"}'), heard=False)
    broken = Put(Topic("order"), Envelope(b"{"), heard=False)
    await second.commit([Unit([forged]), Unit([broken])])
    told = await difference("order", first, second, DEFAULT_WIRE, 0.0)
    assert [id[:11] for id in told.extra] == ["s x", "undecodable"]
    await first.close()
    await second.close()


async def test_what_was_stored_before_is_not_copied_again(new: str) -> None:
    app = shop("memory://", new)
    async with app:
        await app.publish(Order("ann", 1), id="one")
        assert (await app.publish(Order("ann", 1), id="one")).duplicate
        await app.publish(Order("ann", 2))
        assert (await stand(app)).copied == 2


class Broken:
    """A backend that cannot be reached for a while."""

    def __init__(self, backend: Backend, failures: int) -> None:
        self._backend, self.failures = backend, failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        if self.failures:
            self.failures -= 1
            raise ConnectionLost("gone")
        return await self._backend.commit(units)


def break_shadow(app: App, failures: int) -> None:
    assert isinstance(app.backend, Routed)
    (shadow,) = app.backend._shadows.values()
    shadow.backend = Broken(shadow.backend, failures)  # type: ignore[assignment]


@pytest.mark.requirement("R49")
async def test_shadow_that_is_gone_hurts_nobody_and_gets_all_when_it_is_back(
    new: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shadow_module, "_AGAIN_S", (0.01,))
    app = shop("memory://", new)
    async with app:
        break_shadow(app, 3)
        for number in range(5):
            await app.publish(Order("ann", number))
        stats = await stand(app)
    assert (stats.copied, stats.failures) == (5, 3)
    assert b'"number":4' in (await read(new, "order"))[4].envelope.body
    assert "cannot be copied to now" in caplog.text


async def test_copies_beyond_the_bound_are_left_out_and_counted(
    new: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shadow_module, "WAITING", 10)
    monkeypatch.setattr(shadow_module, "FLUSH_S", 0.05)
    app = shop("memory://", new)
    with caplog.at_level(logging.WARNING, "vagus.shadow"):
        async with app:
            break_shadow(app, 1_000)
            receipts = await app.publish([Order("ann", number) for number in range(25)])
            (stats,) = (await app.stats()).shadows
    assert len(receipts) == 25
    assert (stats.waiting, stats.left_out) == (10, 15)
    assert "10 copies never reached" in caplog.text


async def test_shadow_that_cannot_be_opened_keeps_no_app_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow_module, "FLUSH_S", 0.05)
    app = shop("memory://", f"sqlite:///{tmp_path}/nowhere/new.db")
    async with app:
        await app.publish(Order("ann", 1))
        async with asyncio.timeout(10):
            while not (await app.stats()).shadows[0].failures:
                await asyncio.sleep(0.01)


async def test_backlog_of_a_topic_that_moved_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old, moved = f"sqlite:///{tmp_path}/old.db", f"sqlite:///{tmp_path}/moved.db"

    def routed(*rules: Rule) -> App:
        app = App(old, name="shop", routes={"rules": rules})
        app.on(Order)(bill)
        return app

    async def bill(order: Order) -> None: ...

    async with routed(Rule(topic="x", to=moved)) as app:
        await app.publish([Order("ann", 1), Order("bob", 2)])
    async with routed(Rule(event="Order", to=moved)) as app:
        await app.publish(Order("eve", 3))
    assert "shop.bill has 2 events left on 'default': let a worker with the old routes finish them" in caplog.text
