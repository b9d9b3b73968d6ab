"""Drain: what runs is finished, the rest handed back, and what was done is said."""

from __future__ import annotations

import asyncio

import pytest

from tests.steering.desk import WITHIN_S, Desk, Job, books
from vagus.app.steering.steering import Drained, Steering


@pytest.mark.contract("G16")
async def test_drained_group_has_finished_what_ran_and_waits(url: str) -> None:
    desk = Desk(url, concurrency=2, prefetch=4)
    async with desk.app.running():
        await desk.app.publish([Job(n) for n in range(10)])
        await desk.until(lambda: len(desk.begun) == 2)
        draining = asyncio.create_task(desk.app.drain("work", timeout=WITHIN_S))
        async with asyncio.timeout(WITHIN_S):
            while (await desk.app.stats()).steered != {"shop.work": "draining"}:
                await asyncio.sleep(0.005)
        desk.go.set()
        found = await draining
        assert (found.complete, found.finished, found.held, found.backlog) == (True, 2, 0, 8)
        assert (await desk.app.stats()).steered == {"shop.work": "paused"}
        await desk.app.resume("work")
        await books(desk.app, acked=10)


@pytest.mark.contract("G16")
async def test_drained_member_has_left_and_the_others_have_its_work(url: str) -> None:
    one, other = Desk(url, concurrency=1, prefetch=3), Desk(url)
    other.go.set()
    async with one.app.running():
        await one.app.publish([Job(n) for n in range(3)])
        await one.until(lambda: len(one.begun) == 1)
        (member,) = [worker.member for worker in (await one.app.stats()).workers]
        async with other.app.running():
            draining = asyncio.create_task(other.app.drain("work", member=member, timeout=WITHIN_S))
            await other.until(lambda: len(other.ended) == 2)
            one.go.set()
            found = await draining
            assert (found.complete, found.handed_back, found.held) == (True, 2, 0)
            assert [worker.state for worker in (await one.app.stats()).workers] == ["drained"]

            await other.app.resume("work", member=member)
            async with asyncio.timeout(WITHIN_S):
                while [worker.state for worker in (await one.app.stats()).workers] != ["waiting"]:
                    await asyncio.sleep(0.005)


@pytest.mark.contract("G16")
async def test_drain_that_runs_out_of_time_says_what_is_still_held(url: str) -> None:
    desk = Desk(url)
    told: list[Drained] = []
    async with desk.app.running():
        await desk.app.publish(Job(1))
        await desk.until(lambda: desk.begun == [1])
        opened = desk.app._opened()
        steering = Steering(desk.app.backend, opened.need_board("a test"), desk.app.clock)
        found = await steering.drain("shop.work", timeout_s=0.05, progress=told.append)
        assert (found.complete, found.held, found.finished) == (False, 1, 0)
        assert told[-1] == found
        desk.go.set()
        await books(desk.app, acked=1)


@pytest.mark.contract("G16")
async def test_drain_ends_when_somebody_resumes_meanwhile(url: str) -> None:
    desk = Desk(url)
    async with desk.app.running():
        await desk.app.publish(Job(1))
        await desk.until(lambda: desk.begun == [1])
        draining = asyncio.create_task(desk.app.drain("work"))
        async with asyncio.timeout(WITHIN_S):
            while (await desk.app.stats()).steered != {"shop.work": "draining"}:
                await asyncio.sleep(0.005)
        await desk.app.resume("work")
        assert not (await asyncio.wait_for(draining, WITHIN_S)).complete
        desk.go.set()
        await books(desk.app, acked=1)


async def test_group_without_members_is_drained_at_once(url: str) -> None:
    desk = Desk(url)
    async with desk.app:
        assert (await desk.app.drain("work")).complete
