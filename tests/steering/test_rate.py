"""`rate=`: how often handlers begin, over all processes of a group."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from tests.delivery.bound import most_over
from tests.steering.desk import WITHIN_S, Job, books
from vagus import App
from vagus.delivery.rate import Rate
from vagus.errors import InvalidArgument, UnsupportedCapability

PER_S = 100.0
BURST = Rate(PER_S).burst


def paced(url: str, rate: str, begun: list[float]) -> App:
    app = App(url, name="shop")

    @app.on(Job, rate=rate)
    async def work(job: Job) -> None:
        begun.append(time.time())

    return app


async def test_two_members_share_one_rate(url: str) -> None:
    begun: list[float] = []
    one, other = paced(url, "100/s", begun), paced(url, "100/s", begun)
    async with one.running(), other.running():
        await one.publish([Job(n) for n in range(150)])
        await books(one, acked=150)
    assert most_over(begun, PER_S) <= BURST
    assert begun[-1] - begun[0] >= 1.0


async def test_two_processes_share_one_rate(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    app = paced(url, "100/s", [])
    async with app:
        workers = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.steering.pacer", url, "100/s", stdin=-1, stdout=-1
            )
            for _ in range(2)
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert (await asyncio.wait_for(worker.stdout.readline(), WITHIN_S)) == b"open\n"
        await app.publish([Job(n) for n in range(200)])
        await books(app, acked=200)
        told = [(await asyncio.wait_for(worker.communicate(b""), WITHIN_S))[0] for worker in workers]
    begun = [[float(line) for line in text.split()] for text in told]
    assert all(len(one) > 20 for one in begun)
    assert most_over([at for one in begun for at in one], PER_S) <= BURST


async def test_batch_counts_each_of_its_events() -> None:
    app = App("memory://", name="shop")
    calls: list[tuple[float, int]] = []

    @app.on(Job, rate="100/s", batch=50)
    async def work(batch: list[Job]) -> None:
        calls.append((time.time(), len(batch)))

    async with app.running():
        await app.publish([Job(n) for n in range(60)])
        await books(app, acked=60)
    assert most_over([at for at, count in calls for _ in range(count)], PER_S) <= BURST


async def test_slow_rate_lets_events_wait_and_runs_no_loop() -> None:
    begun: list[float] = []
    app = paced("memory://", "6/m", begun)
    async with app.test() as trial:
        await trial.publish([Job(n) for n in range(5)])
        await trial.begun("work", 5)
        await trial.move("35s")
        assert len(begun) == 4  # at 0, 10, 20 and 30 s


def test_rate_that_makes_no_sense_is_refused_where_it_is_given() -> None:
    app = App("memory://", name="shop")

    with pytest.raises(
        InvalidArgument, match=r'rate of .*work: expected a number of events in a time, such as "100/s"'
    ):

        @app.on(Job, rate="fast")
        async def work(job: Job) -> None: ...


async def test_rate_without_a_store_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from vagus.backends.memory import Memory

    monkeypatch.setattr(Memory, "store", None)
    with pytest.raises(UnsupportedCapability, match=r"the rate of shop\.work needs a store"):
        async with paced("memory://", "100/s", []):
            pass
