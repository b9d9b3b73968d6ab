"""An event that kills its worker is put into quarantine; one that was only lost with others is not."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from vagus import App, Event
from vagus.backend import First, Inbox, Member
from vagus.backends.memory import Memory
from vagus.clock import ManualClock
from vagus.message import dead_topic
from vagus.reliability.dead import open_letters

WORKER = """
import os, signal
from vagus import App, Event

class Job(Event, topic="job"):
    number: int

app = App(name="jobs")

@app.on(Job, lease=0.3)
async def work(job: Job) -> None:
    with open(os.environ["DIARY"], "a") as diary:
        diary.write(f"{job.number}\\n")
    if job.number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
"""


class Job(Event, topic="job"):
    number: int


@pytest.mark.contract("G4")
async def test_event_that_was_lost_with_others_ten_times_is_handled_after_all() -> None:
    clock, handled = ManualClock(), asyncio.Event()
    app = App("memory://lost-with-others", name="jobs", clock=clock)

    @app.on(Job, lease=10)
    async def work(job: Job) -> None:
        handled.set()

    place = Memory("memory://lost-with-others", clock)
    await place.open()
    async with app:
        await app.publish(Job(1))
    for number in range(10):
        taken = await place.attach(Inbox("jobs.work"), Member(f"dying-{number}"), 5).take(5, ())
        assert [delivery.losses for delivery in taken] == [number]
        clock.move(11)

    async with app.running():
        await asyncio.wait_for(handled.wait(), 10)
    (figures,) = await place.stats("jobs.work")
    await place.close()
    assert (figures.acked, figures.dead, figures.lost) == (1, 0, 10)


@pytest.mark.contract("G4", "G6", "G20")
async def test_event_that_kills_its_worker_is_quarantined_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(WORKER, encoding="utf-8")
    url, diary = f"sqlite:///{tmp_path}/jobs.db", tmp_path / "diary"
    app = App(url, name="jobs")

    @app.on(Job, lease=0.3)
    async def work(job: Job) -> None:
        """Declare the group that the workers serve."""

    async with app:
        await app.publish([Job(number) for number in range(30)])
        deaths = 0
        while not (letters := open_letters(await app.backend.read(dead_topic("jobs.work"), First(), 10))):
            code = await run_worker(url, tmp_path, diary, app)
            deaths += code == -signal.SIGKILL
        (figures,) = await app.backend.stats("jobs.work")

    (state,) = letters.values()
    assert (deaths, state.letter.reason) == (5, "quarantined")
    assert (figures.acked, figures.dead, figures.entered) == (29, 1, figures.accounted)
    assert diary.read_text().split().count("7") == 5


async def run_worker(url: str, folder: Path, diary: Path, app: App) -> int:
    """Run a worker until it dies, or until all is settled and it is told to stop; return how it ended."""
    command = (sys.executable, "-m", "vagus", "worker", "jobs:app", "--url", url)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={"DIARY": str(diary)}, stderr=asyncio.subprocess.DEVNULL
    )
    ended = asyncio.create_task(process.wait())
    while not ended.done():
        (figures,) = await app.backend.stats("jobs.work")
        if not figures.ready + figures.held + figures.waiting:
            process.terminate()
            break
        await asyncio.wait([ended], timeout=0.05)
    return await ended
