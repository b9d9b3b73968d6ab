"""The drill: events flow, mode and pick are switched every second, members are killed; all of it judged afterwards."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from tests.dispatch.judge import Epoch, Handled, Life, Published, judge
from tests.dispatch.processes import GROUP, Query
from vagus import App
from vagus.backend import Capabilities

FLIPS: Sequence[dict[str, Any]] = (
    {"deliver": "once", "pick": "round_robin"},
    {"deliver": "all"},
    {"deliver": "once", "pick": "by_label('lang')"},
    {"deliver": "once", "pick": "own"},
    {"deliver": "all"},
    {"deliver": "once", "pick": "random(7)"},
    {"deliver": "once", "pick": "least_busy"},
    {"deliver": "once", "pick": "own"},
    {"deliver": "once", "pick": "by_key"},
    {"deliver": "all"},
    {"deliver": "once", "pick": "own"},
)
"""What the group is switched to, one after the other: every mode and pick from every kind of other one."""

LANGS = ("zh", "en")
PATIENCE_S = 45.0
"""How long what was published last, or lost with a member, may take to be handled, in seconds."""

_BATCH_S = 0.01


class Ground(Protocol):
    """Where members live: as processes on a file, or as apps in this one."""

    def client(self) -> App:
        """Return an app that publishes and steers."""

    async def start(self, name: str, lang: str) -> None:
        """Start a member, under a name that no other one has, with the label `lang`; return once it has joined."""

    async def kill(self, name: str) -> None:
        """Let a member die without a word."""

    def handled(self) -> list[Handled]:
        """What the handlers wrote down, with those names."""

    def living(self) -> set[str]:
        """The members that still run, by what the system says."""


class Outcome(NamedTuple):
    """What a drill showed. Latencies of publishing in ms: before anything was switched, and while it was."""

    flips: int
    kills: int
    events: int
    faults: list[str]
    steady_p99_ms: float
    switched_p99_ms: float
    lost_members: set[str]
    capabilities: Capabilities

    @property
    def sentence(self) -> str:
        """The figures, for a reader."""
        return (
            f"{self.capabilities.system}: {self.events} events, {self.flips} switches, {self.kills} kills; publish p99 "
            f"{self.steady_p99_ms:.2f} ms before, {self.switched_p99_ms:.2f} ms while switching"
        )


class Drill:
    """One run of `seconds`: `rate` events a second, a switch each second, a kill every `kill_every_s`."""

    def __init__(self, ground: Ground, seconds: float, *, rate: int, steady_s: float, kill_every_s: float) -> None:
        self._ground = ground
        self._seconds = seconds
        self._rate = rate
        self._steady_s = steady_s
        self._kill_every_s = kill_every_s
        self._published: list[Published] = []
        self._epochs = [Epoch(1, "once", "", 0)]
        self._lives: dict[str, Life] = {}
        self._names = (f"m{number}" for number in itertools.count())
        self._numbers = itertools.count()
        self._kills = 0

    async def run(self) -> Outcome:
        """Run it to the end, wait until all is handled, and judge."""
        async with self._ground.client() as app:
            for lang in ("zh", "en", "zh"):
                await self._join(lang)
            await self._publish_for(app, self._steady_s)
            switched_at = time.time()
            publishing = asyncio.create_task(self._publish_for(app, self._seconds))
            killing = asyncio.create_task(self._kill_now_and_then(app))
            await self._flip(app)
            await publishing
            killing.cancel()
            await asyncio.wait([killing])
            faults = await self._judged()
            capabilities = app.capabilities
        steady = [event for event in self._published if event.after < switched_at]
        return Outcome(
            flips=len(self._epochs) - 1,
            kills=self._kills,
            events=len(self._published),
            faults=faults,
            steady_p99_ms=_p99_ms(steady),
            switched_p99_ms=_p99_ms([event for event in self._published if event.before > switched_at]),
            lost_members={name for name, life in self._lives.items() if life.killed is None} - self._ground.living(),
            capabilities=capabilities,
        )

    def _faults(self) -> list[str]:
        return judge(self._published, self._ground.handled(), self._epochs, self._lives)

    async def _judged(self) -> list[str]:
        """Return what is wrong when all has had its time."""
        begin = time.monotonic()
        while (faults := self._faults()) and time.monotonic() < begin + PATIENCE_S:
            await asyncio.sleep(0.5)
        return faults

    async def _join(self, lang: str) -> str:
        name = next(self._names)
        await self._ground.start(name, lang)
        self._lives[name] = Life(time.time(), None, lang)
        return name

    async def _publish_for(self, app: App, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        sending: list[asyncio.Task[None]] = []
        batch = max(1, int(self._rate * _BATCH_S))
        for turn in range(int(seconds / _BATCH_S)):
            await asyncio.sleep(max(0.0, begin + turn * _BATCH_S - loop.time()))
            numbers = [next(self._numbers) for _ in range(batch)]
            sending.append(asyncio.create_task(self._publish(app, numbers)))
        await asyncio.gather(*sending)

    async def _publish(self, app: App, numbers: list[int]) -> None:
        events = [Query(number, lang=LANGS[number % 2]) for number in numbers]
        before = time.time()
        receipts = await app.publish(events)
        after = time.time()
        for number, receipt in zip(numbers, receipts, strict=True):
            self._published.append(Published(number, int(receipt.position), LANGS[number % 2], before, after))

    async def _flip(self, app: App) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for turn, flip in enumerate(itertools.cycle(FLIPS)):
            if turn >= self._seconds:
                return
            await asyncio.sleep(max(0.0, begin + turn - loop.time()))
            switched = await app.switch(GROUP, why="drill", **flip)
            assert switched.cut is not None
            end = int(switched.cut.ends["query"][0])
            self._epochs.append(Epoch(switched.after.epoch, switched.after.mode, switched.after.pick, end))

    async def _kill_now_and_then(self, app: App) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for turn in itertools.count(1):
            await asyncio.sleep(max(0.0, begin + turn * self._kill_every_s - loop.time()))
            name = next(name for name, life in self._lives.items() if life.killed is None)
            life = self._lives[name]
            await self._ground.kill(name)
            self._lives[name] = Life(life.since, time.time(), life.lang)
            self._kills += 1
            await self._join(life.lang)


def _p99_ms(events: Sequence[Published]) -> float:
    times = sorted(event.after - event.before for event in events)
    return times[int(len(times) * 0.99)] * 1_000 if times else 0.0
