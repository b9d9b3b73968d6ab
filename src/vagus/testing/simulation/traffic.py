"""What comes from outside: publishers that repeat what is unconfirmed, and somebody who redrives dead letters."""

from __future__ import annotations

import asyncio
import random

from vagus.app.app import App
from vagus.app.opened import Opened
from vagus.app.publisher import PublishOptions
from vagus.backend import First, Put, PutOutcome, Unit
from vagus.errors import BackendError
from vagus.reliability.dead import open_letters
from vagus.reliability.redrive import plan_redrive
from vagus.testing.simulation.flow import COLLECT, LOOSE, NAMED, ORDERED, Job
from vagus.testing.simulation.history import History
from vagus.testing.simulation.link import Link

_FATES = ("fine",) * 6 + ("flaky", "later", "slow", "dies", "dies")


class Publisher:
    """Publishes jobs one after the other, each again until it is confirmed, and some of them twice on purpose."""

    def __init__(self, name: str, app: App, link: Link, history: History, chance: random.Random) -> None:
        self._name = name
        self._history = history
        self._chance = chance
        self._opened = Opened(app, link, chance.getrandbits(32))

    async def publish(self, count: int, span_s: float, lanes: bool) -> None:
        """Publish `count` jobs within about `span_s` seconds."""
        for number in range(count):
            await asyncio.sleep(self._chance.random() * 2 * span_s / count)
            await self.one(self._job(number), self._options(lanes))

    def _job(self, number: int) -> Job:
        fate = self._chance.choice(_FATES)
        until = self._chance.choice((1, 2)) if fate == "dies" else 0
        return Job(f"{self._name}.{self._chance.randrange(2)}", number, fate, until)

    def _options(self, lanes: bool) -> PublishOptions:
        delay_s = self._chance.choice((0.0, 0.0, 0.0, 0.0, 1.5))
        return PublishOptions(delay_s=delay_s, priority=self._chance.randrange(10) if lanes else None)

    async def one(self, job: Job, options: PublishOptions) -> str:
        """Publish one job until it is confirmed; return its id."""
        put, event = self._opened.publisher.first(job, options)
        self._history.ask(self._name, event.id, put.after_s, f"{job.key}/{job.number} {job.fate} {job.until or ''}")
        await self._until_confirmed(put, event.id)
        if self._chance.random() < 0.2:
            again = await self._commit(put)
            if again is not None and again.status != "duplicate":
                self._history.broken("dedupe", event.id, f"published again with its id, it was {again.status}")
        return event.id

    async def _until_confirmed(self, put: Put, event_id: str) -> None:
        while True:
            found = await self._commit(put)
            if found is not None and found.status in ("stored", "duplicate"):
                self._history.confirm(self._name, event_id, found.status)
                return
            await asyncio.sleep(0.1 + self._chance.random() * 0.2)

    async def _commit(self, put: Put) -> PutOutcome | None:
        """Return what became of it; None when that is unknown."""
        try:
            outcome = await self._opened.committer.commit(Unit([put]))
        except BackendError:
            return None
        return outcome.puts[0]


class Redriver:
    """Sends dead letters again, now and then, until none is open."""

    def __init__(self, link: Link, history: History, now: float) -> None:
        self._link = link
        self._history = history
        self._now = now

    async def redrive(self) -> int:
        """Redrive all open letters once; return how many there were."""
        count = 0
        for group in (ORDERED, LOOSE, NAMED, COLLECT):
            letters = open_letters(await self._link.read(f"$dead.{group}", First(), 10_000))
            count += len(letters)
            plan = plan_redrive(letters.values(), self._now, force=True)
            for unit in plan.units:
                await self._commit(unit)
        return count

    async def _commit(self, unit: Unit) -> None:
        """Commit a redrive; one whose outcome is unknown is found open, and repeated, the next time."""
        try:
            await self._link.commit([unit])
        except BackendError:
            self._history.note("redriver", "unconfirmed", "a redrive")
