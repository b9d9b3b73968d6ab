"""Fan-in: one event of each of several classes, of one run, handed to a handler together (`App.join`).

What has arrived is kept in the store, under the group and the run, and changes in the same unit that settles the
arriving event; so whichever member gets the last of them has all, and a crash at any moment leaves either the event
unsettled or its arrival recorded. The first arrival also puts a reminder into the group's inbox, for the timeout.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vagus.app.facts import JoinTimeout
from vagus.app.work.attempt import Attempt
from vagus.app.work.context import Context
from vagus.app.work.ending import ACKED
from vagus.app.work.runner import Runner
from vagus.backend import Done, Inbox, Put, Settle, Unit
from vagus.errors import InvalidHandler, UnsupportedCapability
from vagus.message import CloudEvent, Envelope, decode, event_type
from vagus.reliability.dedupe import output_id
from vagus.store import Change, Store, Value

REMINDER = "vagus.join_due"
"""The type of the reminder in the group's inbox."""

_KEEP_S = 86_400.0
_SKIPPED = Done("skipped")


class Arrived(msgspec.Struct, frozen=True):
    """What has arrived of one join: envelopes by type, and the instant of the first one."""

    since: float
    events: dict[str, Envelope]
    closed: bool = False


class JoinRunner(Runner):
    """Runs the attempts of a join."""

    @property
    def _store(self) -> Store:
        if self.seat.tools.store is None:
            raise UnsupportedCapability("a join needs a store, which this backend has none of", hint="App(state=URL)")
        return self.seat.tools.store

    async def _handle(self, attempt: Attempt) -> Unit:
        event = attempt.event
        assert event is not None, "a join handles decoded events"
        member = attempt.delivery.member
        reader = self.seat.group if member is None else f"{self.seat.group}@{member}"
        key = f"join/{reader}/{event.correlationid or event.id}"
        value = (await self._store.get([key]))[0]
        state = msgspec.msgpack.decode(value.body, type=Arrived) if value else None
        token = attempt.delivery.token
        if state is not None and state.closed:
            return Unit((), (Settle(token, _SKIPPED),))
        if event.type == REMINDER:
            return self._timed_out(attempt, key, state, value)
        since = state.since if state else self.seat.tools.clock.now()
        events = {**(state.events if state else {}), event.type: attempt.delivery.envelope}
        missing = [cls for cls in self.seat.handler.classes if event_type(cls).topic not in events]
        if missing:
            change = self._change(key, Arrived(since, events), value)
            puts = [] if state else [self._reminder(event, attempt, key)]
            return Unit(puts, (Settle(token, ACKED),), (change,))
        await self._called(attempt, await self._joined(attempt, events))
        return self.ending.done(attempt, [self._change(key, Arrived(since, {}, closed=True), value)])

    def _changed(self, ctx: Context) -> dict[str, Any]:
        raise InvalidHandler(f"middleware cannot change the events of the join {self.seat.handler.name}")

    async def _joined(self, attempt: Attempt, events: dict[str, Envelope]) -> dict[str, Any]:
        arguments = dict(self._fixed)
        for name, classes in self.seat.handler.signature.data.items():
            etype = event_type(classes[0])
            wire = self._topics.settings(etype.topic).wire
            event = decode(etype, events[etype.topic], wire, etype.topic)
            arguments[name] = (await self.seat.tools.bodies.whole(etype, event, wire, etype.topic)).data
        for name in self.seat.handler.signature.context:
            arguments[name] = self._context(attempt)
        return arguments

    @staticmethod
    def _change(key: str, state: Arrived, value: Value | None) -> Change:
        # Two last events may arrive at two members at once: one of the changes fails, and its attempt looks again.
        return Change(key, msgspec.msgpack.encode(state), expect=value.version if value else 0, ttl_s=_KEEP_S)

    def _reminder(self, event: CloudEvent, attempt: Attempt, key: str) -> Put:
        reminder = CloudEvent(
            id=output_id(event.id, attempt.delivery.generation, f"$join.{self.seat.group}", attempt.delivery.member, 0),
            source=f"vagus/{self.seat.group}",
            type=REMINDER,
            time=self.seat.tools.identities.time(),
            correlationid=event.correlationid or event.id,
            causationid=event.id,
            traceparent=event.traceparent,
            vagushops=event.vagushops,
            vagusrun=event.vagusrun,
        )
        envelope = Envelope(msgspec.json.encode(reminder))
        inbox = Inbox(self.seat.group, attempt.delivery.member)
        return Put(inbox, envelope, after_s=self.seat.handler.join_s or 0.0, dedupe=f"{key}:due", heard=False)

    def _timed_out(self, attempt: Attempt, key: str, state: Arrived | None, value: Value | None) -> Unit:
        event = attempt.event
        assert event is not None, "a join handles decoded events"
        present = sorted(state.events) if state else []
        wanted = [event_type(cls).topic for cls in self.seat.handler.classes]
        since = state.since if state else self.seat.tools.clock.now()
        fact = JoinTimeout(
            stage=self.seat.group,
            run_id=event.correlationid or event.id,
            present=present,
            missing=[topic for topic in wanted if topic not in present],
            waited_s=round(self.seat.tools.clock.now() - since, 3),
        )
        attempt.keep(fact)
        return self.ending.done(attempt, [self._change(key, Arrived(since, {}, closed=True), value)])
