"""What a member does, in a word and a sentence: waiting is not stalled, and stalled says why."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.steering.desk import WITHIN_S, Desk, Job
from vagus import App
from vagus.app.stats import WorkerStats


async def only(app: App) -> WorkerStats:
    (worker,) = (await app.stats()).workers
    return worker


@pytest.mark.requirement("R32", "R26")
async def test_member_without_events_waits_and_one_with_events_works(url: str) -> None:
    desk = Desk(url)
    async with desk.app.running():
        waiting = await only(desk.app)
        await desk.app.publish(Job(1))
        await desk.until(lambda: desk.begun == [1])
        working = await only(desk.app)
        states = (await desk.app.stats()).consumer_states
        desk.go.set()
    assert (waiting.state, waiting.why) == ("waiting", "it has joined, and there is nothing to do")
    assert (working.state, working.why) == ("working", "it holds 1")
    assert states == {"waiting": 0, "working": 1, "stalled": 0, "paused": 0, "draining": 0, "drained": 0}


@pytest.mark.requirement("R32", "R26")
@pytest.mark.contract("G17")
async def test_handler_over_its_time_is_stalled_and_says_for_how_long() -> None:
    app = App("memory://", name="shop")
    begun, go = threading.Event(), threading.Event()

    @app.on(Job, timeout=30)
    def work(job: Job) -> None:
        begun.set()
        go.wait(WITHIN_S)

    async with app.test() as trial:
        await trial.publish(Job(1))
        await trial.begun("work")
        await asyncio.to_thread(begun.wait, WITHIN_S)
        await trial.move("45s")
        worker = (await trial.stats()).workers[0]
        healthy = (await trial.stats()).healthy
        go.set()
        await trial.settled()
    assert (worker.state, healthy) == ("stalled", False)
    assert worker.why == "it has been handling an event for 45 s, its timeout is 30 s"


@pytest.mark.requirement("R32")
async def test_member_of_a_paused_group_is_paused_and_healthy(url: str) -> None:
    desk = Desk(url)
    async with desk.app.running():
        await desk.app.pause("work")
        worker = await only(desk.app)
        healthy = (await desk.app.stats()).healthy
    assert (worker.state, healthy) == ("paused", True)
    assert worker.why == "it takes nothing until it is resumed, and holds 0"
