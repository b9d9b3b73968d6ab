"""How an attempt runs: the event is decoded, the handler called, and what fails anywhere in it is caught here."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Literal, NamedTuple

from vagus.app.middleware.gathering import Gathering
from vagus.app.middleware.out import make_outputs
from vagus.app.middleware.passage import Passage
from vagus.app.steering.interrupt import ends_the_process
from vagus.app.work.attempt import CURRENT, Attempt, Seat
from vagus.app.work.context import Context
from vagus.app.work.ending import Ending, stack_of
from vagus.app.work.suspect import Suspect
from vagus.backend import Unit
from vagus.errors import InvalidArgument, SchemaMismatch
from vagus.message import EventType, Wire, decode, event_type, instant_of
from vagus.reliability.decide import admit
from vagus.reliability.note import decode_note
from vagus.reliability.verdict import GiveUp, Handle, LetGo, Mishap, Raised, Revoked, Stopped, TimedOut
from vagus.store import Append, Change

_NOTHING = Unit()


class Reading(NamedTuple):
    """How the events of a topic are read here: as which class (None: as plain values), by which settings."""

    etype: EventType | None
    wire: Wire


class Runner:
    """Runs the attempts of one handler and says, as a unit, what is to become of each delivery."""

    def __init__(self, seat: Seat, provided: Mapping[Any, Any], executor: Callable[[], Executor]) -> None:
        self.seat = seat
        self.ending = Ending(seat)
        self._topics = seat.tools.topics
        self._function = seat.handler.function
        signature = seat.handler.signature
        self._batch = signature.batch
        self._fixed = {name: provided[hint] for name, hint in signature.needs.items()}
        self._executor = executor
        self._data = next(iter(signature.data), "")
        # Most handlers take the data of one event and nothing else: nothing needs to be gathered for them.
        alone = len(signature.data) == 1 and not (self._fixed or signature.context)
        plain = signature.kind == "async" and seat.handler.join_s is None
        self._bare = alone and plain and not (seat.layers.publish or seat.layers.consume)
        self._readings: dict[str, Reading] = {}
        self._read_at = -1

    async def run(self, attempt: Attempt) -> Unit:
        """Handle one delivery; return the unit that settles it. Raises only what stops the whole worker."""
        CURRENT.set(attempt)
        try:
            refused = self._open(attempt)
            if refused is not None:
                return refused
            if attempt.event is not None and attempt.event.dataref is not None:
                await self._fetch(attempt)
            if not self._bare:
                return await self._handle(attempt)
            found = await self._function(**{self._data: self._typed(attempt)})
            if found is not None:
                self._keep(attempt, found)
            return self.ending.done(attempt)
        except BaseException as error:
            if ends_the_process(error):
                raise
            return self.ending.failed(attempt, self._mishap(attempt, error))

    async def run_batch(self, attempts: Sequence[Attempt]) -> list[Unit]:
        """Handle several deliveries in one call; return the unit of each."""
        units = await self._begin_batch(attempts)
        open_ = [attempt for attempt, unit in zip(attempts, units, strict=True) if unit is None]
        CURRENT.set(open_ or attempts)
        settled = iter(await self._handle_batch(open_)) if open_ else iter(())
        return [unit if unit is not None else next(settled) for unit in units]

    async def run_alone(self, attempt: Attempt) -> Unit:
        """Handle an event that may kill this process, while nothing else is held here.

        Raises what the store raises before the handler is called.
        """
        store, delivery = self.seat.tools.store, attempt.delivery
        refused = self._opened(attempt)
        if refused is not None:
            return refused
        suspect = None if store is None else await Suspect.look_up(store, self.seat, delivery)
        admission = admit(delivery.losses, delivery.note, begun_alone=suspect.begun if suspect else None)
        if isinstance(admission, GiveUp):
            unit = self.ending.settle(attempt, admission)
        else:
            if suspect is not None:
                await suspect.begin()
            unit = (await self.run_batch([attempt]))[0] if self._batch else await self.run(attempt)
        return unit if suspect is None else suspect.cleared_by(unit)

    async def _begin_batch(self, attempts: Sequence[Attempt]) -> list[Unit | None]:
        """Prepare each of a batch; return the units of those that the handler is not to see."""
        return [await self._begun(attempt) for attempt in attempts]

    async def _begun(self, attempt: Attempt) -> Unit | None:
        refused = self._opened(attempt)
        if refused is None and attempt.event is not None and attempt.event.dataref is not None:
            try:
                await self._fetch(attempt)
            except Exception as error:
                return self.ending.failed(attempt, Raised(error, stack_of(error)))
        return refused

    async def _fetch(self, attempt: Attempt) -> None:
        """Bring in the data of an event that travelled by reference."""
        event, topic = attempt.event, attempt.origin[0]
        assert event is not None, "a body is fetched after decoding"
        etype, wire = self._reading(topic)
        attempt.event = await self.seat.tools.bodies.whole(etype, event, wire, topic)

    # --- before ------------------------------------------------------------------------------------------------------

    def _opened(self, attempt: Attempt) -> Unit | None:
        try:
            return self._open(attempt)
        except Exception as error:
            return self.ending.failed(attempt, Raised(error, stack_of(error)))

    def _open(self, attempt: Attempt) -> Unit | None:
        """Decode the event; return the unit that settles it when the handler is not to see it."""
        delivery = attempt.delivery
        topic, position = delivery.topic, delivery.position
        if topic.startswith("$inbox."):
            topic, position = attempt.origin
        etype, wire = self._reading(topic)
        try:
            attempt.event = event = decode(etype, delivery.envelope, wire, topic, position)
        except SchemaMismatch:
            # Sound bytes of another shape: the dead letter still tells the event's id, run and trace.
            attempt.event = decode(None, delivery.envelope, wire, topic, position)
            raise
        orders = self.seat.orders
        if orders is not None and (event.vagusrun is not None or orders.cut is not None):
            wanted = orders.of_event(event, delivery, attempt.origin)
            if wanted is not None:
                return self._withheld(attempt, wanted)
        if event.expirytime is None:
            return None
        expires_at, now = instant_of(event.expirytime), self.seat.tools.clock.now()
        admission = admit(0, delivery.note, expires_at=expires_at, now=now)
        return None if isinstance(admission, Handle) else self.ending.settle(attempt, admission)

    def _withheld(self, attempt: Attempt, wanted: Literal["paused", "cancelled"]) -> Unit:
        """Return the unit of an event that is cancelled; that of a paused run waits, and there is nothing to do."""
        attempt.result = wanted
        if wanted == "paused":
            return _NOTHING
        admission = admit(0, attempt.delivery.note, cancelled=True)
        assert isinstance(admission, LetGo), "what is cancelled is let go"
        return self.ending.settle(attempt, admission)

    def _reading(self, topic: str) -> Reading:
        if self._read_at != self._topics.revision:
            self._readings, self._read_at = {}, self._topics.revision
        found = self._readings.get(topic)
        if found is None:
            bare = self._topics.bare(topic)
            found = self._readings[topic] = Reading(self._type_on(bare), self._topics.settings(bare).wire)
        return found

    def _type_on(self, topic: str) -> EventType | None:
        """Return the class to read a topic's events as: the handler's own for it, or the one that it always takes."""
        data = self.seat.handler.signature.data.values()
        named = [event_type(cls) for classes in data for cls in classes if cls is not dict]
        found = next((etype for etype in named if etype.topic == topic), None)
        if found is None and len(named) == 1 and not topic.startswith("$inbox."):
            return named[0]
        return found

    # --- during ------------------------------------------------------------------------------------------------------

    async def _handle(self, attempt: Attempt) -> Unit:
        await self._called(attempt, self._arguments(attempt))
        return self._done(attempt)

    def _done(self, attempt: Attempt, changes: Sequence[Change | Append] = ()) -> Unit:
        """Return the unit of an attempt that succeeded."""
        return self.ending.done(attempt, changes)

    def _arguments(self, attempt: Attempt) -> dict[str, Any]:
        arguments = dict(self._fixed)
        if self._data:
            arguments[self._data] = self._typed(attempt)
        for name in self.seat.handler.signature.context:
            arguments[name] = self._context(attempt)
        return arguments

    @staticmethod
    def _typed(attempt: Attempt) -> Any:
        event = attempt.event
        assert event is not None, "arguments are asked for after decoding"
        return event.data

    def _context(self, attempt: Attempt) -> Context:
        assert attempt.event is not None, "arguments are asked for after decoding"
        delivery = attempt.delivery
        attempt.loop = asyncio.get_running_loop()
        return Context(
            attempt.event,
            delivery,
            attempt,
            topic=self._topics.bare(attempt.origin[0]),
            group=self.seat.group,
            member=self.seat.member,
            attempt=decode_note(delivery.note).failures + 1,
        )

    async def _called(self, attempt: Attempt, arguments: dict[str, Any]) -> None:
        """Call the handler, and make its outputs, with the middleware around both."""
        layers = self.seat.layers
        if layers.consume:
            last = functools.partial(self._entered, attempt, arguments)
            await Passage(layers.consume, last).walk(self._context(attempt))
        else:
            await self._collect(attempt, arguments)
        if layers.publish:
            await make_outputs(attempt)

    async def _entered(self, attempt: Attempt, arguments: dict[str, Any], ctx: Context) -> None:
        if ctx.event is not attempt.event:
            arguments |= self._changed(ctx)
        await self._collect(attempt, arguments)

    def _changed(self, ctx: Context) -> dict[str, Any]:
        """Return the arguments that a change by middleware is for."""
        data = {self._data: ctx.event.data} if self._data else {}
        return data | dict.fromkeys(self.seat.handler.signature.context, ctx)

    async def _collect(self, attempt: Attempt, arguments: dict[str, Any]) -> None:
        """Call the handler and keep what it returns or yields."""
        function, kind = self._function, self.seat.handler.signature.kind
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
        """Call a handler in a thread, where nothing can stop it: once it has begun, its end is waited for and counts.

        Given up before, its event would be handled beside it, and the next ones would wait for its thread in vain.
        """
        begun = self._executor().submit(contextvars.copy_context().run, _carried, call)
        future = asyncio.wrap_future(begun)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if begun.cancel():
                raise
            await asyncio.wait([future])
            return future.result()

    def _keep(self, attempt: Attempt, found: Any) -> None:
        for item in found if isinstance(found, list | tuple) else (found,):
            if item is not None:
                attempt.keep(item)

    async def _handle_batch(self, attempts: list[Attempt]) -> list[Unit]:
        try:
            outcomes = await self._batch_called(attempts)
        except BaseException as error:
            if ends_the_process(error):
                raise
            # One of them may have lost its lease or run out of time; they share one call, so all of them stop.
            mishap = self._mishap(next((a for a in attempts if a.cancelled is not None), attempts[0]), error)
            if isinstance(mishap, Revoked):
                mishap = Stopped()  # for those that were not: they are tried again, without the others
            revoked = Revoked()
            return [self.ending.failed(a, revoked if a.cancelled == "revoked" else mishap) for a in attempts]
        return [await self._batch_outcome(attempt, found) for attempt, found in zip(attempts, outcomes, strict=True)]

    async def _batch_called(self, attempts: Sequence[Attempt]) -> list[Any]:
        """Return the outcome of each event of a batch, with the middleware of each around the one call."""
        layers = self.seat.layers.consume
        if not layers:
            return await self._call_batch(attempts, [self._typed(attempt) for attempt in attempts])
        gathering = Gathering(len(attempts))
        loop = asyncio.get_running_loop()
        walks = []
        for index, attempt in enumerate(attempts):
            walk = loop.create_task(Passage(layers, gathering.door(index)).walk(self._context(attempt)))
            walk.add_done_callback(functools.partial(gathering.gone, index))
            walks.append(walk)
        try:
            await gathering.complete()
            inside = sorted(gathering.entered)
            outcomes = await self._batch_inside(attempts, gathering)
            gathering.leave(outcomes)
            ends = await asyncio.gather(*walks, return_exceptions=True)
        finally:
            for walk in walks:
                walk.cancel()
        found = dict(zip(inside, outcomes, strict=True))
        return [_outcome(end, found.get(index)) for index, end in enumerate(ends)]

    async def _batch_inside(self, attempts: Sequence[Attempt], gathering: Gathering) -> list[Any]:
        inside = sorted(gathering.entered.items())
        if not inside:
            return []
        data = [ctx.event.data for _, ctx in inside]
        try:
            return await self._call_batch([attempts[index] for index, _ in inside], data)
        except Exception as error:
            return [error] * len(inside)

    async def _call_batch(self, attempts: Sequence[Attempt], data: list[Any]) -> list[Any]:
        arguments = self._arguments(attempts[0]) | {str(self._data): data}
        call = functools.partial(self.seat.handler.function, **arguments)
        found = await (call() if self.seat.handler.signature.kind == "async" else self._in_thread(call))
        return _per_item(found, len(attempts))

    async def _batch_outcome(self, attempt: Attempt, outcome: Any) -> Unit:
        if isinstance(outcome, Exception):
            return self.ending.failed(attempt, Raised(outcome, stack_of(outcome)))
        try:
            if outcome is not None:
                self._keep(attempt, outcome)
            if self.seat.layers.publish:
                await make_outputs(attempt)
            return self._done(attempt)
        except Exception as error:
            return self.ending.failed(attempt, Raised(error, stack_of(error)))

    def _mishap(self, attempt: Attempt, error: BaseException) -> Mishap:
        """Return what befell an attempt that ended in `error`; if we stopped it, that is why, whatever it raised."""
        if attempt.cancelled == "timeout":
            return TimedOut(self.seat.handler.timeout_s or 0.0, stack_of(error))
        if attempt.cancelled == "revoked":
            return Revoked()
        if attempt.cancelled is not None:
            return Stopped()
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise error  # not ours: the whole worker is being ended
            return Raised(RuntimeError("the handler was cancelled from inside"), stack_of(error))
        return Raised(error, stack_of(error))


def _outcome(end: Any, outcome: Any) -> Any:
    """Return what became of an event of a batch: what its middleware ended with, else what the handler said of it."""
    if isinstance(end, BaseException):
        return end if isinstance(end, Exception) else RuntimeError("the middleware was cancelled from inside")
    return None if isinstance(outcome, Exception) else outcome  # an error that middleware has swallowed is none


def _carried(call: Callable[[], Any]) -> Any:
    """Call a handler in its thread.

    A future cannot carry a StopIteration, and would never be done. A KeyboardInterrupt would end the process, and
    Ctrl-C raises none in a thread.
    """
    try:
        return call()
    except (StopIteration, KeyboardInterrupt) as error:
        raise RuntimeError(f"the handler raised {type(error).__name__}") from error


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
