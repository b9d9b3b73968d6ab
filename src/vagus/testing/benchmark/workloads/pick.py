"""W9: what it costs to choose one of 100 members: the backend's own pick, whoever has credit, and each other pick."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from vagus.backend import Backend, Delivery, Done, GroupSpec, Inbox, Member, Put, Settle, Topic, TopicSpec, Unit
from vagus.message import Envelope
from vagus.registry import create_backend
from vagus.testing.benchmark.event import BARE_BODY
from vagus.testing.benchmark.lane import Sample, interleaved
from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.result.figure import percentile
from vagus.testing.benchmark.result.report import Row
from vagus.testing.benchmark.workloads import decision
from vagus.testing.benchmark.workloads.workload import Workload

EVENTS = 300
MEMBERS = 100
_TOPIC = TopicSpec(name="bench.pick")
_GROUP = GroupSpec(name="bench.picked", patterns=(_TOPIC.name,))


def turns(plan: Plan) -> int:
    """Return how many rounds of lanes there are."""
    return 2 * plan.turns + decision.turns(plan)


def run(plan: Plan) -> list[Row]:
    """Measure events that find one waiting member, and events that find a hundred, in turn."""
    count = plan.count(EVENTS)
    lanes = {str(members): partial(_handed, plan, members, count) for members in (1, MEMBERS)}
    found = interleaved(lanes, plan.rounds, plan.tick)
    rows = [
        Row(f"handed to one of {members}, {share}", "us", {"vagus": spreads[members]})
        for members in lanes
        for share, spreads in found.items()
    ]
    choosing = found["p99"][str(MEMBERS)].less(found["p99"]["1"].median)
    return [*rows, Row("choosing, p99", "us", {"vagus": choosing}), *decision.rows(plan)]


def _handed(plan: Plan, members: int, count: int) -> Sample:
    times_us = asyncio.run(handed_us(plan.ground.fresh(), members, count))
    return {"p50": percentile(times_us, 0.5), "p99": percentile(times_us, 0.99)}


async def handed_us(url: str, members: int, count: int) -> list[float]:
    """Return the microseconds from the commit of each event to its member, while all `members` wait."""
    backend = create_backend(url)
    await backend.open()
    await backend.declare([_TOPIC], [_GROUP])
    taken: asyncio.Queue[Delivery] = asyncio.Queue()
    tasks = [asyncio.create_task(_take(backend, f"m{number}", taken)) for number in range(members)]
    await backend.describe()  # answered after every joining before it
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        await backend.commit([Unit([Put(Topic(_TOPIC.name), Envelope(BARE_BODY))])])
        delivery = await taken.get()
        times.append((time.perf_counter() - begin) * 1e6)
        await backend.commit([Unit((), [Settle(delivery.token, Done("acked"))])])
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await backend.close()
    return times


async def _take(backend: Backend, name: str, taken: asyncio.Queue[Delivery]) -> None:
    feed = backend.attach(Inbox(_GROUP.name), Member(name), 10)
    while True:
        for delivery in await feed.take(10, ()):
            taken.put_nowait(delivery)


WORKLOAD = Workload(
    id="W9",
    title="one of 100 members",
    run=run,
    turns=turns,
    notes=(
        "Choosing is what it takes longer than with one member, by the backend's own pick.",
        "The picks are measured by themselves, without decoding and moving the event.",
    ),
)
