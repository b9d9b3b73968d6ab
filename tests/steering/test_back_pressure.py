"""What happens on a full topic: publishers are refused or wait in line; nothing is dropped, and nothing runs hot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.steering.desk import WITHIN_S, Desk, Job, books
from vagus import App, Context
from vagus.backend import Outcome, Unit
from vagus.errors import InvalidArgument, TopicFull


@pytest.mark.contract("G13")
async def test_full_topic_refuses_unless_told_to_wait(url: str) -> None:
    desk = Desk(url, prefetch=1, concurrency=1)
    desk.app.topic(Job, max_events=3)
    async with desk.app.running():
        await desk.app.publish([Job(n) for n in range(3)])
        with pytest.raises(TopicFull):
            await desk.app.publish(Job(3))
        with pytest.raises(TopicFull):
            await desk.app.publish(Job(3), wait_s=0.05)
        waiting = asyncio.create_task(desk.app.publish(Job(3), wait_s=WITHIN_S))
        desk.go.set()
        assert (await waiting).topic == "job"
        await books(desk.app, acked=4)


@pytest.mark.contract("G13")
async def test_publishers_wait_in_the_order_in_which_they_came(url: str) -> None:
    desk = Desk(url, concurrency=1)
    desk.app.topic(Job, max_events=2, when_full="wait")
    async with desk.app.running():
        publishing = [asyncio.create_task(desk.app.publish(Job(n))) for n in range(30)]
        await desk.until(lambda: len(desk.begun) == 1)
        desk.go.set()
        await asyncio.wait_for(asyncio.gather(*publishing), WITHIN_S)
        await books(desk.app, acked=30)
    assert desk.ended[2:] == sorted(desk.ended[2:])


@pytest.mark.contract("G13")
async def test_run_waits_for_room_too(url: str) -> None:
    desk = Desk(url)
    desk.app.topic(Job, max_events=1)
    async with desk.app.running():
        await desk.app.publish(Job(1))
        starting = asyncio.create_task(desk.app.start(Job(2), wait_s="30s"))
        await desk.until(lambda: desk.begun == [1])
        desk.go.set()
        assert await (await starting).status() in ("running", "done")
        await books(desk.app, acked=2)


@pytest.mark.contract("G13")
async def test_many_that_wait_ask_no_more_often_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk("memory://")
    desk.app.topic(Job, max_events=1, when_full="wait")
    async with desk.app.test() as trial:
        await trial.publish(Job(0))
        await trial.begun("work")
        asked = 0
        committed = desk.app.backend.commit

        async def commit(units: Sequence[Unit]) -> Sequence[Outcome]:
            nonlocal asked
            asked += sum(bool(unit.puts) for unit in units)
            return await committed(units)

        monkeypatch.setattr(desk.app.backend, "commit", commit)
        waiting = [asyncio.create_task(desk.app.publish(Job(n))) for n in range(1, 200)]
        await trial.move("60s")
        assert asked < 199 + 60 * 5  # each tried once when it came, and then one of them a few times a second
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert desk.app._opened().line._turns == {}
        desk.go.set()
        await trial.settled()


@pytest.mark.contract("G13")
async def test_time_that_is_over_before_its_turn_is_told_as_full() -> None:
    desk = Desk("memory://")
    desk.app.topic(Job, max_events=1)
    async with desk.app.test() as trial:
        await trial.publish(Job(0))
        await trial.begun("work")
        first = asyncio.create_task(desk.app.publish(Job(1), wait_s="1h"))
        await asyncio.sleep(0)
        second = asyncio.create_task(desk.app.publish(Job(2), wait_s="10s"))
        await trial.move("11s")
        with pytest.raises(TopicFull):
            await second
        desk.go.set()
        await trial.settled()
        await trial.move("1s")
        assert (await first).topic == "job"
        await trial.settled()


def test_setting_that_is_none_is_refused() -> None:
    app = App("memory://", name="shop")

    with pytest.raises(InvalidArgument, match='when_full: expected "raise" or "wait"'):
        app.topic(Job, when_full="drop")  # type: ignore[arg-type]


async def test_output_cannot_wait_for_room() -> None:
    app = App("memory://", name="shop")

    @app.on(Job, retry=1)
    async def work(job: Job, ctx: Context) -> None:
        ctx.publish(Job(2), wait_s=1)

    async with app.test() as trial:
        await trial.publish(Job(1))
        await trial.settled()
        (letter,) = await trial.dead("work")
    assert letter.error_kind.endswith("InvalidArgument")
