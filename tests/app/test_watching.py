"""Whoever watches an app hears of each attempt once, with what it came to."""

from __future__ import annotations

import asyncio
import logging

import pytest

from vagus import App, Event, Reject, Retry
from vagus.app.work.handling import Handling


class Click(Event, key="user"):
    user: str


class Counted(Event):
    user: str


async def handled(app: App, *events: Event, count: int) -> list[Handling]:
    """Publish, and return what a watcher was told once it was told so often."""
    told: list[Handling] = []
    enough = asyncio.Event()

    def tell(handling: Handling) -> None:
        told.append(handling)
        if len(told) == count:
            enough.set()

    app.watch(tell)
    async with app.running():
        for event in events:
            await app.publish(event)
        async with asyncio.timeout(20):
            await enough.wait()
    return told


async def test_handled_event_is_told_with_its_outputs_and_time() -> None:
    app = App("memory://", name="shop", namespace="acme")
    app.topic(Counted, keep="1d")

    @app.on(Click)
    async def count(click: Click) -> Counted:
        await asyncio.sleep(0.01)
        return Counted(click.user)

    (told,) = await handled(app, Click("ann"), count=1)

    assert (told.group, told.topic, told.key, told.attempt) == ("shop.count", "click", "ann", 1)
    assert (told.came, told.outputs, told.error) == ("acked", ("counted",), "")
    assert told.event is not None
    assert told.event.data == Click("ann")
    assert 0.01 <= told.took_s < 20


async def test_failures_are_told_with_their_error_and_their_end() -> None:
    app = App("memory://", name="shop")

    @app.on(Click, retry=Retry(attempts=2, base_s=0.1))
    async def count(click: Click) -> None:
        if click.user == "never":
            raise Reject("no such user")
        raise ValueError("not now")

    told = await handled(app, Click("late"), Click("never"), count=3)

    late = [one for one in told if one.key == "late"]
    (never,) = [one for one in told if one.key == "never"]
    assert [(one.came, one.attempt, one.error) for one in late] == [
        ("retry", 1, "ValueError: not now"),
        ("dead", 2, "attempts: ValueError: not now"),
    ]
    assert late[0].after_s >= 0.1
    assert (never.came, never.outputs) == ("dead", ())
    assert never.error.endswith("no such user")


async def test_each_event_of_a_batch_is_told() -> None:
    app = App("memory://", name="shop")

    @app.on(Click, batch=10)
    async def count(clicks: list[Click]) -> list[Exception | None]:
        return [ValueError("bad") if click.user == "bad" else None for click in clicks]

    told = await handled(app, Click("ann"), Click("bad"), count=2)

    assert {one.key: one.came for one in told} == {"ann": "acked", "bad": "retry"}


async def test_what_is_cut_short_is_told_as_handed_back() -> None:
    app = App("memory://", name="shop", grace_s=0)
    told: list[Handling] = []
    app.watch(told.append)
    begun = asyncio.Event()

    @app.on(Click)
    async def count(click: Click) -> None:
        begun.set()
        await asyncio.sleep(600)

    async with app.running():
        await app.publish(Click("ann"))
        async with asyncio.timeout(20):
            await begun.wait()

    assert [one.came for one in told] == ["handed back"]


async def test_watcher_that_fails_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    app = App("memory://", name="shop")

    def broken(handling: Handling) -> None:
        raise RuntimeError("no screen")

    app.watch(broken)

    @app.on(Click)
    async def count(click: Click) -> None: ...

    with caplog.at_level(logging.ERROR):
        (told,) = await handled(app, Click("ann"), count=1)

    assert told.came == "acked"
    assert "a watcher of the app failed" in caplog.text
