"""Pause and resume: of a group, of one member, of a run; nothing is lost, nothing runs hot, everything else goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.steering.desk import WITHIN_S, Desk, Job, Made, books
from vagus import App, Event
from vagus.errors import InvalidArgument, RunNotFound


class Registered(Event):
    name: str


@pytest.mark.contract("G16")
async def test_paused_group_takes_nothing_and_finishes_what_runs(url: str) -> None:
    desk = Desk(url, concurrency=2, prefetch=4)
    async with desk.app.running():
        await desk.app.publish([Job(n) for n in range(10)])
        await desk.until(lambda: len(desk.begun) == 2)
        told = await desk.app.pause("work")
        desk.go.set()
        await books(desk.app, acked=2, held=0)
        stats = await desk.app.stats()
        assert (told.before, told.after, told.changed, told.backlog) == ("running", "paused", True, 10)
        assert [worker.state for worker in stats.workers] == ["paused"]
        assert stats.steered == {"shop.work": "paused"}
        assert stats.consumer_states["paused"] == 1
        assert stats.healthy
        await desk.app.resume("work")
        await books(desk.app, acked=10)
    assert sorted(desk.ended) == sorted(desk.begun) == list(range(10))


@pytest.mark.contract("G16")
async def test_pause_outlives_every_process_and_is_resumed_without_one(url: str) -> None:
    async with App(url, name="keeper"):
        desk = Desk(url)
        async with desk.app:  # nobody works yet
            await desk.app.pause("work")
            await desk.app.publish([Job(1)])
        desk = Desk(url)
        desk.go.set()
        async with desk.app.running():
            await books(desk.app, ready=1)
            assert [worker.state for worker in (await desk.app.stats()).workers] == ["paused"]
            await desk.app.resume("work")
            await books(desk.app, acked=1)


@pytest.mark.contract("G16")
async def test_pause_by_one_process_holds_for_the_members_of_another(url: str) -> None:
    one, other = Desk(url), Desk(url)
    one.go.set()
    other.go.set()
    async with one.app.running(), other.app.running():
        await one.app.pause("work")
        async with asyncio.timeout(WITHIN_S):
            while [worker.state for worker in (await other.app.stats()).workers] != ["paused"]:
                await asyncio.sleep(0.005)
        await other.app.publish([Job(n) for n in range(20)])
        await books(one.app, ready=20)
        await other.app.resume("work")
        await books(one.app, acked=20)


@pytest.mark.contract("G16")
async def test_paused_member_leaves_the_work_to_the_others(url: str) -> None:
    one, other = Desk(url), Desk(url)
    one.go.set()
    other.go.set()
    async with one.app.running(), other.app.running():
        (member,) = [worker.member for worker in (await one.app.stats()).workers]
        await other.app.pause("work", member=member)
        async with asyncio.timeout(WITHIN_S):
            while [worker.state for worker in (await one.app.stats()).workers] != ["paused"]:
                await asyncio.sleep(0.005)
        await other.app.publish([Job(n) for n in range(20)])
        await books(one.app, acked=20)
        assert (one.begun, len(other.ended)) == ([], 20)


@pytest.mark.requirement("R25")
async def test_other_groups_go_on_while_one_is_paused(url: str) -> None:
    desk = Desk(url)
    seen: list[str] = []

    @desk.app.on(Registered)
    async def register(event: Registered) -> None:
        seen.append(event.name)

    async with desk.app.running():
        await desk.app.pause("work")
        await desk.app.publish([Job(1), Registered("a"), Registered("b")])
        await books(desk.app, "shop.register", acked=2)
        await books(desk.app, ready=1)
    assert seen == ["a", "b"]


@pytest.mark.contract("G16")
async def test_member_that_is_paused_for_long_is_still_heard_of(tmp_path: Path) -> None:
    desk = Desk("memory://")
    async with desk.app.test() as trial:
        await desk.app.pause("work")
        await trial.move("10m")
        (group,) = [g for g in (await desk.app.backend.describe()).groups if g.spec.name == "shop.work"]
        assert [member.seen_s < group.spec.lease_s for member in group.members] == [True]


@pytest.mark.contract("G16")
async def test_events_of_a_paused_run_wait_and_the_run_goes_on_at_once(url: str) -> None:
    desk = Desk(url)
    desk.go.set()
    async with desk.app.running():
        await desk.app.pause("work")
        run = await desk.app.start(Job(1), until=Made)
        assert await run.pause("let me look first")
        assert await run.status() == "paused"
        await desk.app.resume("work")
        await desk.app.publish(Job(2))
        await desk.until(lambda: desk.ended == [2])
        await books(desk.app, held=1)  # in hand, and not handled
        assert desk.begun == [2]

        assert await run.resume()
        assert await run.result(timeout=WITHIN_S) == Made(1)
        assert await run.status() == "done"


@pytest.mark.contract("G16")
async def test_paused_run_never_holds_up_a_member_with_room_for_one(url: str) -> None:
    desk = Desk(url, prefetch=1, concurrency=1)
    desk.go.set()
    async with desk.app.running():
        run = await desk.app.start(Job(1), until=Made, delay_s=0.05)
        await run.pause()
        await desk.app.publish([Job(n) for n in range(2, 6)])
        await desk.until(lambda: len(desk.ended) == 4)
        await run.resume()
        assert await run.result(timeout=WITHIN_S) == Made(1)


@pytest.mark.contract("G16")
async def test_large_paused_run_is_looked_at_within_its_rate() -> None:
    desk = Desk("memory://", prefetch=1, concurrency=1)
    async with desk.app.test() as trial:
        await desk.app.pause("work")
        run = await trial.start(Job(0), until=Made)
        await run.pause()
        await desk.app.resume("work")
        (worker,) = desk.app._opened().workers.values()
        await trial.move("60s")
        assert worker.counts.handed_back <= 61
        assert desk.begun == []


async def test_what_is_not_there_cannot_be_paused(url: str) -> None:
    desk = Desk(url)
    async with desk.app.running():
        with pytest.raises(InvalidArgument, match=r"no group 'shop\.werk': expected one of .*shop\.work"):
            await desk.app.pause("shop.werk")
        with pytest.raises(InvalidArgument, match="no member 'm9': expected one of"):
            await desk.app.pause("work", member="m9")
        with pytest.raises(InvalidArgument, match="has no handler"):
            await desk.app.pause(print)
        with pytest.raises(RunNotFound):
            await desk.app.run_of("nobody").pause()


async def test_pausing_twice_changes_nothing_more(url: str) -> None:
    desk = Desk(url)
    async with desk.app.running():
        assert (await desk.app.pause("work")).changed
        again = await desk.app.pause("work")
        assert (again.before, again.after, again.changed) == ("paused", "paused", False)
        await desk.app.resume("work")
        assert not (await desk.app.resume("work")).changed


@pytest.mark.contract("G16", "G3")
async def test_paused_members_of_all_get_every_event_when_they_go_on(url: str) -> None:
    one, other = Desk(url, deliver="all"), Desk(url, deliver="all")
    one.go.set()
    other.go.set()
    async with one.app.running(), other.app.running():
        (member,) = [worker.member for worker in (await one.app.stats()).workers]
        await one.app.pause("work", member=member)
        await one.app.publish([Job(n) for n in range(5)])
        await other.until(lambda: len(other.ended) == 5)
        assert one.begun == []
        await one.app.resume("work", member=member)
        await books(one.app, acked=10)
    assert one.ended == other.ended == list(range(5))


@pytest.mark.contract("G16")
async def test_group_in_a_namespace_is_paused_by_its_handler_or_its_full_name(url: str) -> None:
    app = App(url, name="shop", namespace="prod")

    @app.on(Job)
    async def work(job: Job) -> None: ...

    async with app.running():
        by_handler = await app.pause(work)
        by_name = await app.resume("prod.shop.work")
        assert (by_handler.group, by_name.changed) == ("prod.shop.work", True)
        await app.publish(Job(1))
        await books(app, "prod.shop.work", acked=1)
