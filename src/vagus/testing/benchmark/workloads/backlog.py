"""W6: what an event costs its worker, and how large the worker is, while 10^3 to 10^6 events wait."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from vagus import App
from vagus.testing.benchmark.app import app_for, drain_us, publish_batches
from vagus.testing.benchmark.event import Note
from vagus.testing.benchmark.lane import Sample, interleaved
from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.process import Crew, Process
from vagus.testing.benchmark.result.figure import Spread
from vagus.testing.benchmark.result.report import Row
from vagus.testing.benchmark.result.rows import growth
from vagus.testing.benchmark.workloads.workload import Workload

SIZES = (1_000, 10_000, 100_000)
LARGE = 1_000_000


def sizes(plan: Plan) -> tuple[int, ...]:
    """Return the backlogs; fewer events than usual were asked for to be quick, so the largest is that many then."""
    usual = (*SIZES, LARGE) if plan.large else SIZES
    return usual if plan.events is None else tuple(sorted({min(size, plan.events) for size in usual}))


def turns(plan: Plan) -> int:
    """Return how many rounds of lanes there are."""
    return len(sizes(plan)) * plan.turns


def run(plan: Plan) -> list[Row]:
    """Measure each size, in turn; each round begins with a full backlog."""
    with asyncio.Runner() as loop:
        stack = AsyncExitStack()
        backlogs = {size: loop.run(_open(plan, stack)) for size in sizes(plan)}
        try:
            lanes = {str(size): partial(_lane, loop, plan, app, size) for size, app in backlogs.items()}
            found = interleaved(lanes, plan.rounds, plan.tick)
        finally:
            loop.run(stack.aclose())
    return [*_rows("cost", "us", found["cost"], plan), *_rows("memory", "MB", found.get("memory", {}), plan)]


def _rows(figure: str, unit: Any, by_size: Mapping[str, Spread], plan: Plan) -> list[Row]:
    if not by_size:
        return []
    rows = [Row(f"{figure}, {size:,} waiting", unit, {"vagus": by_size[str(size)]}) for size in sizes(plan)]
    ends = sizes(plan)
    return [*rows, growth(f"{figure}, largest / smallest", by_size, str(ends[0]), str(ends[-1]))]


async def _open(plan: Plan, stack: AsyncExitStack) -> App:
    return await stack.enter_async_context(app_for(plan.ground.fresh(beside=True), print))


def _lane(loop: asyncio.Runner, plan: Plan, app: App, size: int) -> Sample:
    loop.run(fill(app, size))
    wanted = min(sizes(plan)) * 4 // 5
    if not plan.ground.shared:
        return {"cost": loop.run(drain_us(app.url, wanted))}
    with Crew([Process("drain", app.url, str(wanted))]) as crew:
        [seen] = crew.end()
    return {"cost": seen["cost_us"], "memory": seen["memory_mb"]}


async def fill(app: App, size: int) -> None:
    """Publish what is missing to a backlog of that size."""
    [figures] = (await app.stats()).groups
    await publish_batches(app, map(Note, range(size - figures.ready)))


WORKLOAD = Workload(id="W6", title="taking from a backlog", run=run, turns=turns)
