"""The board of an app: what is wanted of groups, runs and members, kept in the store, and told to whoever is open.

What is wanted stands in the store, so it outlives everybody. That it changed is an event on the topic `vagus.control`,
stored in the same unit, and kept as the audit record. Each open app that works reads that topic with one read that
waits for a push, and tells its listeners. An event is only a reason to look: what counts is what stands in the store,
so that one which comes late, twice or not at all does no harm.
"""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast, get_args

import msgspec

from vagus.app.facts import ControlEvent
from vagus.app.identity import Identities
from vagus.app.publisher import Publisher
from vagus.app.steering.wanted import FINAL, PREFIX, Changed, Kind, Subject, Wanted
from vagus.app.topics import Topics
from vagus.app.work.committer import Committer
from vagus.backend import After, Ago, Backend, Put, Record, Start, Topic, Unit
from vagus.clock import Clock
from vagus.errors import BackendError, EventError, UnsupportedCapability
from vagus.message import DEFAULT_WIRE, decode, event_type
from vagus.store import Append, Change, Store

News: TypeAlias = ControlEvent | None
"""What a listener is told: what happened, or None where anything may have happened meanwhile."""

Listener: TypeAlias = Callable[[News], None]

CONTROL = "vagus.control"
"""The topic of control events, within the namespace of its app."""

KEEP_S = 30 * 86_400.0
"""How long control events are kept, in seconds: they are the record of who steered what."""

LOOK_AGAIN_S = 600.0
"""How long a read for news waits before everything is looked at again, in seconds: a safety check."""

_OVERLAP_S = 60.0
_PAGE = 500
_TRIES = 20
_AGAIN_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_log = logging.getLogger("vagus.app")


