"""The handlers under test: they write down what they do, fail where the plan says so, and hand on a mark."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from vagus import App, Context, Event, Retry, RetryLater
from vagus.testing.faults.plan import Plan, fate_of
from vagus.testing.faults.record import Begin, Effect, End, Outcome, Recorder

WORK, TALLY, PULSE = "faults.work", "faults.tally", "faults.pulse"


class Job(Event, topic="faults.job", key="key"):
    """An event to be handled."""

    key: str
    number: int
    turn: int


class Mark(Event, topic="faults.mark"):
    """What a handling puts out: which event it was, and which handling of it."""

    job: str
    nonce: str


class Setup(msgspec.Struct, frozen=True):
    """What every process of a run is told, as `setup.json` in its folder."""

    url: str
    plan: Plan

    def save(self, folder: Path) -> None:
        """Write it for the others, in a folder that is made for it if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "setup.json").write_bytes(msgspec.json.encode(self))

    @staticmethod
    def load(folder: Path) -> Setup:
        """Read it."""
        return msgspec.json.decode((folder / "setup.json").read_bytes(), type=Setup)


class Handlers:
    """Two handlers: `work` for the jobs, `tally` for the marks of it that arrive."""

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        self.plan = plan
        self.recorder = recorder
        self._count = itertools.count(1)

    async def work(self, job: Job, ctx: Context) -> Mark:
        """Do a job, beside others in one thread."""
        with self._told(job, ctx) as nonce:
            await asyncio.sleep(self.plan.work_s)
            self._fail(job, ctx)
        return Mark(ctx.event.id, nonce)

    def work_in_thread(self, job: Job, ctx: Context) -> Mark:
        """Do a job in a thread of its own, which nothing can cut short."""
        with self._told(job, ctx) as nonce:
            time.sleep(self.plan.work_s)
            self._fail(job, ctx)
        return Mark(ctx.event.id, nonce)

    @contextmanager
    def _told(self, job: Job, ctx: Context) -> Iterator[str]:
        """Have the begin on disk before anything is done, and the end before vagus learns of it."""
        id, nonce = ctx.event.id, f"{self.recorder.pid}-{next(self._count)}"
        self._begin(job, ctx, nonce)
        try:
            yield nonce
        except asyncio.CancelledError:
            self._end(id, nonce, "cut")
            raise
        except Exception:
            self._end(id, nonce, "failed")
            raise
        self._end(id, nonce, "done")

    def _fail(self, job: Job, ctx: Context) -> None:
        """Fail where the plan says so."""
        fate = fate_of(job.number)
        if fate == "poison":
            raise ValueError("this one always fails")
        if fate == "error" and ctx.attempt == 1:
            raise TimeoutError("the first attempt of some fails")
        if fate == "later" and ctx.attempt == 1:
            raise RetryLater(self.plan.later_s)

    def _begin(self, job: Job, ctx: Context, nonce: str) -> None:
        told = Begin(
            t=self.recorder.now(),
            pid=self.recorder.pid,
            id=ctx.event.id,
            number=job.number,
            key=job.key,
            nonce=nonce,
            member=ctx.member,
            attempt=ctx.attempt,
            losses=ctx.losses,
        )
        self.recorder.write(told)

    def _end(self, id: str, nonce: str, outcome: Outcome) -> None:
        self.recorder.write(End(t=self.recorder.now(), pid=self.recorder.pid, id=id, nonce=nonce, outcome=outcome))

    async def tally(self, marks: list[Mark]) -> None:
        """Write down which handlings put something out."""
        now, pid = self.recorder.now(), self.recorder.pid
        self.recorder.write(*(Effect(t=now, pid=pid, id=mark.job, nonce=mark.nonce) for mark in marks))


def make_app(setup: Setup, handlers: Handlers, *, ordered: bool = True) -> App:
    """Return the app of a run: publishers and the run itself open it, workers run it."""
    plan = setup.plan
    app = App(setup.url, name="faults", grace_s=plan.grace_s)
    retry = Retry(attempts=plan.attempts, base_s=plan.floor_s, cap_s=plan.cap_s, floor_s=plan.floor_s)
    lease, at_once = plan.lease_s, plan.concurrency
    work = handlers.work_in_thread if plan.threads else handlers.work
    app.on(Job, group=WORK, lease=lease, retry=retry, concurrency=at_once, ordered=ordered)(work)
    app.on(Mark, group=TALLY, lease=lease, batch=100)(handlers.tally)
    app.topic(PULSE, keep="1h")
    return app
