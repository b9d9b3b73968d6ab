"""A trial of an app: everything happens in memory, and time passes only when the test says so.

A trial is *at rest* when no handler holds an event and a few turns of the loop change nothing. Nobody sleeps for that:
what passes the seam wakes whoever waits (`Watch`). The clock is moved from one timer to the next, and the app comes to
rest after each, so that what was due earlier is over before what is due later begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias, TypeVar

from vagus.app.bodies.memory import MemoryBlobs
from vagus.app.dispatch.desks import Words
from vagus.app.effects.database import EffectDatabase
from vagus.app.handler import Handler
from vagus.app.middleware.layers import Layers
from vagus.app.opened import Opened
from vagus.app.publisher import Receipt
from vagus.app.run import Run
from vagus.app.stats import AppStats
from vagus.app.topics import Topics, seconds
from vagus.app.trial.watch import Watch
from vagus.backend import First
from vagus.blob import BlobStore
from vagus.clock import Clock, ManualClock
from vagus.errors import InvalidArgument, NotSettled, RunTimeout
from vagus.message import CloudEvent, Envelope, dead_topic, decode, event_type
from vagus.message.body.claim import blob_of
from vagus.message.codec import with_body
from vagus.reliability.dead import DeadLetter, LetterState, open_letters
from vagus.reliability.redrive import plan_redrive
from vagus.reliability.threshold import Threshold
from vagus.store import Append, Change, Part, Store, Value

E = TypeVar("E")
Which: TypeAlias = Callable[..., Any] | str
"""A handler: its function, the function's name, or the name of its group."""

SETTLED_S = 10.0
"""How long `settled` waits for handlers that are running, in seconds of real time, unless told otherwise."""

PATIENCE_S = 1.0
"""How long `move` waits for a handler before time passes over it, in seconds of real time."""

_TURNS = 8
"""Turns of the loop without anything passing the seam, after which nothing is on its way to or from it."""

_LETTERS = 100_000
_trials: ContextVar[Mapping[int, Opened]] = ContextVar("vagus trials", default={})  # noqa: B039  never changed in place


class Tried(Protocol):
    """What a trial asks of the app that it tries."""

    name: str
    topics: Topics
    words: Words
    member: str | None
    databases: list[EffectDatabase]
    blobs: BlobStore | None
    body_limit: int

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by the names of their groups."""

    @property
    def layers(self) -> Layers:
        """The middleware around all of them."""

    @property
    def alerts(self) -> list[Threshold]:
        """The thresholds that are watched."""

    async def publish(self, events: Any, **options: Any) -> Any:
        """Publish."""

    async def start(self, event: Any, **options: Any) -> Run:
        """Publish the first event of a run."""


class Scene:
    """Other surroundings of an app: its declarations, another clock, no time for goodbyes, perhaps other handlers."""

    def __init__(
        self, app: Tried, clock: Clock, grace_s: float = 0.0, handlers: Mapping[str, Handler] | None = None
    ) -> None:
        self._app = app
        self._handlers = handlers
        self.name = app.name
        self.topics = app.topics
        self.clock = clock
        self.grace_s = grace_s
        self.layers = app.layers
        self.alerts = app.alerts if handlers is None else []  # other handlers, other groups
        self.words = app.words
        self.member = app.member
        self.databases = app.databases
        # Under test, bodies go with the test; beside the app, with other handlers, they are the app's own.
        self.blobs = MemoryBlobs(clock) if app.blobs is not None and handlers is None else app.blobs
        self.body_limit = app.body_limit

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The app's own, unless others were given: what is added to it during a trial is there after `refresh`."""
        return self._app.handlers if self._handlers is None else self._handlers


def opened_in_trial(app: object) -> Opened | None:
    """Return what stands in for an open `app` in the code that runs here: in a test's block, in its handlers."""
    trials = _trials.get()
    return trials.get(id(app)) if trials else None


@contextmanager
def standing_in(app: object, opened: Opened) -> Iterator[None]:
    """Let `opened` stand in for `app` in the block, and in all tasks that are begun in it."""
    before = _trials.get()
    _trials.set({**before, id(app): opened})
    try:
        yield
    finally:
        _trials.set(before)  # not by its token: a fixture may be left in another context than it was entered in


