"""Thresholds: told within five seconds when crossed, once, by one of all processes, and told when they clear."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from vagus import App, Event, Reject, ThresholdCrossed
from vagus.backend import First
from vagus.errors import InvalidArgument


class Job(Event):
    number: int


def shop(url: str = "memory://", **limits: Any) -> tuple[App, asyncio.Event]:
    """An app whose handler waits for leave, watched."""
    app, leave = App(url, name="shop", grace_s=0.0), asyncio.Event()

    @app.on(Job, concurrency=1, prefetch=1)
    async def work(job: Job) -> None:
        if job.number < 0:
            raise Reject("no such job")
        await leave.wait()

    app.alert(work, **limits)
    app.topic(ThresholdCrossed, keep="1d")
    return app, leave


def told(alerts: list[ThresholdCrossed]) -> list[tuple[str, str, float]]:
    return [(alert.state, alert.figure, alert.value) for alert in alerts]


@pytest.mark.requirement("R64")
async def test_backlog_is_told_within_five_seconds_and_once() -> None:
    app, leave = shop(backlog=10)
    async with app.test() as trial:
        await trial.publish([Job(number) for number in range(10)])
        await trial.begun("work")
        await trial.move(5)
        assert trial.published(ThresholdCrossed) == []

        await trial.publish([Job(number) for number in range(5)])
        await trial.move(5)
        assert told(trial.published(ThresholdCrossed)) == [("crossed", "backlog", 14)]
        await trial.move(60)
        assert len(trial.published(ThresholdCrossed)) == 1

        leave.set()
        await trial.settled()
        await trial.move(5)
        (_, cleared) = trial.published(ThresholdCrossed)
        assert (cleared.state, cleared.group, cleared.value, cleared.limit) == ("cleared", "shop.work", 0, 10)
        assert 60 <= cleared.lasted_s <= 75


@pytest.mark.requirement("R64")
async def test_age_of_the_oldest_is_told() -> None:
    app, leave = shop(oldest="30s")
    async with app.test() as trial:
        await trial.publish([Job(0), Job(1)])
        await trial.begun("work")
        await trial.move(29)
        assert trial.published(ThresholdCrossed) == []
        await trial.move(5)
        assert [(alert.figure, alert.state) for alert in trial.published(ThresholdCrossed)] == [("oldest_s", "crossed")]
        leave.set()


@pytest.mark.requirement("R64")
async def test_open_dead_letters_are_told_until_they_are_discarded() -> None:
    app, _ = shop(dead=1)
    async with app.test() as trial:
        await trial.publish(Job(-1))
        await trial.settled()
        await trial.move(2)
        assert told(trial.published(ThresholdCrossed)) == [("crossed", "dead", 1)]

        await app.discard("work")
        await trial.move(2)
        assert told(trial.published(ThresholdCrossed))[1:] == [("cleared", "dead", 0)]


async def test_alert_goes_to_the_topic_that_was_named_and_is_handled_there() -> None:
    app = App("memory://", name="shop")
    paged: list[ThresholdCrossed] = []

    @app.on(Job, retry=1)
    async def work(job: Job) -> None:
        raise Reject("no")

    @app.on("ops.pager")
    async def page(alert: ThresholdCrossed) -> None:
        paged.append(alert)

    app.alert(work, dead=2, backlog=100, topic="ops.pager")
    async with app.test() as trial:
        await trial.publish([Job(1), Job(2)])
        await trial.settled()
        await trial.move(3)
    assert told(paged) == [("crossed", "dead", 2)]


@pytest.mark.requirement("R64")
async def test_another_process_goes_on_when_the_watching_one_dies(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    first, _ = shop(url, backlog=3)
    second, leave = shop(url, backlog=3)
    loop = asyncio.get_running_loop()

    async with first.running(), second.running():
        watchers = [app._opened().watcher for app in (first, second)]
        async with asyncio.timeout(20):
            while [watcher is not None and watcher.leads for watcher in watchers].count(True) != 1:
                await asyncio.sleep(0.05)
        leader = next(watcher for watcher in watchers if watcher is not None and watcher.leads)
        assert leader._task is not None
        leader._task.cancel()  # as if its process had been killed: the lease is not given back
        await second.publish([Job(number) for number in range(20)])
        begun = loop.time()
        async with asyncio.timeout(30):
            while not (records := await second.backend.read("threshold_crossed", First(), 10)):
                await asyncio.sleep(0.05)
        assert loop.time() - begun < 15  # 4 s where the machine is not busy
        leave.set()
        async with asyncio.timeout(30):
            while len(records) < 2:
                records = await second.backend.read("threshold_crossed", First(), 10)
                await asyncio.sleep(0.05)
    assert len(records) == 2


async def test_two_watchers_at_once_tell_it_once() -> None:
    app, _ = shop(backlog=1)
    async with app.test() as trial:
        opened = trial._opened
        assert opened.watcher is not None
        watcher = opened.watcher
        await trial.publish([Job(0), Job(1), Job(2)])
        await asyncio.gather(watcher._look(), watcher._look())
        await trial.move(3)
        assert len(trial.published(ThresholdCrossed)) == 1


async def test_watcher_gives_its_lease_back_when_it_stops() -> None:
    app, _ = shop("memory://alerts", backlog=1)
    async with App("memory://alerts", name="keeper") as keeper:
        async with app.running():
            watcher = app._opened().watcher
            async with asyncio.timeout(10):
                while watcher is None or not watcher.leads:
                    await asyncio.sleep(0.01)
        store = keeper.backend.store
        assert store is not None
        assert await store.get(["alerts/shop"]) == [None]


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, "expected a limit: backlog=, oldest= or dead="),
        ({"backlog": 0}, "backlog of app.alert: expected a whole number of 1 or more, got 0"),
        ({"dead": 1.5}, "dead of app.alert: expected a whole number"),
        ({"oldest": "soon"}, "oldest of app.alert: expected seconds"),
        ({"oldest": 0}, "oldest of app.alert: expected more than 0 seconds"),
        ({"backlog": 1, "clear": 2}, "clear of app.alert: expected a part of the limit, 0 to 1, got 2"),
    ],
)
def test_limit_that_cannot_be_meant_is_refused(limits: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        shop(**limits)


@pytest.mark.contract("G19")
async def test_group_that_is_not_there_is_refused_at_start() -> None:
    app = App("memory://", name="shop")
    app.alert("shop.nobody", backlog=1)
    with pytest.raises(InvalidArgument, match=r"app\.alert: there is no group 'shop\.nobody' to watch"):
        async with app.running():
            raise AssertionError("running")
