"""W8: a handler that always fails: how often it is given each event, and what lies between."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise

from vagus import App, Retry
from vagus.testing.benchmark.app import publish_batches
from vagus.testing.benchmark.event import NAME, Note
from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.result.report import Row
from vagus.testing.benchmark.result.rows import single
from vagus.testing.benchmark.workloads.workload import Workload

EVENTS = 50
POLICY = Retry(attempts=5, base_s=0.2)

_LOOK_S = 0.1


def turns(plan: Plan) -> int:
    """Once: every event of it is a round of its own."""
    return 1


def run(plan: Plan) -> list[Row]:
    """Let every event fail until it is a dead letter, and judge from what the handler took down."""
    plan.tick("vagus")
    log = logging.getLogger("vagus")
    level = log.level
    log.setLevel(logging.CRITICAL)  # that a failing handler fails need not be said each time
    try:
        times = asyncio.run(_fail(plan.ground.fresh(), min(EVENTS, plan.count(EVENTS))))
    finally:
        log.setLevel(level)
    counts = [len(each) for each in times.values()]
    gaps = [gap for each in times.values() for gap in gaps_of(each)]
    return [
        single("deliveries, fewest", min(counts)),
        single("deliveries, most", max(counts)),
        single("gap, shortest", min(gaps), "s"),
        single("gap, longest", max(gaps), "s"),
        single("gap over its most", max(over_s(each) for each in times.values()), "s"),
    ]


def gaps_of(times: Sequence[float]) -> list[float]:
    """Return the seconds between the deliveries of one event."""
    return [later - sooner for sooner, later in pairwise(times)]


def over_s(times: Sequence[float]) -> float:
    """Return how many seconds the worst gap exceeds what the contract allows it: the back-off, and 25 % or 1 s."""
    most = 0.0
    for number, gap in enumerate(gaps_of(times)):
        drawn = min(POLICY.cap_s, POLICY.base_s * 2**number)
        most = max(most, gap - drawn - max(0.25 * drawn, 1.0))
    return most


async def _fail(url: str, count: int) -> Mapping[int, Sequence[float]]:
    times: dict[int, list[float]] = {}
    app = App(url, name=NAME)

    @app.on(group="notes", retry=POLICY)
    async def handle(note: Note) -> None:
        times.setdefault(note.number, []).append(time.monotonic())
        raise TimeoutError("this handler always fails")

    async with app.running():
        await publish_batches(app, map(Note, range(count)))
        while sum(figures.dead for figures in (await app.stats()).groups) < count:  # noqa: ASYNC110 - the books tell
            await asyncio.sleep(_LOOK_S)
    return times


WORKLOAD = Workload(
    id="W8",
    title="a handler that always fails, 5 attempts, base 0.2 s",
    run=run,
    turns=turns,
)
