"""Apps in processes of their own: told to stop, killed from within, interrupted; judged by what they printed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vagus import App
from vagus.backend import First
from vagus.reliability.dead import open_letters

APP = """
import asyncio, os, sys, time
from vagus import App, Context, Event

app = App("sqlite:///app.db", name="shop", grace_s=20)

class Click(Event):
    user: str

@app.on(Click, lease={lease}, concurrency=4, ordered=False, retry=2)
{kind} handle(click: Click, ctx: Context) -> None:
    print("begun", click.user, ctx.attempt, ctx.losses, flush=True)
    {body}
    print("done", click.user, flush=True)
"""


PUBLISH = """
import asyncio, sys
from app import Click, app

async def publish():
    async with app:
        await app.publish([Click(user) for user in sys.argv[1:]])

asyncio.run(publish())
"""


class Worker:
    """Worker processes of one app, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/app.db"
        self._started: list[subprocess.Popen[str]] = []

    def write(self, body: str, lease: float = 30.0, *, sync: bool = False) -> None:
        kind = "def" if sync else "async def"
        (self.folder / "app.py").write_text(APP.format(body=body, lease=lease, kind=kind), encoding="utf-8")

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "vagus", "worker", "app.py:app"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=self.folder, stdout=pipe, stderr=pipe, text=True)
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()

    def publish(self, *users: str) -> None:
        command = [sys.executable, "-c", PUBLISH, *users]
        subprocess.run(command, cwd=self.folder, check=True, timeout=60)

    def books(self) -> tuple[Any, list[Any]]:
        return asyncio.run(self._books())

    async def _books(self) -> tuple[Any, list[Any]]:
        async with App(self.url, name="look") as app:
            (figures,) = await app.backend.stats("shop.handle")
            letters = open_letters(await app.backend.read("$dead.shop.handle", First(), 10))
            return figures, [state.letter for state in letters.values()]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    found = Worker(tmp_path)
    yield found
    found.end()


@pytest.mark.contract("G16")
def test_worker_that_is_told_to_stop_finishes_what_it_began(worker: Worker) -> None:
    worker.write("await asyncio.sleep(1)")
    worker.publish("ann")
    process = worker.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "begun ann 1 0\n"

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (0, "done ann\n")
    assert [json.loads(line)["level"] for line in err.splitlines()].count("error") == 0
    assert (worker.books()[0].acked, worker.books()[0].lost) == (1, 0)


@pytest.mark.contract("G4")
def test_event_that_kills_its_worker_is_quarantined_and_others_are_handled(worker: Worker) -> None:
    worker.write("if click.user == 'killer': os._exit(9)", lease=0.5)
    worker.publish("a", "killer", "b")

    for _ in range(12):
        process = worker.start()
        until_dead_or_done(worker, process)
        if worker.books()[0].dead:
            break

    figures, (letter,) = worker.books()
    assert (letter.reason, letter.attempts) == ("quarantined", 0)
    assert (figures.acked, figures.dead) == (2, 1)


def until_dead_or_done(worker: Worker, process: subprocess.Popen[str]) -> None:
    """Wait until the process has died of an event, or all events are settled; then end it."""
    for _ in range(40):
        try:
            process.wait(0.25)
            return
        except subprocess.TimeoutExpired:
            figures = worker.books()[0]
            if figures.acked + figures.dead == figures.entered:
                process.send_signal(signal.SIGTERM)
                process.wait(20)
                return
    raise AssertionError("the worker neither died nor finished")


@pytest.mark.contract("G5", "G19")
@pytest.mark.parametrize("sync", [False, True])
def test_handler_that_raises_keyboard_interrupt_stops_no_worker(worker: Worker, sync: bool) -> None:
    worker.write("if click.user == 'ann': raise KeyboardInterrupt", sync=sync)
    worker.publish("ann", "bob")
    process = worker.start()
    until_dead_or_done(worker, process)

    figures, (letter,) = worker.books()
    assert (letter.reason, letter.attempts, "KeyboardInterrupt" in letter.stack) == ("attempts", 2, True)
    assert (figures.acked, figures.dead, figures.lost, process.returncode) == (1, 1, 0, 0)


@pytest.mark.contract("G16")
def test_ctrl_c_in_the_grace_time_cuts_nothing_short(worker: Worker) -> None:
    worker.write("await asyncio.sleep(1)")
    worker.publish("ann")
    process = worker.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "begun ann 1 0\n"

    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)

    assert (process.returncode, out) == (0, "done ann\n")


INTERRUPTED = """
import asyncio, os, signal
from app import app

async def main():
    try:
        await asyncio.wait_for(app.work(), 0.1)
    except TimeoutError:
        pass
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(30)
    print("lived on")

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("ended")
"""


def test_ctrl_c_after_the_work_is_the_programs_own_again(worker: Worker) -> None:
    worker.write("pass")
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(command, cwd=worker.folder, capture_output=True, text=True, timeout=60)

    assert done.stdout == "ended\n"