class Trial:
    """An app that is being tried out; made by `App.test`.

        async with app.test() as trial:
            await trial.publish(UserQuery("s1", "where is my parcel?"))
            await trial.settled()
            assert trial.published(Answer) == [Answer("on its way")]

    Handlers run as soon as the test waits for anything. `settled` waits until they are done; `move` lets time pass.
    """

    def __init__(self, app: Tried, opened: Opened, watch: Watch, clock: ManualClock) -> None:
        self.clock = clock
        self._app = app
        self._opened = opened
        self._watch = watch
        self._passed_over: set[int] = set()

    # --- doing -------------------------------------------------------------------------------------------------------

    async def publish(self, events: Any, **options: Any) -> Any:
        """Publish an event or a list of them: `App.publish`, in the trial. Handlers see it afterwards."""
        with standing_in(self._app, self._opened):
            receipt: Receipt | list[Receipt] = await self._app.publish(events, **options)
        return receipt

    async def start(self, event: Any, **options: Any) -> Run:
        """Start a run: `App.start`, in the trial.

        Waiting for its result or its stream lets handlers work, but never moves the clock: where nothing more
        happens by itself, it raises `RunTimeout`.
        """
        with standing_in(self._app, self._opened):
            run = await self._app.start(event, **options)
        opened = self._opened
        awake = _Awake(opened.need_store("a run"), self)
        return Run(run.id, awake, self._app.topics, self.clock, opened.need_board("a run"), opened.bodies)

    def lose_next(self, handler: Which, count: int = 1) -> None:
        """Let the handler's worker die the next `count` times when it has handled an event and is about to say so.

        The handler has run, but nothing of it is kept. The event comes again when its lease has lapsed (`move`).
        """
        self._watch.to_lose[self._group(handler)] += count

    async def redrive(self, handler: Which) -> int:
        """Send the open dead letters of a handler again; return how many."""
        states = await self._letters(self._group(handler))
        plan = plan_redrive(states, self.clock.now(), force=True)
        await self._watch.commit(list(plan.units))
        return len(plan.units)

    # --- waiting -----------------------------------------------------------------------------------------------------

    async def settled(self, within_s: float = SETTLED_S) -> None:
        """Wait until no event is being handled, ready or due now. What is due later waits for `move`.

        Raises `NotSettled`, naming the handlers, when some still run after `within_s` seconds of real time.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._rest(set())
        except TimeoutError:
            raise NotSettled(
                f"after {within_s:g} s handlers still hold events: {self._holders()}",
                hint="for a handler that has a timeout= or waits on purpose, let time pass: await trial.move(seconds)",
            ) from None

    async def begun(self, handler: Which, count: int = 1) -> None:
        """Wait until `count` events are in the handler's hands; `move` will pass over them.

        Raises `NotSettled` when the app comes to rest without that, or after 10 s of real time.
        """
        group = self._group(handler)
        try:
            async with asyncio.timeout(SETTLED_S):
                await self._begun(group, count)
        except TimeoutError:
            raise NotSettled(
                f"{group} holds fewer than {count} events after {SETTLED_S:g} s: {self._holders() or 'none'}",
                hint="raise concurrency= or prefetch= of the handler, or ask for fewer",
            ) from None

    async def _begun(self, group: str, count: int) -> None:
        while len(mine := {h.number for h in self._watch.held.values() if h.group == group}) < count:
            seen = self._watch.stirs
            await self._turns()
            if self._watch.stirs == seen:
                await self._opened.outboxes.quiet()
            if self._watch.stirs == seen and not self._watch.held:
                raise NotSettled(
                    f"{group} never got {count} events at once: nothing is ready for it",
                    hint="publish first; an event that is due later needs: await trial.move(seconds)",
                )
            if self._watch.stirs == seen:
                await self._watch.stir_after(seen)
        await self._turns()
        self._passed_over |= mine

    async def move(self, by: float | str) -> None:
        """Let time pass: seconds, or text such as "30s", "5m", "2h". What comes due on the way happens in order.

        Retries and delayed events come due, leases lapse, timeouts and joins fire, deadlines pass. A handler that is
        begun meanwhile has a second of real time to finish before the clock goes on without it; for one that
        waits on purpose, `begun` saves that second.
        """
        until = self.clock.now() + seconds(by, "trial.move")
        await self._calm()
        while (due := self.clock.next_due()) is not None and due <= until:
            self.clock.move(max(0.0, due - self.clock.now()))
            await self._calm()
        self.clock.move(max(0.0, until - self.clock.now()))
        await self._calm()

    async def _calm(self) -> None:
        """Come to rest, but for handlers that have had their time."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._rest(self._passed_over)
        except TimeoutError:
            self._passed_over = {holding.number for holding in self._watch.held.values()}

    async def _rest(self, but_for: set[int]) -> None:
        while True:
            seen = self._watch.stirs
            await self._turns()
            if self._watch.stirs != seen:
                continue
            held = (h for h in self._watch.held.values() if not self._opened.keeps(h.delivery.token))
            if {holding.number for holding in held} <= but_for:
                await self._opened.outboxes.quiet()
                if self._watch.stirs == seen:
                    return
                continue
            await self._watch.stir_after(seen)

    @staticmethod
    async def _turns() -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _holders(self) -> str:
        held = [f"{h.group} ({self._read(h.delivery.topic, h.delivery.envelope).type})" for h in self._shown()]
        return ", ".join(held)

    def _shown(self) -> Sequence[Any]:
        return sorted(self._watch.held.values(), key=lambda holding: holding.number)[:5]

    # --- seeing ------------------------------------------------------------------------------------------------------

    def published(self, source: type[E] | str | None = None) -> list[Any]:
        """Return the data of all events that were published, oldest first: of a class, a topic, or all.

        Outputs of handlers are among them, also those that nobody listens to; what was a duplicate is not.
        """
        return [event.data for event in self.events(source)]

    def events(self, source: type | str | None = None) -> list[CloudEvent]:
        """Return the same events whole: with ids, causes, runs, traces."""
        if not (source is None or isinstance(source, type | str)):
            raise InvalidArgument(f"expected an event class or a topic, got {source!r}")
        topic = event_type(source).topic if isinstance(source, type) else source
        found = [(self._app.topics.bare(name), envelope) for name, envelope in self._watch.put]
        return [self._read(name, envelope) for name, envelope in found if topic is None or name == topic]

    def handled(self, handler: Which | None = None) -> list[Any]:
        """Return the data of the events that a handler, or any, has handled to the end, in that order."""
        group = None if handler is None else self._group(handler)
        done = [e.delivery for e in self._watch.ended if e.ending == "acked" and group in (None, e.group)]
        return [self._read(delivery.topic, delivery.envelope).data for delivery in done]

    async def dead(self, handler: Which | None = None) -> list[DeadLetter]:
        """Return the open dead letters of a handler, or of all, oldest first: each with reason, error, attempts."""
        names = self._app.handlers if handler is None else ()
        groups = [self._app.topics.qualified(name) for name in names] or [self._group(handler or "")]
        return [state.letter for group in groups for state in await self._letters(group)]

    async def stats(self) -> AppStats:
        """Return what `App.stats` does, of the trial."""
        return await self._opened.stats()

    async def _letters(self, group: str) -> list[LetterState]:
        return list(open_letters(await self._watch.read(dead_topic(group), First(), _LETTERS)).values())

    def _read(self, topic: str, envelope: Envelope) -> CloudEvent:
        bare = self._app.topics.bare(topic)
        wire = self._app.topics.settings(bare).wire
        event = decode(None, envelope, wire, bare)
        etype = self._app.topics.type_of(event.type)
        if etype is not None:
            event = decode(etype, envelope, wire, bare)
        name, blobs = blob_of(event.dataref), self._opened.bodies.store
        if name is None or not isinstance(blobs, MemoryBlobs):
            return event
        return with_body(etype, event, blobs.contents[name], wire, bare)

    def _group(self, which: Which) -> str:
        for name, handler in self._app.handlers.items():
            if which in (handler.function, handler.name, name):
                return self._app.topics.qualified(name)
        known = ", ".join(sorted(self._app.handlers)) or "none"
        raise InvalidArgument(
            f"the app has no handler {which!r}: expected its function or one of these groups: {known}"
        )


