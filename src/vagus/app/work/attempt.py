"""One attempt at one delivery: from its bytes to the unit that settles it. What fails anywhere in it is caught here."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Literal, TypeAlias

from vagus.app.facts import ErrorEvent
from vagus.app.handler import Handler
from vagus.app.identity import Identities
from vagus.app.publisher import DEFAULTS, Cause, HopsExceeded, Publisher, PublishOptions
from vagus.app.run import RunEnd, done_with, end_changes, ends_run
from vagus.app.stream import PartWriter
from vagus.app.topics import Topics
from vagus.app.work.committer import Committer
from vagus.app.work.context import Context
from vagus.backend import Delivery, Done, Put, Release, Settle, Unit
from vagus.clock import Clock
from vagus.errors import InvalidArgument, SchemaMismatch, UnsupportedCapability
from vagus.message import CloudEvent, EventType, decode, event_type, instant_of
from vagus.reliability.dead import bury, letter_put
from vagus.reliability.decide import admit, decide
from vagus.reliability.note import decode_note, encode_note
from vagus.reliability.verdict import (
    GiveUp,
    Handle,
    Hopeless,
    LetGo,
    Mishap,
    Raised,
    RetryAt,
    Revoked,
    Stopped,
    TimedOut,
)
from vagus.store import Append, Change, Store

Result: TypeAlias = Literal["handled", "failed", "handed_back"]
"""What to count an attempt as, once its unit is committed."""

Cancelled: TypeAlias = Literal["timeout", "lost", "stopped"]
"""Why an attempt was stopped from outside."""

ACKED = Done("acked")
_STACK_CHARS = 8_000


class Tools:
    """What the attempts of all handlers of one app share."""

    def __init__(
        self,
        topics: Topics,
        identities: Identities,
        publisher: Publisher,
        committer: Committer,
        clock: Clock,
        store: Store | None,
    ) -> None:
        self.topics = topics
        self.identities = identities
        self.publisher = publisher
        self.committer = committer
        self.clock = clock
        self.store = store


class Attempt:
    """One delivery in this process's hands, and what its handler asked for so far."""

    __slots__ = (
        "cancelled",
        "delivery",
        "event",
        "group",
        "member",
        "outputs",
        "parts",
        "result",
        "started_at",
        "task",
        "tools",
    )

    def __init__(self, delivery: Delivery, tools: Tools, group: str, member: str | None) -> None:
        self.delivery = delivery
        self.tools = tools
        self.group = group
        self.member = member
        self.event: CloudEvent | None = None
        self.outputs: list[tuple[Any, PublishOptions]] = []
        self.parts: PartWriter | None = None
        self.task: asyncio.Task[Any] | None = None
        self.started_at = 0.0
        self.cancelled: Cancelled | None = None
        self.result: Result = "handled"

    def cancel(self, why: Cancelled) -> None:
        """Stop the attempt if its handler is running; `why` decides what becomes of the event."""
        if self.cancelled is None:
            self.cancelled = why
            if self.task is not None:
                self.task.cancel()

    def emit(self, part: Any) -> Awaitable[None]:
        """Add a part to the run's stream."""
        if self.parts is None:
            self.parts = self._writer()
        return self.parts.emit(part)

    def _writer(self) -> PartWriter:
        if self.tools.store is None:
            raise UnsupportedCapability("streams need a store, which this backend has none of", hint="App(state=URL)")
        assert self.event is not None, "a handler runs only after its event was decoded"
        producer = self.group if self.member is None else f"{self.group}@{self.member}"
        return PartWriter(self.event, self.delivery, producer, self.tools.committer, self.tools.clock)

    def publish(self, event: Any, options: Mapping[str, Any]) -> None:
        """Keep an output until the delivery is settled."""
        fixed = {"id", "source"} & options.keys()
        if fixed:
            raise InvalidArgument(f"an output's {fixed.pop()} is derived from its cause; it cannot be given")
        self.outputs.append((event, publish_options(options)))

    def reset(self) -> None:
        """Forget what the handler asked for, before it is called again for the same delivery."""
        self.outputs = []
        self.cancelled = None
        self.result = "handled"


def publish_options(options: Mapping[str, Any]) -> PublishOptions:
    """Return the options of a publish. Raises `InvalidArgument` naming the known ones for another."""
    if not options:
        return DEFAULTS
    known = PublishOptions.__struct_fields__
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InvalidArgument(f"unknown option {unknown[0]!r} of publish: expected one of {', '.join(known)}")
    return PublishOptions(**options)


