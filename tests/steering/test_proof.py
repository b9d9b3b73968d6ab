"""Steering at length: a paused backlog beside traffic, a burst, shares by prefetch, a tree that is cancelled."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.steering.crew import Crew, Registered, Root, Task, flow, tree
from tests.steering.desk import Desk, Job, books
from vagus import App
from vagus.app.stream import stream_name
from vagus.errors import RunCancelled, TopicFull

TASKS = 10_000


async def paused_backlog(app: App, tasks: int) -> None:
    """Pause the workflow, fill it, see control traffic go on, and resume it."""
    await app.pause("crew.workflow")
    for first in range(0, tasks, 1_000):
        await app.publish([Task(n) for n in range(first, min(first + 1_000, tasks))])
        await app.publish(Registered(first))
    await books(app, "crew.control", acked=tasks // 1_000)
    await books(app, "crew.workflow", matched=tasks, acked=0, held=0)
    await app.resume("crew.workflow")
    await books(app, "crew.workflow", acked=tasks, held=0, ready=0, dead=0)


@pytest.mark.requirement("R25")
@pytest.mark.contract("G13", "G16")
async def test_ten_thousand_paused_tasks_wait_while_control_goes_on_in_memory() -> None:
    async with flow("memory://").running() as app:
        await paused_backlog(app, TASKS)


@pytest.mark.requirement("R25")
@pytest.mark.contract("G13", "G16")
async def test_ten_thousand_paused_tasks_wait_while_control_goes_on_over_two_processes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    async with flow(url) as app, Crew(url, "flow"):
        await paused_backlog(app, TASKS)


async def burst(url: str, events: int, rate: str, room: int | None) -> tuple[float, int]:
    """Publish a burst against a group of that rate, and let all of it be handled.

    Returns how long its publisher took, and how many were handled by then.
    """
    app = App(url, name="shop")
    if room is not None:
        app.topic(Job, max_events=room, when_full="wait")
    seen: list[int] = []

    @app.on(Job, rate=rate)
    async def work(job: Job) -> None:
        seen.append(job.number)

    async with app.running():
        began = time.monotonic()
        for first in range(0, events, 100):
            await app.publish([Job(n) for n in range(first, first + 100)])
        took_s, handled = time.monotonic() - began, len(seen)
        await books(app, within_s=events, acked=events, dead=0, held=0, ready=0)
    assert sorted(seen) == list(range(events))
    return took_s, handled


@pytest.mark.requirement("R52")
@pytest.mark.contract("G13")
async def test_burst_is_kept_and_its_publisher_is_not_held(url: str) -> None:
    _, handled = await burst(url, 1_000, "500/s", None)
    assert handled < 800  # the workers need two seconds


@pytest.mark.requirement("R52")
@pytest.mark.contract("G13")
async def test_burst_holds_its_publisher_where_it_set_so(url: str) -> None:
    took_s, handled = await burst(url, 1_000, "500/s", 200)
    assert handled >= 800  # it waited until there was room for the last ones
    assert took_s > 1.2


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.requirement("R52")
@pytest.mark.contract("G13")
async def test_burst_of_twenty_thousand_in_two_seconds_against_two_hundred_a_second(url: str) -> None:
    took_s, _ = await burst(url, 20_000, "200/s", None)
    assert took_s < 2.0


@pytest.mark.contract("G13")
async def test_burst_beyond_its_room_is_refused_and_never_dropped(url: str) -> None:
    desk = Desk(url)
    desk.app.topic(Job, max_events=100)
    stored = 0
    async with desk.app.running():
        for n in range(200):
            try:
                await desk.app.publish(Job(n))
                stored += 1
            except TopicFull:
                pass
        desk.go.set()
        await books(desk.app, acked=stored)
    assert stored == 100


@pytest.mark.requirement("R46")
@pytest.mark.contract("G13")
@pytest.mark.parametrize(("prefetch", "slow", "fast"), [(1, 1, 199), (100, 100, 100)])
async def test_prefetch_decides_what_a_slow_worker_keeps_from_a_fast_one(
    url: str, prefetch: int, slow: int, fast: int
) -> None:
    one, other = Desk(url, prefetch=prefetch, concurrency=1), Desk(url, prefetch=prefetch, concurrency=1)
    other.go.set()
    async with one.app.running():
        await one.app.publish([Job(n) for n in range(100)])
        await one.until(lambda: len(one.begun) == 1)
        await books(one.app, held=prefetch)
        async with other.app.running():
            await one.app.publish([Job(n) for n in range(100, 200)])
            await other.until(lambda: len(other.ended) == fast)  # all that the slow one has not taken
            await books(one.app, acked=fast, held=slow, ready=0)
            one.go.set()
            await books(one.app, acked=200)
    assert (len(one.ended), len(other.ended)) == (slow, fast)


@pytest.mark.contract("G16", "G18", "G20")
async def test_cancelled_tree_of_fifty_over_two_processes_starts_nothing_more(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    async with tree(url) as app, Crew(url, "tree") as crew:
        run = await app.start(Root(50))
        begun = await crew.lines(5)  # what each process has room for
        reading = asyncio.create_task(_parts(app, run.id))
        assert await run.cancel("enough")
        await books(app, "crew.child", matched=50, cancelled=50, acked=0, held=0, ready=0, waiting=0)
        with pytest.raises(RunCancelled, match="enough"):
            await run.result(timeout=1)
        assert await reading == ["growing"]
        ends = [part for part in await app.backend.store.follow(stream_name(run.id), 0, 100) if part.producer == "$run"]
        assert len(ends) == 1
        after = await app.start(Root(0))  # both still work
        await books(app, "crew.root", acked=2)
        assert await after.status() == "running"
        assert await crew.rest() == []  # neither a child nor a leaf
    assert sorted({line[0] for line in begun}) == ["live"]
    assert len({line[1] for line in begun}) == len(begun) == 10


async def _parts(app: App, run_id: str) -> list[str]:
    return [part.text async for part in app.run_of(run_id).stream()]
