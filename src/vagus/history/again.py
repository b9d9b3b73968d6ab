"""A replay into the group that had the events: its cursors go back, or, where not all is meant, its inbox gets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from vagus.backend import Backend, GroupInfo, Inbox, SeekTo
from vagus.clock import Clock
from vagus.errors import InvalidArgument, ReplayConflict, UnsupportedCapability
from vagus.history.course import Course, Log
from vagus.history.feed import Feeder
from vagus.history.reading import Reader, Selection, Stretch
from vagus.message import compile_pattern, is_pattern
from vagus.store import Store

Told = Callable[[int], object]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay into a group did: how many events it hands out again, and in which generation.

    `resumed`: how many of them an earlier call had put already.
    """

    group: str
    generation: int
    count: int
    resumed: int = 0


class Again:
    """A replay into one group of a backend; `member`: into that member's subscription alone, in `all`.

    Raises InvalidArgument from its methods where the group or the member is not there.
    """

    def __init__(self, backend: Backend, reader: Reader, clock: Clock, group: str, member: str | None = None) -> None:
        self._backend = backend
        self._reader = reader
        self._clock = clock
        self._group = group
        self._member = member

    async def survey(self, selection: Selection, progress: Told = lambda count: None) -> list[Stretch]:
        """Return what the replay would hand out, by topic; nothing moves."""
        return await self._reader.survey(await self._heard(selection), progress)

    async def _heard(self, selection: Selection) -> Selection:
        """Return the selection with the topics that are both meant and heard by the group."""
        heard = await group_topics(self._backend, self._reader, self._group)
        meant = await self._reader.topics(selection.topics) if selection.topics else heard
        deaf = [topic for topic in selection.topics if not is_pattern(topic) and topic not in heard]
        if deaf:
            text = f"group {self._group!r} does not listen to {deaf[0]!r}: expected one of {', '.join(heard) or 'none'}"
            raise InvalidArgument(text, hint="vagus groups ls --json")
        topics = tuple(topic for topic in meant if topic in heard)
        if not topics:
            raise InvalidArgument(f"group {self._group!r} listens to no topic that is meant", hint="vagus topics")
        return msgspec.structs.replace(selection, topics=topics)

    async def run(
        self, selection: Selection, *, rate: float | None = None, restart: bool = False, told: Told = lambda count: None
    ) -> Replayed:
        """Carry it out; return when all is stored that will be handed out.

        Without a rate, an end or a filter the cursors move back, in a moment; events that the group has not come to
        yet stay as they are. Else the events that are meant are put into the group's inbox, in steps that go on where
        they stopped when the same is asked again; `restart` begins anew instead. Raises ReplayConflict where another
        replay is half done, UnsupportedCapability where there is no store for how far it came.
        """
        if selection.only.all and selection.until is None and rate is None:
            return await self._seek(selection)
        store = needed_store(self._backend)
        wanted = await self._heard(selection)
        log = await Log.look_up(store, self._group)
        request = repr((selection, self._member))
        course = log.course if not restart else None
        if course is None:
            stretches = await self._reader.survey(wanted)
            course = await log.begin(request, await log.next_generation(), stretches)
        elif course.request != request:
            raise under_way(self._group, course)
        feeder = Feeder(
            self._backend, self._reader, self._clock, log, await self._targets(), only=selection.only, rate=rate,
            told=told,
        )  # fmt: skip
        resumed = course.put
        course = await feeder.run(course)
        await log.end()
        return Replayed(group=self._group, generation=course.generation, count=course.put, resumed=resumed)

    async def _seek(self, selection: Selection) -> Replayed:
        topics: Sequence[str | None] = (await self._heard(selection)).topics if selection.topics else (None,)
        await self._targets()
        store = self._backend.store
        generation = 1 if store is None else await (await Log.look_up(store, self._group)).next_generation()
        before = await self._replayed()
        start = selection.start_at(self._clock.now())
        for topic in topics:
            await self._backend.steer(self._group, SeekTo(start, self._member, topic, generation, skip=False))
        return Replayed(group=self._group, generation=generation, count=await self._replayed() - before)

    async def _replayed(self) -> int:
        return sum(one.replayed for one in await self._backend.stats(self._group))

    async def _targets(self) -> list[Inbox]:
        info = await group_info(self._backend, self._group)
        if info.steering.mode == "once" and self._member is None:
            return [Inbox(self._group)]
        members = [one.member for one in await self._backend.stats(self._group) if one.member is not None]
        if self._member is not None and self._member not in members:
            expected = f"one of {', '.join(members)}" if members else "none: it has no members of its own"
            raise InvalidArgument(f"group {self._group!r} has no member {self._member!r}: expected {expected}")
        return [Inbox(self._group, member) for member in members if self._member in (None, member)]


async def group_info(backend: Backend, group: str) -> GroupInfo:
    """Return the group as it stands. Raises InvalidArgument, naming those that there are."""
    groups = (await backend.describe()).groups
    for info in groups:
        if info.spec.name == group:
            return info
    there = ", ".join(info.spec.name for info in groups) or "there is none"
    raise InvalidArgument(f"there is no group {group!r}: expected one of {there}", hint="vagus groups ls")


async def group_topics(backend: Backend, reader: Reader, group: str) -> list[str]:
    """Return the topics that are there and that the group listens to, sorted."""
    hears = [compile_pattern(pattern) for pattern in (await group_info(backend, group)).spec.patterns]
    return [topic for topic in await reader.topics(()) if any(hear(topic) for hear in hears)]


def needed_store(backend: Backend) -> Store:
    """Return the store of a backend. Raises UnsupportedCapability where it has none."""
    if backend.store is None:
        text = "a replay into an inbox keeps how far it came in a store, and this backend has none"
        raise UnsupportedCapability(text, hint="replay all from a time or a position into the group, or into a file")
    return backend.store


def under_way(group: str, course: Course) -> ReplayConflict:
    """Return the error for another replay that is half done."""
    text = f"another replay into group {group!r} is under way: {course.put} of {course.count} events were put"
    return ReplayConflict(text, hint="ask for the same again to finish it, or drop it and begin anew with --restart")
