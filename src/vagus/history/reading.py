"""Going through what is kept: page by page, topics merged in the order in which their events were stored."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple, TypeAlias

import msgspec

from vagus.backend import After, Ago, Backend, First, Position, Record, Start
from vagus.clock import Clock
from vagus.errors import EventError, InvalidArgument
from vagus.history.filter import EVERYTHING, Filter
from vagus.message import DEFAULT_WIRE, CloudEvent, Wire, compile_pattern, decode, is_pattern, is_reserved

PAGE = 200
"""How many events of one topic are in memory at once at most."""

WireOf: TypeAlias = Callable[[str], Wire]
"""How the events of a topic travel, by the name by which the backend knows it."""


class Found(NamedTuple):
    """One event as it lies in its topic, and when it was stored, in seconds since the epoch."""

    topic: str
    record: Record
    at: float


class At(msgspec.Struct, frozen=True):
    """An instant, in seconds since the epoch."""

    instant: float


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of the log is meant.

    `topics`: names or patterns as the backend knows them; default all but those of our own. `start`: from where on.
    `until`: nothing that was stored after that; default now. `only`: of those, the events that fit.
    """

    topics: tuple[str, ...] = ()
    start: Start | At = First()
    until: Ago | At | None = None
    only: Filter = EVERYTHING

    def start_at(self, now: float) -> Start:
        """Return where to start, as a backend is told."""
        return Ago(max(0.0, now - self.start.instant)) if isinstance(self.start, At) else self.start

    def until_at(self, now: float) -> float:
        """Return the instant after which nothing is meant, in seconds since the epoch."""
        if isinstance(self.until, At):
            return min(now, self.until.instant)
        return now if self.until is None else now - self.until.seconds


class Stretch(msgspec.Struct, frozen=True):
    """The part of one topic that is meant: from `first` to `last`, both included, and how many events of it fit.

    `first_at` and `last_at`: when these were stored. `unreadable`: how many could not be decoded to see whether they
    fit, and count as not fitting.
    """

    topic: str
    first: Position
    last: Position
    count: int
    first_at: float
    last_at: float
    unreadable: int = 0


class Reader:
    """Reads what a backend keeps; `wire_of` says how the events of a topic travel."""

    def __init__(self, backend: Backend, clock: Clock, wire_of: WireOf = lambda topic: DEFAULT_WIRE) -> None:
        self._backend = backend
        self._clock = clock
        self.wire_of = wire_of

    def event_of(self, found: Found) -> CloudEvent | None:
        """Return the event in a record, its data as plain values; None where it cannot be decoded."""
        try:
            wire = self.wire_of(found.topic)
            return decode(None, found.record.envelope, wire, found.topic, found.record.position)
        except EventError:
            return None

    def fits(self, only: Filter, found: Found) -> bool:
        """Return whether a record is meant; decodes it only where that must be known."""
        return only.all or only.fits(self.event_of(found), found.record.key)

    async def topics(self, patterns: Sequence[str]) -> list[str]:
        """Return the topics that are there and meant, sorted; without patterns all but those of our own.

        Raises InvalidArgument for the name of a topic that is not there.
        """
        there = [info.spec.name for info in (await self._backend.describe()).topics]
        for name in patterns:
            if not is_pattern(name) and not is_reserved(name) and name not in there:
                near = get_close_matches(name, there, 1)
                expected = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(there) or 'none'}"
                raise InvalidArgument(f"there is no topic {name!r}: {expected}", hint="vagus topics")
        plain = {name for name in patterns if not is_pattern(name)}
        tests = [compile_pattern(pattern) for pattern in patterns or ("#",)]
        return sorted(plain | {name for name in there if any(test(name) for test in tests)})

    async def survey(
        self, selection: Selection, progress: Callable[[int], object] = lambda looked_at: None
    ) -> list[Stretch]:
        """Look through the log and return what is meant of each topic; topics without any are left out.

        Costs one read of the part that is meant. `progress` is told how many events were looked at since the last call.
        """
        now = self._clock.now()
        stretches = [
            await self._survey_one(topic, selection, now, progress) for topic in await self.topics(selection.topics)
        ]
        return [stretch for stretch in stretches if stretch is not None]

    async def _survey_one(
        self, topic: str, selection: Selection, now: float, progress: Callable[[int], object]
    ) -> Stretch | None:
        until_at = selection.until_at(now)
        first = last = None
        count = unreadable = 0
        async for page in self._pages(topic, selection.start_at(now), None):
            meant = [found for found in page if found.at <= until_at]
            if meant:
                first, last = first or meant[0], meant[-1]
            if selection.only.all:
                count += len(meant)
            else:
                events = [(self.event_of(found), found) for found in meant]
                count += sum(selection.only.fits(event, found.record.key) for event, found in events)
                unreadable += sum(event is None for event, _ in events)
            progress(len(meant))
            if len(meant) < len(page):
                break
        if first is None or last is None:
            return None
        ends = first.record.position, last.record.position
        return Stretch(topic, *ends, count, first.at, last.at, unreadable)

    async def found(
        self, stretches: Sequence[Stretch], after: Mapping[str, Position] | None = None
    ) -> AsyncIterator[Found]:
        """Yield all that the stretches mean, fitting or not, in the order of storing; within a topic that of positions.

        `after`: positions that were reached before, by topic. Holds at most `PAGE` events of each topic.
        """
        done = after or {}
        sources = [self._stretch(stretch, done.get(stretch.topic)) for stretch in stretches]
        heads: list[tuple[float, int, Found]] = []
        for number, source in enumerate(sources):
            head = await anext(source, None)
            if head is not None:
                heads.append((head.at, number, head))
        heapq.heapify(heads)
        while heads:
            at, number, found = heads[0]
            yield found
            head = await anext(sources[number], None)
            if head is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (max(head.at, at), number, head))

    async def _stretch(self, stretch: Stretch, after: Position | None) -> AsyncIterator[Found]:
        start = _from(stretch.first) if after is None else After(after)
        async for page in self._pages(stretch.topic, start, stretch.last):
            for found in page:
                if _at_or_after(found.record.position, stretch.first):
                    yield found

    async def _pages(self, topic: str, start: Start, last: Position | None) -> AsyncIterator[Sequence[Found]]:
        while True:
            now = self._clock.now()
            records = await self._backend.read(topic, start, PAGE)
            page = [Found(topic, record, now - record.age_s) for record in records]
            if last is not None:
                page = [found for found in page if _at_or_after(last, found.record.position)]
            if page:
                yield page
            if len(page) < PAGE:
                return
            start = After(records[-1].position)


def _from(position: Position) -> Start:
    """Return the start that has `position` itself at its front, or somewhere behind it."""
    return After(position - 1) if isinstance(position, int) else First()


def _at_or_after(position: Position, other: Position) -> bool:
    return bool(position >= other)  # type: ignore[operator]  # of one topic, hence of one type
