"""One run under faults: start the processes, strike them, wait until all is handled, and have the history judged."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vagus import App
from vagus.backend import After, Backend, First, Record
from vagus.errors import BackendError
from vagus.message import dead_topic
from vagus.reliability.dead import DeadLetter, read_entry
from vagus.testing.faults.crew import PUBLISHER, WORKER, Crew, worker_role
from vagus.testing.faults.judge.plot import save_plot
from vagus.testing.faults.judge.verdict import Verdict, judge
from vagus.testing.faults.nemesis import torment
from vagus.testing.faults.plan import Plan
from vagus.testing.faults.record import Books, Drained, Letter, Pulse, Recorder, read_records
from vagus.testing.faults.work import PULSE, TALLY, WORK, Handlers, Setup, make_app

_PAGE = 500
_PULSE_S = 0.2
_LOOK_S = 0.5


async def run(
    url: str, folder: Path, plan: Plan | None = None, *, plot: Path | None = None, worker: Sequence[str] = WORKER
) -> Verdict:
    """Let workers handle events on `url` while they are killed and stopped; return what the history says of it.

    `url` must be of a backend that processes share, and hold nothing yet. `folder`: where the history and the
    processes' logs go, empty. `plot`: where to draw the run, as SVG. `worker`: the command of a worker, which is
    given the folder. Takes the plan's `faults_s` and, in the worst case, `drain_s` more.
    """
    plan = plan or Plan()
    setup = Setup(url, plan)
    setup.save(folder)
    recorder = Recorder(folder)
    try:
        async with make_app(setup, Handlers(plan, recorder)) as app, Crew(folder, recorder, worker) as crew:
            await _Run(plan, app, crew, recorder).go()
    finally:
        recorder.close()
    records = read_records(folder)
    verdict = judge(records, plan)
    if plot is not None:
        save_plot(plot, records, plan)
    return verdict


class _Run:
    """What happens between opening the app and closing it."""

    def __init__(self, plan: Plan, app: App, crew: Crew, recorder: Recorder) -> None:
        self._plan = plan
        self._app = app
        self._crew = crew
        self._recorder = recorder

    async def go(self) -> None:
        """Start, strike, wait for the drain, and write down what can be seen from outside."""
        pulse = asyncio.create_task(self._pulse())
        try:
            for index in range(self._plan.workers):
                await self._crew.start(worker_role(index))
            await self._crew.start(PUBLISHER)
            await torment(self._plan, self._crew, self._recorder)
            await self._drain()
        finally:
            pulse.cancel()
        await self._crew.end()
        await self._tell_letters()
        for group in (WORK, TALLY):
            await self._tell_books(group)

    async def _pulse(self) -> None:
        """Store something now and then, to see when nobody can."""
        while True:
            since = self._recorder.now()
            with suppress(BackendError):
                await self._app.publish({}, topic=PULSE)
            self._recorder.write(Pulse(t=self._recorder.now(), pid=self._recorder.pid, since=since))
            await asyncio.sleep(_PULSE_S)

    async def _drain(self) -> None:
        """Wait until all is published and nothing is left, or for as long as the plan allows."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._plan.drain_s):
                while not (self._crew.published and await self._left() == 0):
                    await self._crew.look()
                    await asyncio.sleep(_LOOK_S)
                self._recorder.write(Drained(t=self._recorder.now(), pid=self._recorder.pid))

    async def _left(self) -> int:
        """Return how many events are scheduled, or in the books of a group but not settled."""
        scheduled = sum(topic.scheduled for topic in (await self._app.backend.describe()).topics)
        figures = [f for group in (WORK, TALLY) for f in await self._app.backend.stats(group)]
        return scheduled + sum(f.held + f.waiting + f.parked + f.ready for f in figures)

    async def _tell_letters(self) -> None:
        now, pid = self._recorder.now(), self._recorder.pid
        for group in (WORK, TALLY):
            letters = await _letters(self._app.backend, group)
            self._recorder.write(*(Letter(t=now, pid=pid, id=one.event_id, reason=one.reason) for one in letters))

    async def _tell_books(self, group: str) -> None:
        now, pid = self._recorder.now(), self._recorder.pid
        [f] = await self._app.backend.stats(group)
        told = Books(
            t=now,
            pid=pid,
            group=group,
            entered=f.entered,
            accounted=f.accounted,
            acked=f.acked,
            dead=f.dead,
            left=f.held + f.waiting + f.parked + f.ready,
            lost=f.lost,
        )
        self._recorder.write(told)


async def _letters(backend: Backend, group: str) -> list[DeadLetter]:
    records: list[Record] = []
    page = await backend.read(dead_topic(group), First(), _PAGE)
    while page:
        records += page
        page = await backend.read(dead_topic(group), After(page[-1].position), _PAGE)
    entries = [read_entry(record.envelope) for record in records]
    return [entry for entry in entries if isinstance(entry, DeadLetter)]
