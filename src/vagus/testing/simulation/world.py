"""One simulated world: processes, publishers and nemeses on one memory backend, all of it decided by the seed."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from vagus.app.publisher import PublishOptions
from vagus.backend import Ago, First, SeekTo
from vagus.backends.memory import Memory
from vagus.clock import LoopClock
from vagus.testing.loop import DeterministicLoop, LoopError, run
from vagus.testing.simulation.bug import Bug
from vagus.testing.simulation.flow import LOOSE, NAMED, ORDERED, SLOTS, WATCH, Job, app_of
from vagus.testing.simulation.history import History, Violation
from vagus.testing.simulation.judge import READERS, Judge
from vagus.testing.simulation.link import Link, Weather
from vagus.testing.simulation.nemesis import Nemesis
from vagus.testing.simulation.node import Node
from vagus.testing.simulation.traffic import Publisher, Redriver
from vagus.testing.simulation.witness import PROMPT_S, Witness

DRAIN_S = 90.0
"""How long, in virtual seconds, everything may take to be handled after the last fault."""

PROBES = 3

_CLEAR = Weather()


class Report(msgspec.Struct, frozen=True):
    """What one seed showed.

    `steps`: what crossed the seam (a unit, a delivery, an extension, a goodbye) and the calls of handlers.
    `callbacks`: what the loop ran. `faults`: those that really hit something, by kind. `violations`: broken
    promises, none for a sound library. `trace`: the acts that concern them. `digest`: a hash of the whole history.
    """

    seed: int
    steps: int
    callbacks: int
    virtual_s: float
    faults: Mapping[str, int]
    violations: tuple[Violation, ...]
    trace: tuple[str, ...]
    digest: str

    @property
    def clean(self) -> bool:
        """Whether no promise was broken."""
        return not self.violations

    def __str__(self) -> str:
        """Return what to print: one line, and for a failure the promises broken and how it came to that."""
        hits = ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items())) or "no fault hit"
        head = f"seed {self.seed}: {self.steps} steps, {self.virtual_s:.1f} virtual seconds; {hits}"
        if self.clean:
            return head
        broken = [f"  {found.kind}: {found.about}: {found.how}" for found in self.violations[:10]]
        return "\n".join((head, *broken, f"replay: simulate({self.seed})", *self.trace))


class Climate(msgspec.Struct, frozen=True):
    """What the seed says about its world as a whole."""

    lanes: bool
    room: int | None
    jobs: int
    span_s: float
    pace_s: float
    weather: Weather


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, bug: Bug) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, DeterministicLoop), "a world is made on a deterministic loop"
        self.loop = loop
        self.history = History(loop.time)
        self.chance = random.Random(f"world {seed}")
        self._bug = bug
        self._bug_chance = random.Random(f"bug {seed}")
        self.climate = _climate(self.chance)
        memory = Memory("memory://", LoopClock())
        self.witness = Witness(bug.in_backend(memory, self._bug_chance), self.history, self.was_frozen)
        self.judge = Judge(self.history, self.witness, self.witness)
        self._incarnations = 0
        self.nemeses: list[Nemesis] = []

    def was_frozen(self, name: str, since: float) -> bool:
        """Return whether the process of that name was stopped at some time after `since`."""
        return any(who == name and until >= since for n in self.nemeses for who, _, until in n.frozen)

    def _node(self, slot: int) -> Node:
        self._incarnations += 1
        climate = self.climate
        app = app_of(slot, climate.lanes, climate.room)
        client = self._bug.in_client(self.witness, self._bug_chance)
        name = f"p{slot}.{self._incarnations}"
        return Node(name, app, client, self.history, self.chance, climate.weather, climate.pace_s)

    def _link(self, name: str) -> Link:
        return Link(self.witness, name, random.Random(self.chance.random()), self.climate.weather, self.history)

    async def live(self) -> None:
        """Live through everything, and judge it."""
        await self.witness.open()
        self.nemeses = [
            Nemesis(slot, self._node, self.history, random.Random(self.chance.random())) for slot in range(SLOTS)
        ]
        for nemesis in self.nemeses:
            await nemesis.node.start()
        app = app_of(0, self.climate.lanes, self.climate.room)
        publishers = [
            Publisher(name, app, self._link(name), self.history, random.Random(self.chance.random()))
            for name in ("ann", "bob")
        ]
        redriver = Redriver(self._link("redriver"), self.history, LoopClock().now())
        await self._storm(publishers, redriver)
        for nemesis in self.nemeses:
            nemesis.node.link.heal(_CLEAR)
        if await self._drained(redriver):
            clear = Link(self.witness, "probe", self.chance, _CLEAR, self.history)
            await self._probe(Publisher("probe", app, clear, self.history, self.chance))
            await self.judge.whole([nemesis.node for nemesis in self.nemeses])
        for nemesis in self.nemeses:
            await nemesis.node.leave()
        await self.judge.books()

    async def _storm(self, publishers: list[Publisher], redriver: Redriver) -> None:
        """Publish, while things go wrong."""
        climate = self.climate
        async with asyncio.TaskGroup() as tasks:
            for publisher in publishers:
                tasks.create_task(publisher.publish(climate.jobs, climate.span_s, climate.lanes))
            for nemesis in self.nemeses:
                tasks.create_task(nemesis.torment(climate.span_s))
            tasks.create_task(self._steer())
            tasks.create_task(self._look_after(redriver))

    async def _steer(self) -> None:
        """Replay something, in some worlds."""
        if self.chance.random() < 0.5:
            await asyncio.sleep(self.chance.random() * self.climate.span_s)
            group, member = self.chance.choice(((ORDERED, None), (LOOSE, None), (NAMED, "m1")))
            start = self.chance.choice((First(), Ago(DRAIN_S)))  # back only: going forward skips what is unread
            self.history.note("steward", "seek", group, str(start))
            await self.witness.steer(group, SeekTo(start, member))

    async def _look_after(self, redriver: Redriver) -> None:
        """Look into the books, and redrive what died, while things go wrong."""
        until = self.history.time() + self.climate.span_s
        while self.history.time() < until:
            await asyncio.sleep(self.climate.span_s / 4)
            await self.judge.books()
            await redriver.redrive()

    async def _drained(self, redriver: Redriver) -> bool:
        """Wait until everything is handled, redriving what dies; say what is stuck when it takes too long.

        Nobody waits for what an anonymous member left that was killed: it is forgotten after three leases.
        """
        until = self.history.time() + DRAIN_S
        while True:
            dead = await redriver.redrive()
            figures = await self.judge.books()
            left = {f"{f.group} {f.member or ''}": f.ready + f.held + f.waiting + f.parked for f in figures}
            stuck = [f"{count} of {reader}" for reader, count in left.items() if count and WATCH not in reader]
            if not dead and not stuck and not await self._scheduled():
                return True
            if self.history.time() >= until:
                how = f"not drained after {DRAIN_S:g} s: {', '.join(stuck)}, {dead} dead letters"
                self.history.broken("liveness", "all groups", how)
                return False
            await asyncio.sleep(0.5)

    async def _scheduled(self) -> int:
        return sum(topic.scheduled for topic in (await self.witness.describe()).topics)

    async def _probe(self, publisher: Publisher) -> None:
        """See that an event for idle members is handled at once: it is a doorbell that wakes them."""
        for number in range(PROBES):
            event = await publisher.one(Job("probe", number), PublishOptions())
            await asyncio.sleep(PROMPT_S + self.climate.pace_s)
            for group, member in READERS:
                if (group, member, event, 0) not in self.history.ended:
                    self.history.broken("doorbell", event, f"idle {group} {member or ''} did not handle it at once")
            await asyncio.sleep(1.0)


def _climate(chance: random.Random) -> Climate:
    weather = Weather(
        lost_request=chance.choice((0.0, 0.02, 0.05)),
        lost_reply=chance.choice((0.0, 0.02, 0.05)),
        slow=chance.choice((0.1, 0.3, 0.6)),
        way_s=chance.choice((0.01, 0.05, 0.2)),
    )
    return Climate(
        lanes=chance.random() < 0.5,
        room=chance.choice((None, None, 3)),
        jobs=chance.randrange(3, 7),
        span_s=chance.uniform(2.5, 5.0),
        pace_s=chance.choice((0.02, 0.1, 0.3)),
        weather=weather,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the warnings of workers whose world is torn apart on purpose out of everybody's sight."""
    logger = logging.getLogger("vagus")
    before, logger.disabled = logger.disabled, True
    worker = logging.getLogger("vagus.worker")
    level = worker.level
    worker.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.disabled = before
        worker.setLevel(level)


def simulate(seed: int, bug: Bug | None = None) -> Report:
    """Let the world of that seed live, with `bug` planted in it, and return what it showed.

    The same seed gives the same history, to the last act. It takes no real time but that of its callbacks.
    """
    worlds: list[World] = []

    async def live() -> None:
        worlds.append(World(seed, bug or Bug()))
        await worlds[0].live()

    with _quiet():
        try:
            run(live(), seed)
        except LoopError as error:
            worlds[0].history.broken("liveness", type(error).__name__, str(error))
    return _report(seed, worlds[0])


def _report(seed: int, world: World) -> Report:
    history = world.history
    return Report(
        seed=seed,
        steps=world.witness.steps + sum(map(len, history.begun.values())),
        callbacks=world.loop.callbacks,
        virtual_s=world.loop.time(),
        faults=dict(history.faults),
        violations=tuple(history.violations),
        trace=tuple(history.trace(history.violations[0])) if history.violations else (),
        digest=history.digest(),
    )
