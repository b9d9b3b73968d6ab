"""What the simulated processes do: their events, their handlers, and how a handler writes down what it did."""

from __future__ import annotations

import asyncio
import random
from functools import cache

from vagus.app.app import App
from vagus.app.work.context import Context
from vagus.clock import LoopClock
from vagus.message import Event
from vagus.reliability.retry import Retry, RetryLater
from vagus.testing.simulation.history import History

SLOTS = 3
"""How many processes there are at once; each has its slot, in which a successor starts after a death."""

LEASE_S = 2.0
ATTEMPTS = 3
TIMEOUT_S = 0.6

ORDERED, LOOSE, NAMED, WATCH, COLLECT = "sim.ordered", "sim.loose", "sim.named", "sim.watch", "sim.collect"
JOBS, RESULTS = "sim.job", "sim.result"
TELLERS = (ORDERED, NAMED)
"""The groups whose handlers publish a result for each job."""


class Job(Event, key="key", topic=JOBS):
    """Something to do. Its fate says what befalls its handling, so that the judge knows what must come of it.

    "fine" succeeds at once; "flaky" fails at the first attempt, "later" asks to come later, "slow" overruns its
    timeout; "dies" fails every attempt of the generations below `until`.
    """

    key: str
    number: int
    fate: str = "fine"
    until: int = 0


class Result(Event, key="key", topic=RESULTS):
    """What a handler made of a job: which event, of which generation, in which group, by which member in `all`."""

    key: str
    cause: str
    generation: int
    group: str
    member: str | None


class Floor:
    """Where the handlers of one process work: they write down what they do, and do what the job's fate says."""

    def __init__(self, who: str, chance: random.Random, history: History, pace_s: float) -> None:
        self._who = who
        self._chance = chance
        self._history = history
        self._pace_s = pace_s

    async def handle(self, ctx: Context, fate: str, until: int) -> None:
        """Begin, take some time, and succeed or fail."""
        member = ctx.member if ctx.group in (NAMED, WATCH) else None
        handling = ctx.group, member, ctx.event.id, ctx.generation
        detail = f"generation {ctx.generation} attempt {ctx.attempt} losses {ctx.losses}"
        self._history.begin(self._who, handling, detail)
        await asyncio.sleep(self._chance.random() * self._pace_s)
        try:
            await self._meet(fate, until, ctx)
        except Exception as error:
            self._history.note(self._who, "fail", f"{ctx.group} {ctx.event.id}", f"{type(error).__name__}, {detail}")
            raise
        self._history.end(self._who, handling)

    async def _meet(self, fate: str, until: int, ctx: Context) -> None:
        if fate == "dies" and ctx.generation < until:
            raise ValueError(f"dies in every generation below {until}")
        if ctx.attempt > 1 or fate == "fine":
            return
        if fate == "flaky":
            raise TimeoutError("the first attempt fails")
        if fate == "later":
            raise RetryLater(0.7)
        if fate == "slow":
            await asyncio.sleep(10 * TIMEOUT_S)


async def ordered(job: Job, ctx: Context, floor: Floor) -> Result:
    """Handle jobs of one key one after the other."""
    await floor.handle(ctx, job.fate, job.until)
    return Result(job.key, ctx.event.id, ctx.generation, ctx.group, None)


async def loose(job: Job, ctx: Context, floor: Floor) -> None:
    """Handle jobs in any order."""
    await floor.handle(ctx, job.fate, job.until)


async def named(job: Job, ctx: Context, floor: Floor) -> Result:
    """Handle every job in every slot, missed ones too."""
    await floor.handle(ctx, job.fate, job.until)
    return Result(job.key, ctx.event.id, ctx.generation, ctx.group, ctx.member)


async def watch(job: Job, ctx: Context, floor: Floor) -> None:
    """Handle every job in every process that is there."""
    await floor.handle(ctx, "fine", 0)


async def collect(result: Result, ctx: Context, floor: Floor) -> None:
    """Handle what the others publish."""
    await floor.handle(ctx, "fine", 0)


@cache
def app_of(slot: int, lanes: bool, room: int | None) -> App:
    """Return what the processes in this slot declare. `lanes`: jobs have priorities; `room`: the results' bound."""
    app = App("memory://", name="sim", clock=LoopClock(), grace_s=1.0)
    retry = Retry(attempts=ATTEMPTS, base_s=0.2, cap_s=0.6)
    shared = {"retry": retry, "lease": LEASE_S, "concurrency": 4, "timeout": TIMEOUT_S}
    app.on(Job, group=ORDERED, **shared)(ordered)
    app.on(Job, group=LOOSE, ordered=False, **shared)(loose)
    app.on(Job, group=NAMED, deliver="all", member=f"m{slot}", **shared)(named)
    app.on(Job, group=WATCH, deliver="all", **shared)(watch)
    app.on(Result, group=COLLECT, **shared)(collect)
    app.topic(Job, priorities=lanes)
    app.topic(Result, max_events=room)
    return app
