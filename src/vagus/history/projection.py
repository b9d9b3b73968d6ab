"""State that is built from the log: folded event by event, kept with how far it came, built anew when it is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import msgspec

from vagus.app.app import App
from vagus.backend import After, Backend, First, Position, Start
from vagus.errors import EventError, HistoryGone, InvalidArgument, UnsupportedCapability
from vagus.history.reading import Found, Reader, Selection, Stretch
from vagus.message import CloudEvent, check_group, decode, event_type
from vagus.store import Change, Store

State = TypeVar("State")

_PAGE = 500
_WAIT_S = 600.0
_encode = msgspec.json.Encoder(order="deterministic").encode


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A state as it is kept: of which version of the fold, how far in each topic, and the hash to know it whole."""

    version: int
    positions: dict[str, Position]
    folded: int
    hash: str
    state: msgspec.Raw


class Projection(Generic[State]):
    """State folded from the events of topics, by a function that has no other input.

        totals = Projection("totals", [Order], dict[str, int], add)

        def add(state, event):
            state[event.data.customer] = state.get(event.data.customer, 0) + event.data.cents

    `sources`: event classes or topics. `state`: its type, anything that msgspec can write as JSON and read. `fold` is
    given the state and a CloudEvent, its data typed where the app knows the class; it changes the state or returns
    another. `start`: makes the first state; default calls the type. `version`: raise it with the code of `fold`, so
    that a snapshot of older code is not taken up.

    Events are folded in the order of each topic. Topics are merged by when their events were stored, which is not
    quite the same while following as when building anew: where the order across topics matters, fold one topic.
    Events that cannot be read are passed over and counted (`unreadable`). Not to be used by two tasks at once.
    """

    def __init__(
        self,
        name: str,
        sources: Sequence[type | str],
        state: Any,
        fold: Callable[[State, CloudEvent], State | None],
        *,
        start: Callable[[], State] | None = None,
        version: int = 1,
    ) -> None:
        self.name = check_group(name, what="projection")
        if isinstance(sources, str) or not sources:
            raise InvalidArgument(f"projection {name}: expected a list of event classes or topics, got {sources!r}")
        self._topics = tuple(event_type(one).topic if isinstance(one, type) else one for one in sources)
        self._type = state
        self._fold = fold
        self._start: Callable[[], State] = start or state
        self._version = version
        #: The state as it is now.
        self.state: State = self._start()
        #: How far it came, by the name that the app gives each topic.
        self.positions: dict[str, Position] = {}
        #: How many events went into it, and how many more could not be read.
        self.folded = 0
        self.unreadable = 0

    @property
    def hash(self) -> str:
        """Return a digest of the state: equal states have equal ones, in any process."""
        return _hash(_encode(self.state))

    # --- folding -----------------------------------------------------------------------------------------------------

    async def catch_up(self, app: App) -> int:
        """Fold what came since; return how many events.

        Raises HistoryGone where events in between are no longer kept: it would be another state than that of them all.
        """
        await self._look_for_gaps(app)
        before = self.folded
        reader = self._reader(app)
        after = {app.topics.qualified(topic): position for topic, position in self.positions.items()}
        async for found in reader.found(await self._ends(app, reader, after), after):
            self._take(app, found)
        return self.folded - before

    async def rebuild(self, app: App) -> int:
        """Build the state anew from the beginning; return how many events went into it.

        Until it is built, and where that fails, the old state stays. Raises HistoryGone where the beginning is no
        longer kept.
        """
        anew = self._anew()
        await anew.catch_up(app)
        self.state, self.positions = anew.state, anew.positions
        self.folded, self.unreadable = anew.folded, anew.unreadable
        return self.folded

    async def verify(self, app: App) -> bool:
        """Return whether the state is what the log says: folds it anew beside, as far as it came, and compares."""
        anew = self._anew()
        await anew._look_for_gaps(app)
        reader = self._reader(app)
        stretches = await reader.survey(Selection(topics=tuple(self._names(app, self.positions))))
        reached = {app.topics.qualified(topic): position for topic, position in self.positions.items()}
        meant = [msgspec.structs.replace(one, last=reached[one.topic]) for one in stretches]
        async for found in reader.found(meant):
            anew._take(app, found)
        return anew.hash == self.hash

    async def follow(self, app: App) -> AsyncIterator[CloudEvent]:
        """Catch up, then go on with every event as it comes; yield each of these after it was folded.

        Ends when the iteration is left (`aclosing`, or cancel its task). Nothing polls: it waits for the backend.
        """
        await self.catch_up(app)
        async with aclosing(self._arrivals(app)) as pages:
            async for page in pages:
                for event in self._taken(app, page):
                    yield event

    async def _arrivals(self, app: App) -> AsyncGenerator[Sequence[Found], None]:
        """Yield what comes, a page of one topic at a time; the next of that topic is asked for when it was folded."""
        waiting = {asyncio.create_task(self._next(app, topic)): topic for topic in self._topics}
        try:
            while True:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=lambda task: waiting[task]):
                    topic = waiting.pop(task)
                    yield task.result()
                    waiting[asyncio.create_task(self._next(app, topic))] = topic
        finally:
            for task in waiting:
                task.cancel()
            if waiting:
                await asyncio.wait(waiting)

    async def _next(self, app: App, topic: str) -> Sequence[Found]:
        name = app.topics.qualified(topic)
        position = self.positions.get(topic)
        start: Start = First() if position is None else After(position)
        records = await app.backend.read(name, start, _PAGE, _WAIT_S)
        now = app.clock.now()
        return [Found(name, record, now - record.age_s) for record in records]

    def _taken(self, app: App, page: Sequence[Found]) -> Iterator[CloudEvent]:
        """Fold a page, one event at a time; yield those that can be read."""
        events = (self._take(app, found) for found in page)
        return (event for event in events if event is not None)

    def _take(self, app: App, found: Found) -> CloudEvent | None:
        """Fold one event; None where it cannot be read."""
        topic = app.topics.bare(found.topic)
        event = _read(app, topic, found)
        if event is None:
            self.unreadable += 1
        else:
            changed = self._fold(self.state, event)
            self.state = self.state if changed is None else changed
            self.folded += 1
        self.positions[topic] = found.record.position
        return event

    def _anew(self) -> Projection[State]:
        return Projection(self.name, self._topics, self._type, self._fold, start=self._start, version=self._version)

    def _reader(self, app: App) -> Reader:
        return Reader(app.backend, app.clock, lambda topic: app.topics.settings(app.topics.bare(topic)).wire)

    def _names(self, app: App, topics: Sequence[str] | Mapping[str, Any]) -> list[str]:
        return [app.topics.qualified(topic) for topic in topics]

    async def _ends(self, app: App, reader: Reader, after: Mapping[str, Position]) -> list[Stretch]:
        """Return what is there of each topic and was not folded yet."""
        found: list[Stretch] = []
        for name in self._names(app, self._topics):
            start: Start = After(after[name]) if name in after else First()
            found += await reader.survey(Selection(topics=(name,), start=start))
        return found

    async def _look_for_gaps(self, app: App) -> None:
        """Raise HistoryGone where events that were not folded yet are no longer kept."""
        there = {info.spec.name: info for info in (await app.backend.describe()).topics}
        for topic in self._topics:
            info = there.get(app.topics.qualified(topic))
            if info is None:
                raise InvalidArgument(f"there is no topic {topic!r}", hint=f"app.topic({topic!r}, keep=...)")
            oldest = await app.backend.read(info.spec.name, First(), 1)
            gone = info.stored - info.kept
            reached = self.positions.get(topic)
            missed = gone and (reached is None or not oldest or not _follows(oldest[0].position, reached))
            if missed and not _is_at_end(reached, info.stored):
                text = f"projection {self.name!r} needs all events of topic {topic!r}, and {gone} are no longer kept"
                raise HistoryGone(text, hint=f'keep them for longer: app.topic("{topic}", keep="365d")', topic=topic)

    # --- keeping -----------------------------------------------------------------------------------------------------

    async def save(self, app: App) -> None:
        """Keep the state and how far it came, in the store of the app's backend, in place of what was kept before."""
        state = _encode(self.state)
        snapshot = Snapshot(
            version=self._version,
            positions=self.positions,
            folded=self.folded,
            hash=_hash(state),
            state=msgspec.Raw(state),
        )
        await _store(app.backend).swap([Change(self._key(app), msgspec.json.encode(snapshot))])

    async def load(self, app: App) -> bool:
        """Take up the state that was kept; return False where there is none that fits.

        None fits that was kept by another `version`, that is damaged, or that is not of the type of the state. The
        state here is then as it was; `rebuild` makes it anew.
        """
        (value,) = await _store(app.backend).get([self._key(app)])
        if value is None:
            return False
        try:
            kept = msgspec.json.decode(value.body, type=Snapshot)
            state = msgspec.json.decode(kept.state, type=self._type)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        if kept.version != self._version or kept.hash != _hash(bytes(kept.state)):
            return False
        self.state, self.positions, self.folded = state, dict(kept.positions), kept.folded
        return True

    async def drop(self, app: App) -> None:
        """Forget the state here and what is kept of it."""
        await _store(app.backend).swap([Change(self._key(app), None)])
        self.state, self.positions, self.folded, self.unreadable = self._start(), {}, 0, 0

    def _key(self, app: App) -> str:
        return f"projection/{app.topics.qualified(self.name)}"


def _read(app: App, topic: str, found: Found) -> CloudEvent | None:
    wire = app.topics.settings(topic).wire
    with suppress(EventError):
        event = decode(None, found.record.envelope, wire, topic, found.record.position)
        etype = app.topics.type_of(event.type)
        if etype is None:
            return event
        return decode(etype, found.record.envelope, wire, topic, found.record.position)
    return None


def _hash(state: bytes) -> str:
    return blake2b(state, digest_size=16).hexdigest()


def _follows(oldest: Position, reached: Position) -> bool:
    """Return whether nothing lies between: `oldest` is kept, and was folded already or is the next one."""
    return isinstance(oldest, int) and isinstance(reached, int) and oldest <= reached + 1


def _is_at_end(reached: Position | None, stored: int) -> bool:
    return isinstance(reached, int) and reached >= stored


def _store(backend: Backend) -> Store:
    if backend.store is None:
        raise UnsupportedCapability("to keep a projection needs a store, and this backend has none")
    return backend.store
