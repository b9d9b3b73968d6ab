"""W1: publish events and handle them, until the last one is settled and stored as such."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from vagus.testing.benchmark.app import BATCH, TASKS, Tally, app_for, publish_batches, publish_singly, until_acked
from vagus.testing.benchmark.event import Note, keyed_notes
from vagus.testing.benchmark.ground import Ground
from vagus.testing.benchmark.lane import Lane, Sample, interleaved
from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.process import Crew, Process
from vagus.testing.benchmark.raw import memory, sqlite
from vagus.testing.benchmark.result.report import Row
from vagus.testing.benchmark.workloads.workload import Workload

EVENTS = 20_000
CONSUMERS = 2

How: TypeAlias = Literal["batch", "singly"]

_SIZE = {"batch": BATCH, "singly": TASKS}
_PUBLISH = {"batch": publish_batches, "singly": publish_singly}
_LOOK_S = 0.002


class Case(msgspec.Struct, frozen=True):
    """One way of publishing and handling; `limit_s` is the handler's timeout, `effects`: with the effect ledger."""

    name: str
    how: How
    keyed: bool = False
    limit_s: float | None = None
    processes: bool = False
    effects: bool = False


CASES = {
    "memory": (
        Case("500 at once", "batch"),
        Case("64 singly", "singly"),
        Case("500 at once, keyed, timeout", "batch", keyed=True, limit_s=30.0),
        Case("64 singly, keyed, timeout", "singly", keyed=True, limit_s=30.0),
        Case("500 at once, effect ledger", "batch", effects=True),
    ),
    "sqlite": (
        Case("500 at once", "batch"),
        Case("64 singly", "singly"),
        Case("500 at once, keyed", "batch", keyed=True),
        Case("64 singly, keyed", "singly", keyed=True),
        Case("500 at once, 3 processes", "batch", processes=True),
        Case("64 singly, 3 processes", "singly", processes=True),
        Case("500 at once, effect ledger", "batch", effects=True),
        Case("64 singly, effect ledger", "singly", effects=True),
    ),
}


def turns(plan: Plan) -> int:
    """Return how many lanes' rounds it takes."""
    return len(CASES[plan.ground.system]) * 3 * plan.turns


def run(plan: Plan) -> list[Row]:
    """Measure every case of the system."""
    rows = []
    for case in CASES[plan.ground.system]:
        figures = interleaved(_lanes(case, plan), plan.rounds, plan.tick)
        rows.append(Row(case.name, "/s", figures["rate"]))
    return rows


def _lanes(case: Case, plan: Plan) -> dict[str, Lane]:
    count, ground = plan.count(EVENTS), plan.ground
    ours = _three_processes if case.processes else _one_process
    return {
        "vagus": partial(ours, case, ground, count),
        "raw": partial(_raw, case, ground, count, coded=True),
        "bare": partial(_raw, case, ground, count, coded=False),
    }


def notes_of(count: int, *, keyed: bool) -> Iterable[Any]:
    """Return the events of a round."""
    return keyed_notes(count) if keyed else (Note(number) for number in range(count))


def _one_process(case: Case, ground: Ground, count: int) -> Sample:
    return {"rate": count / asyncio.run(through(case, ground.fresh(), count))}


async def through(case: Case, url: str, count: int) -> float:
    """Publish and handle `count` events in this process; return the seconds that it took."""
    tally = Tally(count)
    app = app_for(url, lambda note: tally.add(), keyed=case.keyed, timeout=case.limit_s, effects=case.effects)
    async with app.running():
        begin = time.perf_counter()
        await _PUBLISH[case.how](app, notes_of(count, keyed=case.keyed))
        await tally.all.wait()
        await until_acked(app, count, 0)
        return time.perf_counter() - begin


def _three_processes(case: Case, ground: Ground, count: int) -> Sample:
    url = ground.fresh()
    with Crew([Process("consume", url, "keyed" if case.keyed else "plain") for _ in range(CONSUMERS)]) as crew:
        took_s = asyncio.run(_produce(case, url, count))
        handled = sum(seen["handled"] for seen in crew.end())
    assert handled == count, f"{handled} of {count} events were handled"
    return {"rate": count / took_s}


async def _produce(case: Case, url: str, count: int) -> float:
    async with app_for(url, print, keyed=case.keyed) as app:
        begin = time.perf_counter()
        await _PUBLISH[case.how](app, notes_of(count, keyed=case.keyed))
        await until_acked(app, count, _LOOK_S)
        return time.perf_counter() - begin


def _raw(case: Case, ground: Ground, count: int, *, coded: bool) -> Sample:
    size = _SIZE[case.how]
    if ground.folder is None:
        return {"rate": memory.events_per_s(count, size, coded=coded)}
    file = ground.fresh_file()
    if case.processes:
        return {"rate": count / _raw_processes(file, ground.synchronous, count, size, coded=coded)}
    return {"rate": sqlite.events_per_s(file, ground.synchronous, count, size, coded=coded)}


def _raw_processes(file: Path, synchronous: str, count: int, size: int, *, coded: bool) -> float:
    words = [str(file), synchronous, str(count), str(BATCH), "coded" if coded else "bare"]
    with (
        sqlite.RawLog(file, synchronous) as log,
        Crew([Process("raw-consume", *words) for _ in range(CONSUMERS)]) as crew,
    ):
        begin = time.perf_counter()
        sqlite.publish(log, count, size, coded=coded)
        while not log.is_done(count):
            time.sleep(_LOOK_S)
        took_s = time.perf_counter() - begin
        handled = sum(seen["handled"] for seen in crew.end())
    assert handled == count, f"{handled} of {count} events were handled"
    return took_s


WORKLOAD = Workload(
    id="W1",
    title="publish and handle",
    run=run,
    turns=turns,
    notes=(
        "Every publish is deduplicated; vagus settles and stores each event before it counts.",
        "The effect ledger is off but where a row names it; raw has none.",
    ),
)
