"""The publisher process of a run: it says what it will publish, then what it was told; killed, it resumes.

An event whose outcome a kill left open is published again with the same id, or left open for good, batch by batch in
turn: so that the history holds both kinds of "maybe".
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from vagus import App
from vagus.errors import BackendError
from vagus.testing.faults.plan import Plan, Task
from vagus.testing.faults.record import Confirmed, Intent, Record, Recorder, Unknown, read_records
from vagus.testing.faults.work import Handlers, Job, Setup, make_app
from vagus.testing.faults.worker import die_with_parent


def event_id(number: int) -> str:
    """Return the id under which an event is published, however often."""
    return f"job-{number:06}"


def left_open(records: Sequence[Record], batch: int) -> tuple[int, list[int]]:
    """Return the number to go on with, and the numbers that are to be published again, as an earlier life left them."""
    intended = {record.id: record.number for record in records if isinstance(record, Intent)}
    answered = {record.id for record in records if isinstance(record, Confirmed | Unknown)}
    numbers = sorted(number for id, number in intended.items() if id not in answered and number // batch % 2 == 0)
    return max(intended.values(), default=-1) + 1, numbers


class Publisher:
    """Publishes the events of a plan at its pace."""

    def __init__(self, app: App, plan: Plan, recorder: Recorder) -> None:
        self._app = app
        self._plan = plan
        self._recorder = recorder

    async def publish(self, records: Sequence[Record]) -> None:
        """Publish all that `records`, the history so far, do not hold yet."""
        plan = self._plan
        number, again = left_open(records, plan.batch)
        began = min((record.t for record in records if isinstance(record, Intent)), default=self._recorder.now())
        if again:
            await self._batch([plan.task(one) for one in again])
        while number < plan.events:
            last = min(plan.events, number - number % plan.batch + plan.batch)
            await asyncio.sleep(began + plan.publish_s * number / plan.events - self._recorder.now())
            await self._batch([plan.task(one) for one in range(number, last)])
            number = last

    async def _batch(self, tasks: Sequence[Task]) -> None:
        """Publish some events, in their order; they travel in one commit."""
        self._recorder.write(*(self._intent(task) for task in tasks))
        self._recorder.write(*await asyncio.gather(*(self._one(task) for task in tasks)))

    def _intent(self, task: Task) -> Intent:
        now, pid, id = self._recorder.now(), self._recorder.pid, event_id(task.number)
        return Intent(t=now, pid=pid, id=id, number=task.number, key=task.key, turn=task.turn, delay_s=task.delay_s)

    async def _one(self, task: Task) -> Record:
        id, pid = event_id(task.number), self._recorder.pid
        try:
            await self._app.publish(Job(task.key, task.number, task.turn), id=id, delay_s=task.delay_s)
        except BackendError as error:
            return Unknown(t=self._recorder.now(), pid=pid, id=id, why=str(error))
        return Confirmed(t=self._recorder.now(), pid=pid, id=id)


async def main(folder: Path) -> None:
    """Publish for the run in `folder`, going on where an earlier life was cut short."""
    setup, records = Setup.load(folder), read_records(folder)
    recorder = Recorder(folder)
    async with make_app(setup, Handlers(setup.plan, recorder)) as app:
        await Publisher(app, setup.plan, recorder).publish(records)


if __name__ == "__main__":
    die_with_parent()
    asyncio.run(main(Path(sys.argv[1])))
