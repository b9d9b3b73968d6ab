"""W2: how long an event is on its way while little happens: 500 a second, evenly spaced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from vagus import App
from vagus.testing.benchmark.app import Tally, app_for, until_acked
from vagus.testing.benchmark.event import Documents, Note
from vagus.testing.benchmark.ground import Ground
from vagus.testing.benchmark.lane import Lane, Sample, interleaved
from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.process import Crew, Process
from vagus.testing.benchmark.raw.sqlite import RawLog
from vagus.testing.benchmark.result.figure import percentile
from vagus.testing.benchmark.result.report import Row
from vagus.testing.benchmark.workloads.workload import Workload

EVENTS = 1_000
EVERY_S = 0.002

_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_APART = ", 2 processes"
_LOOK_S = 0.02


def lanes_of(plan: Plan) -> dict[str, Lane]:
    """Return the lanes; two processes are a lane of their own, whose figures are rows of their own."""
    ground, count = plan.ground, plan.count(EVENTS)
    lanes: dict[str, Lane] = {"vagus": partial(_one_process, ground, count)}
    if ground.shared:
        lanes["raw"] = partial(_raw, ground, count)
        lanes["apart"] = partial(_two_processes, ground, count)
    return lanes


def turns(plan: Plan) -> int:
    """Return how many rounds of lanes there are."""
    return len(lanes_of(plan)) * plan.turns


def run(plan: Plan) -> list[Row]:
    """Measure p50, p95 and p99 from the call of `publish` to the handler's first line."""
    rows = []
    for figure, lanes in interleaved(lanes_of(plan), plan.rounds, plan.tick).items():
        renamed = {"vagus" if name == "apart" else name: found for name, found in lanes.items()}
        rows.append(Row(figure, "ms", renamed))
    return rows


def _sample(delays_us: Sequence[float], count: int, suffix: str = "") -> Sample:
    assert len(delays_us) == count, f"{len(delays_us)} of {count} events were handled"
    return {name + suffix: percentile(delays_us, share) / 1000 for name, share in _SHARES.items()}


async def publish_paced(app: App, count: int) -> None:
    """Publish at an even pace, whether or not the one before is confirmed already."""
    begin = time.monotonic()
    publishing = []
    for number in range(count):
        await asyncio.sleep(begin + number * EVERY_S - time.monotonic())
        publishing.append(asyncio.ensure_future(app.publish(Note(number, time.monotonic_ns()))))
    await asyncio.gather(*publishing)


def _one_process(ground: Ground, count: int) -> Sample:
    return _sample(asyncio.run(_together(ground.fresh(), count)), count)


async def _together(url: str, count: int) -> list[float]:
    delays_us: list[float] = []
    tally = Tally(count)

    def told(note: Any) -> None:
        delays_us.append((time.monotonic_ns() - note.sent_ns) / 1000)
        tally.add()

    async with app_for(url, told).running() as app:
        await publish_paced(app, count)
        await tally.all.wait()
    return delays_us


def _two_processes(ground: Ground, count: int) -> Sample:
    url = ground.fresh()
    with Crew([Process("consume", url, "plain")]) as crew:
        asyncio.run(_publish(url, count))
        [seen] = crew.end()
    return _sample(seen["delays_us"], count, _APART)


async def _publish(url: str, count: int) -> None:
    async with app_for(url, print) as app:
        await publish_paced(app, count)
        await until_acked(app, count, _LOOK_S)


def _raw(ground: Ground, count: int) -> Sample:
    """Store and claim in one transaction, then handle: one commit on the way."""
    documents = Documents()
    delays_us = []
    with RawLog(ground.fresh_file(), ground.synchronous) as log:
        claimed: list[tuple[int, bytes]] = []
        begin = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, begin + number * EVERY_S - time.monotonic()))
            body, dedupe = documents.write(number, time.monotonic_ns())
            with log.transaction():
                log.settle(claimed)
                log.put([body], [dedupe])
                claimed = log.claim(1)
            delays_us += [(time.monotonic_ns() - documents.decode(body).data.sent_ns) / 1000 for _, body in claimed]
    return _sample(delays_us, count)


WORKLOAD = Workload(
    id="W2",
    title="500 events a second, publish to handler",
    run=run,
    turns=turns,
)