class Board:
    """What is wanted of groups, runs and members on one backend.

    `topics` and `publisher`: of the app that it belongs to. `tell`: the full names of the control topics that changes
    are told on and heard from; default that of the app's namespace alone. Raises `UnsupportedCapability` where the
    backend has no store.
    """

    def __init__(
        self,
        backend: Backend,
        committer: Committer,
        publisher: Publisher,
        topics: Topics,
        clock: Clock,
        tell: Sequence[str] = (),
    ) -> None:
        store = backend.store
        if store is None:
            raise UnsupportedCapability("steering needs a store, which this backend has none of")
        self._backend = backend
        self._store: Store = store
        self._committer = committer
        self._publisher = publisher
        self._topics = tuple(tell) or (topics.qualified(CONTROL),)
        self._clock = clock
        self._wanted: dict[str, Wanted] = {}
        self._listeners: dict[Listener, None] = {}
        self._reading: list[asyncio.Task[None]] = []

    # --- reading -----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Look at what is wanted, and hear of every change from now on. Idempotent.

        An app that only publishes or steers need not: `change` and `look_up` work without.
        """
        if not self._reading:
            await self._look_at_all()
            loop = asyncio.get_running_loop()
            self._reading = [loop.create_task(self._read(topic), name=f"read {topic}") for topic in self._topics]

    async def close(self) -> None:
        """Hear no more. Idempotent."""
        reading, self._reading = self._reading, []
        for task in reading:
            task.cancel()
        if reading:
            await asyncio.wait(reading)

    def wanted(self, subject: Subject) -> Wanted | None:
        """Return what is wanted of `subject` as far as it was heard here, None where it is to run; asks nobody."""
        return self._wanted.get(subject.key)

    async def look_up(self, subject: Subject) -> Wanted | None:
        """Return what is wanted of `subject` as it stands in the store, None where it is to run."""
        await self._look_at([subject.key])
        return self._wanted.get(subject.key)

    def listen(self, listener: Listener) -> Callable[[], object]:
        """Call `listener` on the loop after every change that is heard of; return what ends that.

        It may be told the same twice, and sees by `wanted` what now counts.
        """
        self._listeners[listener] = None
        return lambda: self._listeners.pop(listener, None)

    def _inform(self, news: News) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(news)
            except Exception:
                _log.exception("a listener for what is steered failed")

    async def _read(self, topic: str) -> None:
        start: Start = Ago(_OVERLAP_S)  # what came between the look before and this read is among it
        failures = 0
        while True:
            try:
                if failures:
                    await self._look_at_all()
                records = await self._backend.read(topic, start, _PAGE, LOOK_AGAIN_S)
                if records:
                    start = After(records[-1].position)
                    await self._hear(topic, records)
                else:
                    await self._look_at_all()
                failures = 0
            except Exception as error:  # nobody else would notice, and what is wanted would be heard of no more
                delay_s = _AGAIN_S[min(failures, len(_AGAIN_S) - 1)]
                failures += 1
                _log.warning("%s cannot be read, trying again in %g s: %r", topic, delay_s, error)
                await self._sleep(delay_s)

    async def _sleep(self, delay_s: float) -> None:
        over = asyncio.Event()
        timer = self._clock.call_later(delay_s, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()

    async def _hear(self, topic: str, records: Sequence[Record]) -> None:
        etype = event_type(ControlEvent)
        news: list[ControlEvent] = []
        for record in records:
            try:
                news.append(decode(etype, record.envelope, DEFAULT_WIRE, topic).data)
            except EventError as error:
                _log.warning("%s at %s is no control event: %s", topic, record.position, error)
        keys = {subject.key for event in news if (subject := _subject_of(event)) is not None}
        if keys:
            await self._look_at(sorted(keys))
        for event in news:
            self._inform(event)

    async def _look_at(self, keys: Sequence[str]) -> None:
        for key, value in zip(keys, await self._store.get(keys), strict=True):
            if value is None:
                self._wanted.pop(key, None)
            else:
                self._wanted[key] = _wanted(value.body)

    async def _look_at_all(self) -> None:
        found: dict[str, Wanted] = {}
        after = ""
        while True:
            page = await self._store.scan(PREFIX, after, _PAGE)
            found.update((key, _wanted(value.body)) for key, value in page)
            if len(page) < _PAGE:
                break
            after = page[-1][0]
        if found != self._wanted:
            self._wanted = found
            self._inform(None)

    # --- changing ----------------------------------------------------------------------------------------------------

    async def change(
        self,
        action: str,
        subject: Subject,
        state: str | None,
        *,
        why: str = "",
        facts: dict[str, Any] | None = None,
        ttl_s: float | None = None,
        more: Sequence[Change | Append] = (),
    ) -> Changed:
        """Let `state` be wanted of `subject` (None: that it runs), and tell everybody; return what was and what is.

        The state, the event that tells of it and `more` are stored together. Where that state is wanted already and
        `facts` would not change, or where what stands there is final, nothing happens. `ttl_s`: forgotten after so
        many seconds. Raises `BackendError` when it could not be stored.
        """
        for _ in range(_TRIES):
            value = (await self._store.get([subject.key]))[0]
            before = None if value is None else _wanted(value.body)
            if before is not None and (subject.kind, before.state) in FINAL:
                return Changed(before, before)
            after = None if state is None else Wanted(state, self._clock.now(), who(), why, facts or {})
            if _alike(before, after):
                return Changed(before, before)
            body = None if after is None else msgspec.json.encode(after)
            change = Change(subject.key, body, expect=value.version if value else 0, ttl_s=ttl_s)
            event = _event(action, subject, before, after, why, facts or {})
            outcome = await self._committer.commit(Unit(self._puts(event), (), (change, *more)))
            if outcome.done:
                await self._look_at([subject.key])
                self._inform(event)
                return Changed(before, after)
            refused = [put.why for put in outcome.puts if put.status in ("refused", "unknown")]
            if refused:
                raise BackendError(f"{action} of {subject} was not stored: {refused[0]}", hint="try again")
        raise BackendError(f"{action} of {subject} was not stored: others change it all the time", hint="try again")

    async def announce(self, action: str, subject: Subject, *, why: str = "", **facts: Any) -> None:
        """Tell everybody of something that is not kept here, such as a member that joined or a mode that was switched.

        `facts` must be what JSON can say. Listeners in this process are told at once.
        """
        event = _event(action, subject, None, None, why, facts)
        await self._committer.commit(Unit(self._puts(event)))
        self._inform(event)

    def announcement(self, action: str, subject: Subject, *, why: str = "", **facts: Any) -> tuple[Put, ...]:
        """Return the puts of the same, for a unit of one's own: told together with what it tells of."""
        return self._puts(_event(action, subject, None, None, why, facts))

    def _puts(self, event: ControlEvent) -> tuple[Put, ...]:
        put = self._publisher.tell(event, None)
        return tuple(msgspec.structs.replace(put, target=Topic(name)) for name in self._topics)


async def board_beside(backend: Backend, clock: Clock) -> Board:
    """Return a board for a process that has no app, only an open backend: it steers, and needs no namespace.

    Its changes are told on every control topic that there is, since any app may have members of the group or run.
    """
    topics = Topics(None)
    topics.configure(ControlEvent, keep_s=KEEP_S)
    there = [info.spec.name for info in (await backend.describe()).topics]
    tell = [name for name in there if name == CONTROL or name.endswith(f".{CONTROL}")]
    if not tell:
        await backend.declare(topics.specs(), ())
    publisher = Publisher(topics, Identities(clock), "vagus/cli")
    return Board(backend, Committer(backend), publisher, topics, clock, tell)


def who() -> str:
    """Return who steers from this process: user@host/pid."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}/{os.getpid()}"


def _wanted(body: bytes) -> Wanted:
    return msgspec.json.decode(body, type=Wanted)


def _alike(before: Wanted | None, after: Wanted | None) -> bool:
    if before is None or after is None:
        return before is after
    return before.state == after.state and before.facts == after.facts


def _event(
    action: str, subject: Subject, before: Wanted | None, after: Wanted | None, why: str, facts: dict[str, Any]
) -> ControlEvent:
    return ControlEvent(
        action=action,
        subject=subject.kind,
        name=subject.name,
        member=subject.member,
        before=before.state if before else "running",
        after=after.state if after else "running",
        who=who(),
        why=why,
        facts=facts,
    )


def _subject_of(event: ControlEvent) -> Subject | None:
    if event.subject not in get_args(Kind):
        return None
    return Subject(cast(Kind, event.subject), event.name, event.member)
