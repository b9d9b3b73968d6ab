"""W3: what an event costs its publisher while 1, 4, 16 and 64 groups listen."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from vagus import App
from vagus.testing.benchmark.app import publish_batches
from vagus.testing.benchmark.event import NAME, Note
from vagus.testing.benchmark.lane import Sample, interleaved
from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.result.report import Row
from vagus.testing.benchmark.result.rows import growth
from vagus.testing.benchmark.workloads.workload import Workload

EVENTS = 5_000
GROUPS = (1, 4, 16, 64)


def turns(plan: Plan) -> int:
    """Return how many rounds of lanes there are."""
    return len(GROUPS) * plan.turns


def run(plan: Plan) -> list[Row]:
    """Measure each number of groups, in turn."""
    count = plan.count(EVENTS)
    lanes = {str(groups): partial(_published, plan, groups, count) for groups in GROUPS}
    costs = interleaved(lanes, plan.rounds, plan.tick)["cost"]
    rows = [Row(f"groups: {groups}", "us", {"vagus": costs[str(groups)]}) for groups in GROUPS]
    return [*rows, growth("largest / smallest", costs, str(GROUPS[0]), str(GROUPS[-1]))]


def _published(plan: Plan, groups: int, count: int) -> Sample:
    return {"cost": asyncio.run(cost_us(plan.ground.fresh(), groups, count))}


async def cost_us(url: str, groups: int, count: int) -> float:
    """Return the microseconds that one event of a batch takes until it is confirmed; nobody handles it meanwhile."""
    app = App(url, name=NAME)

    async def handle(note: Note) -> None: ...

    for number in range(groups):
        app.on(group=f"group-{number}")(handle)
    async with app:
        begin = time.perf_counter()
        await publish_batches(app, map(Note, range(count)))
        return (time.perf_counter() - begin) / count * 1e6


WORKLOAD = Workload(id="W3", title="one event to many groups, cost for its publisher", run=run, turns=turns)
