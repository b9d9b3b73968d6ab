"""Workers killed and stopped at random: judged by what their handlers wrote down themselves, not by any counter."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from vagus import App, Event, Retry

KEYS, EACH, POISON = 40, 50, 7

WORKER = """
import json, os, sys, time
from vagus import App, Context, Event, Retry

history = open(f"history-{os.getpid()}.jsonl", "a")
app = App("sqlite:///faults.db", name="f", grace_s=1.0)

def note(act, job):
    told = {"act": act, "key": job.key, "number": job.number, "pid": os.getpid(), "t": time.time()}
    history.write(json.dumps(told) + "\\n")
    history.flush()
    os.fsync(history.fileno())

class Job(Event, key="key"):
    key: str
    number: int

@app.on(Job, group="f.work", lease=2.0, retry=Retry(attempts=4, base_s=0.1, cap_s=0.2))
def work(job: Job, ctx: Context) -> None:
    note("begin", job)
    if job.number % 11 == 3 and ctx.attempt == 1:
        raise TimeoutError("the first attempt of some fails")
    if job.number == POISON:
        raise ValueError("this one always fails")
    time.sleep(0.004)
    note("end", job)

app.run()
""".replace("POISON", str(POISON))


class Job(Event, key="key"):
    key: str
    number: int


def acts(folder: Path) -> Iterator[dict[str, object]]:
    """Yield what the handlers wrote down; a line that a kill cut short was never finished, so it is none."""
    for file in folder.glob("history-*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.endswith("}"):
                yield json.loads(line)


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "worker.py"], cwd=folder, stderr=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.requirement("R7", "R37", "R57")
@pytest.mark.contract("G2", "G4", "G5", "G6", "G8", "G20")
@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_and_stopped_workers_lose_nothing(seed: int, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER, encoding="utf-8")
    chance = random.Random(seed)
    app = App(f"sqlite:///{tmp_path}/faults.db", name="f")

    @app.on(Job, group="f.work", lease=2.0, retry=Retry(attempts=4, base_s=0.1, cap_s=0.2))
    async def work(job: Job) -> None:
        raise AssertionError("the workers handle, this process only publishes")

    wanted = {(f"k{key}", number) for key in range(KEYS) for number in range(EACH)}
    async with app:
        for number in range(EACH):
            await app.publish([Job(f"k{key}", number) for key in range(KEYS)])
        crew = [start(tmp_path) for _ in range(3)]
        try:
            await _torment(crew, tmp_path, chance)
            figures = await _drained(app, len(wanted))
        finally:
            for process in crew:
                process.kill()
                process.wait()
    _judge(list(acts(tmp_path)), wanted)
    assert figures.entered == figures.accounted
    assert (figures.acked, figures.dead) == (len(wanted) - KEYS, KEYS)
    assert figures.lost > 0, "no fault hit an event that was held"


async def _torment(crew: list[subprocess.Popen[bytes]], folder: Path, chance: random.Random) -> None:
    """Once a second kill a worker, or stop one past its lease."""
    for _ in range(8):
        await asyncio.sleep(1.0)
        index = chance.randrange(len(crew))
        if chance.random() < 0.6:
            crew[index].kill()
            crew[index].wait()
            crew[index] = start(folder)
        else:
            os.kill(crew[index].pid, signal.SIGSTOP)
            await asyncio.sleep(2.5)
            os.kill(crew[index].pid, signal.SIGCONT)


async def _drained(app: App, count: int):  # type: ignore[no-untyped-def]
    until = time.monotonic() + 60
    while True:
        (figures,) = await app.backend.stats("f.work")
        if figures.acked + figures.dead >= count:
            return figures
        assert time.monotonic() < until, figures
        await asyncio.sleep(0.1)


def _judge(history: list[dict[str, object]], wanted: set[tuple[str, int]]) -> None:
    ended = defaultdict(list)
    for act in sorted(history, key=lambda act: float(str(act["t"]))):
        if act["act"] == "end":
            ended[str(act["key"])].append(int(str(act["number"])))
    began = {(str(act["key"]), int(str(act["number"]))) for act in history}
    done = {(key, number) for key, numbers in ended.items() for number in numbers}
    assert began == wanted, "lost or invented"
    assert done == {(key, number) for key, number in wanted if number != POISON}
    for key, numbers in ended.items():
        firsts = list(dict.fromkeys(numbers))
        assert firsts == sorted(firsts), f"{key} out of order: {firsts}"
