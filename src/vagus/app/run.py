"""A run: everything that happens because of one first event; its status, its result and its stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from vagus.app.bodies.bodies import Bodies
from vagus.app.steering.wanted import Changes, Subject
from vagus.app.stream import KEEP_S, stream_name
from vagus.app.topics import Topics
from vagus.clock import Clock
from vagus.errors import InvalidArgument, RunCancelled, RunFailed, RunNotFound, RunTimeout
from vagus.message import DEFAULT_WIRE, CloudEvent, Envelope, decode
from vagus.store import Append, Change, Part, Store

Status: TypeAlias = Literal["running", "paused", "done", "failed", "cancelled"]
Ended: TypeAlias = Literal["done", "failed", "cancelled"]

CANCELLED_S = 30 * 86_400.0
"""How long it is known that a run was cancelled, in seconds: its events may wait that long for their time."""

_SYSTEM = "$run"
_PAGE = 500
_LOOK_AGAIN_S = 3_600.0


class RunRecord(msgspec.Struct, frozen=True):
    """What is kept of a run besides its stream: what ends it, and the instant after which it has failed."""

    until: str
    started_at: float
    deadline_at: float | None = None


class RunEnd(msgspec.Struct, frozen=True):
    """How a run ended: with an event, or with a reason why there is none."""

    status: Ended
    type: str = ""
    body: bytes = b""
    content_type: str = ""
    headers: dict[str, str] | None = None
    reason: str = ""


class RunPart(msgspec.Struct, frozen=True):
    """A partial result. `position` is where to re-join after it; `producer` is the group whose handler emitted it.

    `restarted`: the handler is being tried again and starts anew: drop what this `origin` had emitted before.
    """

    position: int
    producer: str
    origin: str
    data: Any
    restarted: bool = False

    @property
    def text(self) -> str:
        """The part as text."""
        return self.data if isinstance(self.data, str) else msgspec.json.encode(self.data).decode()


def record_change(run_id: str, record: RunRecord) -> Change:
    """Return the change that makes a run known; one that is known already stays as it is."""
    body = msgspec.msgpack.encode(record)
    return Change(stream_name(run_id), body, expect=0, ttl_s=KEEP_S, required=False)


def end_changes(run_id: str, end: RunEnd) -> list[Append]:
    """Return the appends that end a run; the first end stands, later ones change nothing."""
    parts = (msgspec.msgpack.encode(end),)
    name = stream_name(run_id)
    return [Append(name, _SYSTEM, 1, 1, parts, KEEP_S), Append(f"{name}/end", _SYSTEM, 1, 1, parts, KEEP_S)]


def done_with(event: CloudEvent, envelope: Envelope) -> RunEnd:
    """Return the end of a run whose result is `event`."""
    return RunEnd("done", event.type, envelope.body, envelope.content_type, envelope.headers)


class Run:
    """A started run, from any process: made by `App.start` or `App.run_of`."""

    def __init__(self, id: str, store: Store, topics: Topics, clock: Clock, board: Changes, bodies: Bodies) -> None:
        self.id = id
        self._store = store
        self._topics = topics
        self._clock = clock
        self._board = board
        self._bodies = bodies
        self._subject = Subject("run", id)

    async def status(self) -> Status:
        """Return "running", "paused", "done", "failed" or "cancelled".

        Raises `RunNotFound` for a run that was never started here.
        """
        end = await self._end(0.0)
        if end is not None:
            return end.status
        await self._record()
        wanted = (await self._store.get([self._subject.key]))[0]
        return "running" if wanted is None else "paused"

    # --- steering ----------------------------------------------------------------------------------------------------

    async def pause(self, why: str = "") -> bool:
        """Let no event of the run be handled until `resume`; what runs already is finished.

        Returns whether it is paused now; False where it has ended. Its deadline goes on. Raises `RunNotFound`.
        """
        await self._record()
        if await self._end(0.0) is not None:
            return False
        changed = await self._board.change("pause", self._subject, "paused", why=why)
        return changed.after is not None and changed.after.state == "paused"

    async def resume(self, why: str = "") -> bool:
        """Let a paused run go on; return whether it does, False where it was cancelled."""
        await self._record()
        return (await self._board.change("resume", self._subject, None, why=why)).after is None

    async def cancel(self, why: str = "") -> bool:
        """End the run: nothing of it is handled any more, its running handlers are cancelled, its outputs are dropped.

        Events of it that wait, also for a retry or a later time, are settled as cancelled when they would be handed
        out. A handler in a thread cannot be stopped: it finishes, and what it made is dropped. Returns whether the run
        is cancelled; False where it had ended before. Raises `RunNotFound`.
        """
        await self._record()
        if await self._end(0.0) is None:
            end = end_changes(self.id, RunEnd("cancelled", reason=why))
            await self._board.change("cancel", self._subject, "cancelled", why=why, ttl_s=CANCELLED_S, more=end)
        ended = await self._end(0.0)
        return ended is not None and ended.status == "cancelled"

    # --- waiting -----------------------------------------------------------------------------------------------------

    async def result(self, timeout: float | None = None) -> Any:
        """Wait for the event that ends the run and return it, typed.

        Raises `RunFailed` when it ended without one (`RunCancelled` when it was cancelled), `RunTimeout` after
        `timeout` seconds (the run goes on), and `RunNotFound`.
        """
        until = None if timeout is None else self._clock.monotonic() + timeout
        while True:
            left_s = _LOOK_AGAIN_S if until is None else until - self._clock.monotonic()
            end = await self._end(await self._patience(left_s))
            if end is not None:
                return await self._event(end)
            if until is not None and self._clock.monotonic() >= until:
                raise RunTimeout(f"run {self.id} has no result after {timeout:g} s; it goes on", hint="wait again")

    async def stream(self, after: int = 0) -> AsyncIterator[RunPart]:
        """Yield every part after position `after`, once and in order, until the run has ended.

        To re-join after a cut, in any process, give the position of the last part that you had. The iteration ends
        with the run, however that ended: `status` or `result` tell.
        """
        epochs: dict[str, int] = {}
        while True:
            parts = await self._store.follow(stream_name(self.id), after, _PAGE, await self._patience(_LOOK_AGAIN_S))
            for part in parts:
                after = part.position
                if part.producer == _SYSTEM:
                    return
                yield self._part(part, epochs)

    @staticmethod
    def _part(part: Part, epochs: dict[str, int]) -> RunPart:
        # Who re-joins may have seen an older epoch: a first part of a later attempt always says "anew".
        anew = part.number == 1 and part.epoch > 1
        known = epochs.get(part.producer)
        restarted = anew if known is None else part.epoch > known
        epochs[part.producer] = part.epoch
        group, _, _ = part.producer.rpartition("/")
        return RunPart(part.position, group, part.producer, msgspec.msgpack.decode(part.body), restarted)

    async def _record(self) -> RunRecord:
        value = (await self._store.get([stream_name(self.id)]))[0]
        if value is None:
            raise RunNotFound(f"no run {self.id!r} is known", hint="it was never started here, or is over for a day")
        return msgspec.msgpack.decode(value.body, type=RunRecord)

    async def _patience(self, wait_s: float) -> float:
        """Return how long to wait at most: not beyond the deadline, which ends the run for good when it is past."""
        record = await self._record()
        if record.deadline_at is None:
            return max(0.0, wait_s)
        left_s = record.deadline_at - self._clock.now()
        if left_s <= 0:
            for append in end_changes(self.id, RunEnd("failed", reason="its deadline is past")):
                await self._store.append(append)
        return max(0.0, min(wait_s, left_s))

    async def _end(self, wait_s: float) -> RunEnd | None:
        parts: Sequence[Part] = await self._store.follow(f"{stream_name(self.id)}/end", 0, 1, wait_s)
        return msgspec.msgpack.decode(parts[0].body, type=RunEnd) if parts else None

    async def _event(self, end: RunEnd) -> Any:
        if end.status == "cancelled":
            why = f": {end.reason}" if end.reason else ""
            raise RunCancelled(
                f"run {self.id} was cancelled{why}", hint="who did it: vagus tail vagus.control --since 1d"
            )
        if end.status == "failed":
            raise RunFailed(f"run {self.id} failed: {end.reason}", hint="see: vagus dead ls")
        envelope = Envelope(end.body, end.content_type, end.headers)
        etype = self._topics.type_of(end.type)
        event = decode(etype, envelope, DEFAULT_WIRE, end.type)
        return (await self._bodies.whole(etype, event, DEFAULT_WIRE, end.type)).data


def until_text(until: type | Sequence[type] | None, topics: Topics) -> str:
    """Return what ends a run as it travels with its events: types, separated by commas."""
    classes = () if until is None else (until,) if isinstance(until, type) else tuple(until)
    if not all(isinstance(cls, type) for cls in classes):
        raise InvalidArgument(f"until= expects an event class or several, got {until!r}")
    return ",".join(topics.learn(cls).topic for cls in classes)


def ends_run(event: CloudEvent, topics: Topics) -> bool:
    """Return whether `event`, an output within a started run, is the run's result."""
    if event.vagusrun is None:
        return False
    etype = topics.type_of(event.type)
    return event.type in event.vagusrun.split(",") or (etype is not None and etype.final)