class _Awake:
    """The store as a trial's runs see it: whoever waits for what no handler will bring is told so at once."""

    def __init__(self, store: Store, trial: Trial) -> None:
        self._store = store
        self._trial = trial

    async def follow(self, stream: str, after: int, limit: int, wait_s: float = 0.0) -> Sequence[Part]:
        """Return parts; wait for handlers, but not for time."""
        parts = await self._store.follow(stream, after, limit)
        if parts or wait_s <= 0:
            return parts
        await self._trial.settled()
        parts = await self._store.follow(stream, after, limit)
        if not parts:
            raise RunTimeout(
                f"{stream.removesuffix('/end')} has not ended, and nothing more happens until time passes",
                hint="await trial.move(seconds), or see: await trial.dead(), trial.published()",
            )
        return parts

    async def get(self, keys: Sequence[str]) -> Sequence[Value | None]:
        """Get there."""
        return await self._store.get(keys)

    async def swap(self, changes: Sequence[Change]) -> Sequence[bool]:
        """Swap there."""
        return await self._store.swap(changes)

    async def scan(self, prefix: str, after: str, limit: int) -> Sequence[tuple[str, Value]]:
        """Scan there."""
        return await self._store.scan(prefix, after, limit)

    async def append(self, append: Append) -> bool:
        """Append there."""
        return await self._store.append(append)

    async def close(self) -> None:
        """Nothing: the store is the backend's."""
