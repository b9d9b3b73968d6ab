"""A replay into side groups: the app's handlers run on what lies in the log, beside the live groups.

A side group hears no topic. What is meant of the log is put into its inbox, a thousand events ahead of its handler at
most, each raised to a generation of its own; what the handler publishes is withheld, or goes to topics of its own.
Live groups, their books and their topics see nothing of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import msgspec

from vagus.app.app import App
from vagus.app.handler import Handler
from vagus.backend import Backend, Figures, Inbox
from vagus.errors import InvalidArgument, VagusError
from vagus.history.again import needed_store, under_way
from vagus.history.course import Course, Log
from vagus.history.feed import Feeder
from vagus.history.reading import Reader, Selection, Stretch
from vagus.history.withheld import Withheld
from vagus.message import check_group, check_topic, compile_pattern
from vagus.store import Change, Store

AHEAD = 1_000
"""How many events lie in the inboxes of side groups at most, besides one step."""

LOOK_AGAIN_S = 2.0
"""How often the books are looked into although nothing was heard, in seconds: a safety check."""

_PAGE = 500
Told = Callable[[str, int], object]


class SideReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a replay into one side group.

    `count`: events that were meant; `resumed`: how many of them an earlier call had put. `books`: those of the side
    group at the end. `kept`: whether it is still there.
    """

    group: str
    side: str
    generation: int
    count: int
    resumed: int
    books: Figures
    kept: bool


class SidePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay into one side group means: of `group`, into `side`, what is left to put of each topic."""

    group: str
    side: str
    stretches: tuple[Stretch, ...]
    resumed: int = 0

    @property
    def count(self) -> int:
        """How many events are meant."""
        return sum(stretch.count for stretch in self.stretches)


def side_group(group: str, name: str) -> str:
    """Return the name of a side group. Raises InvalidTopic where it is not a legal name."""
    return check_group(f"{group}.side.{check_group(name, what='side group')}")


class Side:
    """A replay of what an app's groups had, into side groups called `name`, on an open backend.

    `only`: the groups, or names of handlers, that take part; default all that hear something of what is meant.
    `outputs`: a prefix under which outputs are published; default none, and outputs are withheld. `keep`: the side
    groups stay afterwards; else they stay only where they have dead letters.

    Raises InvalidArgument for a handler that is not there.
    """

    def __init__(
        self,
        app: App,
        backend: Backend,
        name: str,
        *,
        only: Sequence[str] = (),
        outputs: str | None = None,
        keep: bool = False,
    ) -> None:
        self._app = app
        self._backend = backend
        self._name = name
        self._outputs = None if outputs is None else check_topic(outputs)
        self._keep = keep
        self._handlers = _chosen(app, only)
        self._named = bool(only)
        self._surveyed: tuple[tuple[Selection, bool] | None, list[_Planned]] = (None, [])
        self._store: Store = needed_store(backend)
        self.reader = Reader(backend, app.clock, lambda topic: app.topics.settings(app.topics.bare(topic)).wire)

    async def survey(self, selection: Selection, *, restart: bool = False) -> list[SidePlan]:
        """Return what would be handed to which side group; nothing moves. Costs one read of what is meant.

        The next `run` of the same carries out just this. Raises ReplayConflict where another replay into one of them
        is half done.
        """
        planned = await self._planned(selection, restart)
        self._surveyed = (selection, restart), planned
        return [one.plan for one in planned]

    async def _planned(self, selection: Selection, restart: bool) -> list[_Planned]:
        there = {info.spec.name for info in (await self._backend.describe()).groups}
        meant = await self.reader.topics(selection.topics)
        planned = []
        for group, handler in self._handlers.items():
            side = self._app.topics.qualified(side_group(group, self._name))
            log = await Log.look_up(self._store, side)
            course = log.course if side in there and not restart else None
            if course is not None:
                if course.request != self._request(selection):
                    raise under_way(side, course)
                plan = SidePlan(group=group, side=side, stretches=course.stretches, resumed=course.put)
            else:
                plan = SidePlan(group=group, side=side, stretches=await self._stretches(handler, meant, selection))
            if plan.stretches or self._named:
                planned.append(_Planned(plan, log, course))
        return planned

    async def _stretches(self, handler: Handler, meant: Sequence[str], selection: Selection) -> tuple[Stretch, ...]:
        hears = [compile_pattern(self._app.topics.qualified(pattern)) for pattern in handler.patterns]
        topics = tuple(topic for topic in meant if any(hear(topic) for hear in hears))
        if not topics:
            return ()
        return tuple(await self.reader.survey(msgspec.structs.replace(selection, topics=topics)))

    def _request(self, selection: Selection) -> str:
        return repr((selection, self._outputs))

    async def run(
        self,
        selection: Selection,
        *,
        rate: float | None = None,
        restart: bool = False,
        told: Told = lambda side, count: None,
    ) -> list[SideReport]:
        """Replay; return when the side groups have settled all that was meant, whatever became of it.

        The same asked again after a crash goes on where it stopped. `rate`: events a second at most, for each side
        group. `told` is told of each step: the side group, and how many events were put. Raises what `survey` does,
        ReplayConflict where another process carries it out too, and BackendError where a step was refused.
        """
        (surveyed, planned), self._surveyed = self._surveyed, (None, [])
        if surveyed != (selection, restart):
            planned = await self._planned(selection, restart)
        courses = [await self._begun(one, selection, restart) for one in planned]
        handlers = {side_group(one.plan.group, self._name): self._app.handlers[one.plan.group] for one in planned}
        withheld = Withheld(self._backend, None if self._outputs is None else self._renamed)
        async with self._app.beside(withheld, {side: _beside(handler) for side, handler in handlers.items()}):
            tide = _Tide(withheld, [one.plan.side for one in planned])
            feeders = [
                Feeder(
                    self._backend,
                    self.reader,
                    self._app.clock,
                    one.log,
                    [Inbox(one.plan.side)],
                    only=selection.only,
                    rate=rate,
                    room=tide.room,
                    told=tide.counted(partial(told, one.plan.side)),
                ).run(course)
                for one, course in zip(planned, courses, strict=True)
            ]
            await _all(feeders)
            await tide.ebbed()
        return [await self._ended(one, course) for one, course in zip(planned, courses, strict=True)]

    def _renamed(self, topic: str) -> str:
        return self._app.topics.qualified(f"{self._outputs}.{self._app.topics.bare(topic)}")

    async def _begun(self, planned: _Planned, selection: Selection, restart: bool) -> Course:
        if planned.course is not None:
            return planned.course
        if restart:
            await self._drop(planned.plan.side)
        log = planned.log
        return await log.begin(self._request(selection), await log.next_generation(), planned.plan.stretches)

    async def _ended(self, planned: _Planned, course: Course) -> SideReport:
        plan = planned.plan
        (books,) = await self._backend.stats(plan.side)
        kept = self._keep or books.dead > 0
        if not kept:
            await self._drop(plan.side)
        await planned.log.end()
        return SideReport(
            group=self._app.topics.qualified(plan.group),
            side=plan.side,
            generation=course.generation,
            count=plan.count,
            resumed=plan.resumed,
            books=books,
            kept=kept,
        )

    async def _drop(self, side: str) -> None:
        await self._backend.drop(Inbox(side))
        prefix = f"join/{side}/"
        while joins := await self._store.scan(prefix, "", _PAGE):
            await self._store.swap([Change(key, None, required=False) for key, _ in joins])


class _Planned(NamedTuple):
    """A plan, where its course is kept, and the course if it is under way already."""

    plan: SidePlan
    log: Log
    course: Course | None


class _Tide:
    """How many events lie in the side groups, so that no more are put than they can take, and to know when none is."""

    def __init__(self, withheld: Withheld, sides: Sequence[str]) -> None:
        self._withheld = withheld
        self._sides = sides
        self._high: int | None = None  # what was open when the books were looked into, and what was put since
        self._settled = 0

    def counted(self, told: Callable[[int], object]) -> Callable[[int], object]:
        """Return what is to be told of each step."""

        def count(number: int) -> None:
            self._high = (self._high or 0) + number
            told(number)

        return count

    async def room(self) -> None:
        """Wait until there is room for another step."""
        if self._high is None:
            await self._look()
        while self._open >= AHEAD:
            await self._stirred()

    async def ebbed(self) -> None:
        """Wait until nothing is open any more."""
        await self._look()
        while self._open > 0:
            await self._stirred()
            if self._open <= 0:
                await self._look()

    @property
    def _open(self) -> int:
        return (self._high or 0) - (self._withheld.settled - self._settled)

    async def _stirred(self) -> None:
        self._withheld.stirred.clear()
        heard = False
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                heard = await self._withheld.stirred.wait()
        if not heard:
            await self._look()

    async def _look(self) -> None:
        books = [one for side in self._sides for one in await self._withheld.stats(side)]
        self._settled = self._withheld.settled
        self._high = sum(one.held + one.waiting + one.parked + one.ready for one in books)


async def _all(works: Sequence[Coroutine[Any, Any, object]]) -> None:
    """Do all of it at once; the first failure ends the others, and is what is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for work in works:
                tasks.create_task(work)
    except* VagusError as failed:
        raise failed.exceptions[0] from None


def _chosen(app: App, only: Sequence[str]) -> Mapping[str, Handler]:
    chosen = {g: h for g, h in app.handlers.items() if not only or {g, h.name, app.topics.qualified(g)} & set(only)}
    known = {name for group, handler in chosen.items() for name in (group, handler.name, app.topics.qualified(group))}
    unknown = sorted(set(only) - known)
    if unknown:
        there = ", ".join(sorted(app.handlers)) or "it has none"
        raise InvalidArgument(f"app {app.name!r} has no group {unknown[0]!r}: expected one of {there}")
    return chosen


def _beside(handler: Handler) -> Handler:
    """Return the handler as its side group runs it: it hears no topic, and each event goes to one member."""
    return msgspec.structs.replace(handler, patterns=(), mode="once", member=None, start="now")
