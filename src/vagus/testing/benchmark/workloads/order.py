"""W4: events of 1,000 keys in random order, each key's one at a time and in order; and whether they really were."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from functools import partial

from vagus import App
from vagus.testing.benchmark.app import app_for, publish_batches, until_acked
from vagus.testing.benchmark.event import KeyedNote, keyed_notes
from vagus.testing.benchmark.ground import Ground
from vagus.testing.benchmark.lane import Lane, Sample, interleaved
from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.process import Crew, Process
from vagus.testing.benchmark.result.report import Row
from vagus.testing.benchmark.result.rows import single
from vagus.testing.benchmark.witness import Handling, breaches, witness_app
from vagus.testing.benchmark.workloads.workload import Workload

EVENTS = 10_000
CONSUMERS = 2

_LOOK_S = 0.002
_ALONE, _APART = "", ", 3 processes"


def lanes_of(plan: Plan, broken: dict[str, int]) -> dict[str, Lane]:
    """Return the lanes; what each finds broken is added up in `broken`."""
    ground, count = plan.ground, plan.count(EVENTS)
    lanes: dict[str, Lane] = {_ALONE: partial(_one_process, ground, count, broken)}
    if ground.shared:
        lanes[_APART] = partial(_three_processes, ground, count, broken)
    return lanes


def turns(plan: Plan) -> int:
    """Return how many rounds of lanes there are."""
    return len(lanes_of(plan, {})) * plan.turns


def run(plan: Plan) -> list[Row]:
    """Measure the rate, and judge all rounds, the warm-up included."""
    broken: dict[str, int] = {}
    rates = interleaved(lanes_of(plan, broken), plan.rounds, plan.tick)["rate"]
    rows = []
    for name, found in rates.items():
        rows.append(Row(f"500 at once{name}", "/s", {"vagus": found}))
        rows.append(single(f"out of order{name}", broken[name]))
    return rows


def _judge(broken: dict[str, int], name: str, handlings: Sequence[Handling], count: int) -> None:
    assert len(handlings) == count, f"{len(handlings)} of {count} events were handled"
    broken[name] = broken.get(name, 0) + breaches(handlings)


def _one_process(ground: Ground, count: int, broken: dict[str, int]) -> Sample:
    took_s, handlings = asyncio.run(_together(ground.fresh(), count))
    _judge(broken, _ALONE, handlings, count)
    return {"rate": count / took_s}


async def _together(url: str, count: int) -> tuple[float, list[Handling]]:
    handlings: list[Handling] = []
    async with witness_app(url, handlings).running() as app:
        return await _publish(app, keyed_notes(count), count, 0), handlings


async def _publish(app: App, notes: Iterable[KeyedNote], count: int, look_s: float) -> float:
    begin = time.perf_counter()
    await publish_batches(app, notes)
    await until_acked(app, count, look_s)
    return time.perf_counter() - begin


def _three_processes(ground: Ground, count: int, broken: dict[str, int]) -> Sample:
    url = ground.fresh()
    with Crew([Process("witness", url) for _ in range(CONSUMERS)]) as crew:
        took_s = asyncio.run(_produce(url, count))
        handlings = [Handling(*one) for seen in crew.end() for one in seen]
    _judge(broken, _APART, handlings, count)
    return {"rate": count / took_s}


async def _produce(url: str, count: int) -> float:
    async with app_for(url, print, keyed=True) as app:
        return await _publish(app, keyed_notes(count), count, _LOOK_S)


WORKLOAD = Workload(
    id="W4",
    title="1,000 keys in random order",
    run=run,
    turns=turns,
    notes=("The handler gives way once, so that events of one key could overlap; none may.",),
)
