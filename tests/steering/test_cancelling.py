"""Cancel: of a run, of all that a group had to do, of a member's place; the books tell what was cancelled."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.steering.desk import WITHIN_S, Desk, Job, Made, books
from vagus import App, Context, Event, Retry
from vagus.errors import RunCancelled


class Batched(Event):
    number: int


@pytest.mark.contract("G16")
async def test_cancelled_run_ends_and_its_running_handler_is_cancelled(url: str) -> None:
    desk = Desk(url)
    async with desk.app.running():
        run = await desk.app.start(Job(1), until=Made)
        await desk.until(lambda: desk.begun == [1])
        assert await run.cancel("the user went away")
        assert await run.status() == "cancelled"
        with pytest.raises(RunCancelled, match="was cancelled: the user went away"):
            await run.result(timeout=WITHIN_S)
        assert [part async for part in run.stream()] == []
        await books(desk.app, cancelled=1, held=0)
        assert desk.cancelled == [1]
        assert (await desk.app.stats()).workers[0].cancelled == 1


@pytest.mark.contract("G16")
async def test_waiting_delayed_and_retried_events_of_a_cancelled_run_settle_as_cancelled() -> None:
    app = App("memory://", name="shop")
    seen: list[int] = []

    @app.on(Job, retry=Retry(attempts=5))
    async def work(job: Job) -> None:
        seen.append(job.number)
        raise ValueError("not yet")

    async with app.test() as trial:
        failing = await trial.start(Job(1), until=Made)
        delayed = await trial.start(Job(2), until=Made, delay_s="1h")
        await trial.settled()
        await failing.cancel()
        await delayed.cancel()
        await trial.move("2h")
        (figures,) = (await trial.stats()).groups
        assert (figures.cancelled, figures.dead, figures.entered) == (2, 0, figures.accounted)
        assert seen == [1]


@pytest.mark.contract("G16")
async def test_sync_handler_of_a_cancelled_run_finishes_and_its_output_is_dropped(url: str) -> None:
    app = App(url, name="shop")
    begun, go, made = threading.Event(), threading.Event(), []

    @app.on(Job)
    def work(job: Job) -> Made:
        begun.set()
        go.wait(WITHIN_S)
        return Made(job.number)

    @app.on(Made)
    async def take(event: Made) -> None:
        made.append(event.number)

    async with app.running():
        run = await app.start(Job(1))
        await asyncio.to_thread(begun.wait, WITHIN_S)
        assert await run.cancel()
        go.set()
        await books(app, cancelled=1, held=0)
        await books(app, "shop.take", matched=0)
    assert made == []


@pytest.mark.contract("G16")
async def test_batch_goes_on_with_the_events_of_other_runs(url: str) -> None:
    app = App(url, name="shop")
    calls: list[list[int]] = []
    first = asyncio.Event()

    @app.on(Batched, batch=10, concurrency=1)
    async def work(batch: list[Batched]) -> None:
        calls.append([event.number for event in batch])
        if len(calls) == 1:
            first.set()
            await asyncio.Event().wait()

    async with app.running():
        await app.pause("work")
        run = await app.start(Batched(1))
        await app.publish([Batched(2), Batched(3)])
        await app.resume("work")
        await asyncio.wait_for(first.wait(), WITHIN_S)
        await run.cancel()
        await books(app, cancelled=1, acked=2)
    assert (calls[0], sorted(n for call in calls[1:] for n in call)) == ([1, 2, 3], [2, 3])


@pytest.mark.contract("G16")
async def test_run_that_has_ended_is_not_cancelled_any_more(url: str) -> None:
    desk = Desk(url)
    desk.go.set()
    async with desk.app.running():
        run = await desk.app.start(Job(1), until=Made)
        assert await run.result(timeout=WITHIN_S) == Made(1)
        assert not await run.cancel()
        assert not await run.pause()
        assert await run.status() == "done"


@pytest.mark.contract("G16")
async def test_cancelled_run_stays_cancelled_and_workers_that_start_later_know(url: str) -> None:
    async with App(url, name="keeper"):
        desk = Desk(url)
        async with desk.app:
            run = await desk.app.start(Job(1), until=Made)
            assert await run.cancel()
            assert await run.cancel()
            assert not await run.resume()
            assert not await run.pause()
        later = Desk(url)
        async with later.app.running():
            await books(later.app, cancelled=1)
            assert later.begun == []


@pytest.mark.contract("G16", "G20")
async def test_group_cancels_what_was_published_before_and_nothing_else(url: str) -> None:
    desk = Desk(url, concurrency=2, prefetch=2)
    async with desk.app.running():
        await desk.app.publish([Job(n) for n in range(10)])
        await desk.app.publish(Job(10), delay_s=0.2)
        await desk.until(lambda: len(desk.begun) == 2)
        told = await desk.app.cancel("work", why="wrong prompt")
        await desk.app.publish([Job(n) for n in range(20, 25)])
        desk.go.set()
        await books(desk.app, cancelled=11, acked=5, held=0, ready=0)
    assert told.backlog >= 8
    assert sorted(desk.ended) == [20, 21, 22, 23, 24]
    assert len(desk.cancelled) == 2


@pytest.mark.contract("G16", "G7")
async def test_event_that_is_redriven_after_a_cancel_is_handled(url: str) -> None:
    desk = Desk(url)
    desk.go.set()
    failing = True

    @desk.app.on(Made, retry=1)
    async def take(made: Made, ctx: Context) -> None:
        if failing:
            raise ValueError("no")

    async with desk.app.running():
        await desk.app.publish(Job(1))
        await books(desk.app, "shop.take", dead=1)
        await desk.app.cancel("take")
        failing = False
        assert await redrive(desk.app, "shop.take") == 1
        await books(desk.app, "shop.take", acked=1, cancelled=0)


async def redrive(app: App, group: str) -> int:
    from vagus.backend import First
    from vagus.reliability.dead import open_letters
    from vagus.reliability.redrive import plan_redrive

    letters = open_letters(await app.backend.read(f"$dead.{group}", First(), 10))
    plan = plan_redrive(letters.values(), app.clock.now(), force=True)
    return sum(outcome.done for outcome in await app.backend.commit(list(plan.units)))


@pytest.mark.contract("G16")
async def test_member_whose_place_is_cancelled_hands_back_at_once_and_leaves(url: str) -> None:
    one, other = Desk(url), Desk(url)
    other.go.set()
    async with one.app.running():
        await one.app.publish([Job(1), Job(2)])
        await one.until(lambda: len(one.begun) == 2)
        async with other.app.running():
            (member,) = [worker.member for worker in (await one.app.stats()).workers]
            await other.app.cancel("work", member=member)
            await books(one.app, acked=2)
            async with asyncio.timeout(WITHIN_S):
                while (worker := (await one.app.stats()).workers[0]).state != "drained":
                    await asyncio.sleep(0.005)
    assert sorted(one.cancelled) == sorted(other.ended) == [1, 2]
    assert (worker.failed, worker.handed_back) == (0, 2)