class Runner:
    """Runs the attempts of one handler and says, as a unit, what is to become of each delivery."""

    def __init__(
        self,
        handler: Handler,
        group: str,
        member: str,
        tools: Tools,
        provided: Mapping[Any, Any],
        executor: Callable[[], Executor],
    ) -> None:
        self.handler = handler
        self.group = group
        self.member = member
        self._letter_member = member if handler.mode == "all" else None
        self.tools = tools
        self._fixed = {name: provided[hint] for name, hint in handler.signature.needs.items()}
        self._executor = executor
        self._data = next(iter(handler.signature.data), None)
        self._bare = not self._fixed and not handler.signature.context and handler.signature.kind == "async"
        self._types: dict[str, EventType | None] = {}

    def attempt(self, delivery: Delivery) -> Attempt:
        """Return a new attempt at `delivery`."""
        return Attempt(delivery, self.tools, self.group, self._letter_member)

    async def run(self, attempt: Attempt) -> Unit:
        """Handle one delivery; return the unit that settles it. Raises only what stops the whole worker."""
        try:
            refused = self._open(attempt)
            return refused or await self._handle(attempt)
        except Exception as error:
            return self.failed(attempt, Raised(error, _stack(error)))
        except asyncio.CancelledError:
            return self.failed(attempt, self._stopped(attempt))
        except SystemExit as error:
            return self.failed(attempt, Raised(error, _stack(error)))

    async def run_batch(self, attempts: Sequence[Attempt]) -> list[Unit]:
        """Handle several deliveries in one call; return the unit of each."""
        units = [self._opened(attempt) for attempt in attempts]
        open_ = [attempt for attempt, unit in zip(attempts, units, strict=True) if unit is None]
        settled = iter(await self._handle_batch(open_)) if open_ else iter(())
        return [unit if unit is not None else next(settled) for unit in units]

    # --- before ------------------------------------------------------------------------------------------------------

    def _opened(self, attempt: Attempt) -> Unit | None:
        try:
            return self._open(attempt)
        except Exception as error:
            return self.failed(attempt, Raised(error, _stack(error)))

    def _open(self, attempt: Attempt) -> Unit | None:
        """Decode the event; return the unit that settles it when the handler is not to see it."""
        delivery = attempt.delivery
        etype = self._types[delivery.topic] if delivery.topic in self._types else self._learn(delivery.topic)
        wire = self.tools.topics.settings(self.tools.topics.bare(delivery.topic)).wire
        try:
            attempt.event = event = decode(etype, delivery.envelope, wire, delivery.topic, delivery.position)
        except SchemaMismatch:
            # Sound bytes of another shape: the dead letter still tells the event's id, run and trace.
            attempt.event = decode(None, delivery.envelope, wire, delivery.topic, delivery.position)
            raise
        if not delivery.losses and event.expirytime is None:
            return None
        expires_at = None if event.expirytime is None else instant_of(event.expirytime)
        admission = admit(delivery.losses, delivery.note, expires_at=expires_at, now=self.tools.clock.now())
        return None if isinstance(admission, Handle) else self._settle(attempt, admission)

    def _learn(self, topic: str) -> EventType | None:
        """Return the class to read a topic's events as: the handler's own for it, or the one that it always takes."""
        bare = self.tools.topics.bare(topic)
        data = self.handler.signature.data.values()
        named = [event_type(cls) for classes in data for cls in classes if cls is not dict]
        found = next((etype for etype in named if etype.topic == bare), None)
        if found is None and len(named) == 1 and not topic.startswith("$inbox."):
            found = named[0]
        self._types[topic] = found
        return found

    # --- during ------------------------------------------------------------------------------------------------------

    async def _handle(self, attempt: Attempt) -> Unit:
        if self._bare and self._data is not None:
            found = await self.handler.function(**{self._data: self._typed(attempt)})
            if found is not None:
                self._keep(attempt, found)
        else:
            await self._collect(attempt, self._arguments(attempt))
        return self._done(attempt)

    def _arguments(self, attempt: Attempt) -> dict[str, Any]:
        assert attempt.event is not None, "arguments are asked for after decoding"
        arguments = dict(self._fixed)
        if self._data is not None:
            arguments[self._data] = self._typed(attempt)
        for name in self.handler.signature.context:
            arguments[name] = self._context(attempt)
        return arguments

    def _typed(self, attempt: Attempt) -> Any:
        """Return the data of the event; one that came through an inbox is read as the class of its own type."""
        event = attempt.event
        assert event is not None, "arguments are asked for after decoding"
        if attempt.delivery.topic.startswith("$inbox."):
            etype = self._types.get(event.type) or self._learn(self.tools.topics.qualified(event.type))
            if etype is not None:
                wire = self.tools.topics.settings(event.type).wire
                attempt.event = event = decode(etype, attempt.delivery.envelope, wire, event.type)
        return event.data

    def _context(self, attempt: Attempt) -> Context:
        assert attempt.event is not None, "arguments are asked for after decoding"
        delivery = attempt.delivery
        return Context(
            attempt.event,
            delivery,
            attempt,
            topic=self.tools.topics.bare(delivery.topic),
            group=self.group,
            member=self.member,
            attempt=decode_note(delivery.note).failures + 1,
        )

    async def _collect(self, attempt: Attempt, arguments: dict[str, Any]) -> None:
        """Call the handler and keep what it returns or yields."""
        function, kind = self.handler.function, self.handler.signature.kind
        if kind == "async":
            found = await function(**arguments)
        elif kind == "async stream":
            found = [item async for item in function(**arguments)]
        elif kind == "sync":
            found = await self._in_thread(functools.partial(function, **arguments))
        else:
            found = await self._in_thread(lambda: list(function(**arguments)))
        if found is not None:
            self._keep(attempt, found)

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._executor(), context.run, call)

    def _keep(self, attempt: Attempt, found: Any) -> None:
        for item in found if isinstance(found, list | tuple) else (found,):
            if item is not None:
                attempt.outputs.append((item, DEFAULTS))

    async def _handle_batch(self, attempts: list[Attempt]) -> list[Unit]:
        first = attempts[0]
        arguments = self._arguments(first) | {str(self._data): [self._typed(attempt) for attempt in attempts]}
        call = functools.partial(self.handler.function, **arguments)
        try:
            found = await (call() if self.handler.signature.kind == "async" else self._in_thread(call))
            outcomes = _per_item(found, len(attempts))
        except Exception as error:
            outcomes = [error] * len(attempts)
        except SystemExit as error:
            outcomes = [RuntimeError(f"the handler called sys.exit({error.code!r})")] * len(attempts)
        except asyncio.CancelledError:
            return [self.failed(attempt, self._stopped(first)) for attempt in attempts]
        return [self._batch_outcome(attempt, found) for attempt, found in zip(attempts, outcomes, strict=True)]

    def _batch_outcome(self, attempt: Attempt, outcome: Any) -> Unit:
        if isinstance(outcome, Exception):
            return self.failed(attempt, Raised(outcome, _stack(outcome)))
        try:
            if outcome is not None:
                self._keep(attempt, outcome)
            return self._done(attempt)
        except Exception as error:
            return self.failed(attempt, Raised(error, _stack(error)))

    def _stopped(self, attempt: Attempt) -> Mishap:
        """Return what befell an attempt that ended in a cancellation, and take the cancellation back if it was ours."""
        task = asyncio.current_task()
        if attempt.cancelled is None:
            if task is not None and task.cancelling():
                raise asyncio.CancelledError  # not ours: the whole worker is being ended
            return Raised(RuntimeError("the handler was cancelled from inside"), "")
        if task is not None:
            task.uncancel()
        if attempt.cancelled == "timeout":
            return TimedOut(self.handler.timeout_s or 0.0)
        return Stopped()

    # --- after -------------------------------------------------------------------------------------------------------

    def _done(self, attempt: Attempt, changes: Sequence[Change | Append] = ()) -> Unit:
        settle = Settle(attempt.delivery.token, ACKED)
        if not attempt.outputs and attempt.parts is None and not changes:
            return Unit((), (settle,))
        puts: list[Put] = []
        more: list[Change | Append] = [*changes]
        if attempt.parts is not None:
            more += attempt.parts.rest()
        assert attempt.event is not None, "outputs come after decoding"
        cause = Cause(attempt.event, attempt.delivery, self.group, self._letter_member)
        for index, (obj, options) in enumerate(attempt.outputs):
            put, event = self.tools.publisher.output(obj, options, cause, index)
            puts.append(put)
            if ends_run(event, self.tools.topics):
                more += end_changes(event.correlationid or event.id, done_with(event, put.envelope))
        return Unit(puts, (settle,), more)

    def failed(self, attempt: Attempt, mishap: Mishap) -> Unit:
        """Return the unit that carries out the decision on a failed attempt."""
        if isinstance(mishap, Raised) and isinstance(mishap.error, HopsExceeded):
            mishap = Hopeless("hop limit", str(mishap.error))
        attempt.result = "handed_back" if isinstance(mishap, Stopped | Revoked) else "failed"
        identities = self.tools.identities
        verdict = decide(mishap, attempt.delivery.note, self.handler.policies, identities.now(), identities.chance())
        if isinstance(verdict, GiveUp):
            return self._settle(attempt, verdict)
        if isinstance(verdict, RetryAt):
            told = self._error_event(attempt, mishap, verdict) if verdict.counted else ()
            release = Release(verdict.after_s, encode_note(verdict.note))
            return Unit(told, (Settle(attempt.delivery.token, release),))
        if isinstance(verdict, LetGo):
            return self._settle(attempt, verdict)
        return Unit((), (Settle(attempt.delivery.token, self._hand_back(attempt)),))

    def _hand_back(self, attempt: Attempt) -> Release:
        """Return the release of an attempt that was stopped; the next one needs a higher epoch if this one emitted."""
        if attempt.parts is None or not attempt.parts.used:
            return Release()
        return Release(0.0, encode_note(decode_note(attempt.delivery.note).refused()))

    def _settle(self, attempt: Attempt, verdict: GiveUp | LetGo) -> Unit:
        token = attempt.delivery.token
        if isinstance(verdict, LetGo):
            return Unit((), (Settle(token, Done(verdict.ending)),))
        member, now = self._letter_member, self.tools.identities.now()
        letter = bury(verdict, attempt.delivery, self.group, member, attempt.event, now)
        puts = [letter_put(letter), *self._error_event(attempt, verdict, verdict)]
        changes: Sequence[Append] = ()
        event = attempt.event
        if event is not None and event.vagusrun is not None and self.tools.store is not None:
            reason = f"{self.group} gave up on {event.type} {event.id} ({verdict.reason}): {verdict.message}"
            changes = end_changes(event.correlationid or event.id, RunEnd("failed", reason=reason))
        return Unit(puts, (Settle(token, Done("dead")),), changes)

    def _error_event(self, attempt: Attempt, what: Mishap | GiveUp, verdict: RetryAt | GiveUp) -> Sequence[Put]:
        """Return the put that tells of a failure; a failure to handle one of those is not told, or it would not end."""
        if self.tools.topics.bare(attempt.delivery.topic) == event_type(ErrorEvent).topic:
            return ()
        event, delivery, note = attempt.event, attempt.delivery, verdict.note
        last = note.errors[-1] if note.errors else None
        fact = ErrorEvent(
            stage=self.group,
            member=self.member,
            error_kind=verdict.kind if isinstance(verdict, GiveUp) else last.kind if last else "",
            error_message=verdict.message if isinstance(verdict, GiveUp) else last.message if last else "",
            stack=getattr(what, "stack", "")[-_STACK_CHARS:],
            attempt=max(1, note.failures),
            outcome="dead" if isinstance(verdict, GiveUp) else "retry",
            retry_after_s=None if isinstance(verdict, GiveUp) else verdict.after_s,
            reason=verdict.reason if isinstance(verdict, GiveUp) else None,
            topic=self.tools.topics.bare(delivery.topic),
            event_id=event.id if event else "",
            event_type=event.type if event else "",
            run_id=(event.correlationid or event.id) if event else "",
            trace_id=event.traceparent.split("-")[1] if event and event.traceparent else None,
        )
        return (self.tools.publisher.tell(fact, event),)


def _stack(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-_STACK_CHARS:]


def _per_item(found: Any, count: int) -> list[Any]:
    """Return a batch handler's outcome for each item: None means that all of them are done."""
    if found is None:
        return [None] * count
    if not isinstance(found, list | tuple) or len(found) != count:
        raise InvalidArgument(
            f"a batch handler returns None or a list of {count} outcomes, one for each event "
            f"(None, events, or an exception), not {type(found).__name__}"
        )
    return list(found)
