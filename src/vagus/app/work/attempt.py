"""One delivery in this process's hands: what its handler asked for so far, and what it shares with its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Literal, TypeAlias

from vagus.app.bodies.bodies import Bodies
from vagus.app.effects.once import Once, check_name
from vagus.app.handler import Handler
from vagus.app.identity import Identities
from vagus.app.publisher import DEFAULTS, Cause, Publisher, PublishOptions, publish_options
from vagus.app.steering.orders import Orders
from vagus.app.stream import PartWriter
from vagus.app.topics import Topics
from vagus.app.work.committer import Committer
from vagus.backend import Delivery, Position, Put
from vagus.clock import Clock
from vagus.errors import InvalidArgument, UnsupportedCapability
from vagus.message import CloudEvent
from vagus.reliability.effects import KEEP_S, Identity
from vagus.reliability.note import decode_note
from vagus.store import Store

Result: TypeAlias = Literal["handled", "repeated", "dropped", "failed", "handed_back", "cancelled", "paused"]
"""What to count an attempt as, once its unit is committed; a paused one has none, it waits for its run to go on."""

Cancelled: TypeAlias = Literal["timeout", "lost", "stopped", "revoked"]
"""Why an attempt was stopped from outside; "revoked": its run, or all that its group had to do, was cancelled."""


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
        bodies: Bodies,
    ) -> None:
        self.topics = topics
        self.identities = identities
        self.publisher = publisher
        self.committer = committer
        self.clock = clock
        self.store = store
        self.bodies = bodies


class Seat:
    """A member's place in a handler's group: what all of its attempts share.

    `orders`: what is wanted of the member, None where the backend has no store to keep that in. `layers`: the
    middleware around its handler.
    """

    def __init__(self, handler: Handler, group: str, member: str, tools: Tools, orders: Orders | None = None) -> None:
        self.handler = handler
        self.group = group
        self.member = member
        self.tools = tools
        self.orders = orders
        self.layers = handler.layers


class Attempt:
    """One delivery in this process's hands, and what its handler asked for so far."""

    # Defaults stand on the class: most attempts change few of them, and making one is on every event's road.
    event: CloudEvent | None = None
    outputs: tuple[tuple[Any, PublishOptions], ...] = ()
    made: Sequence[tuple[Put, CloudEvent] | None] | None = None
    parts: PartWriter | None = None
    started_at = 0.0
    cancelled: Cancelled | None = None
    result: Result = "handled"
    claim: int | None = None
    loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, delivery: Delivery, seat: Seat) -> None:
        self.delivery = delivery
        self.seat = seat

    @property
    def origin(self) -> tuple[str, Position]:
        """The topic and the position that the event was published at: an inbox is only a way."""
        delivery = self.delivery
        origin = decode_note(delivery.note).origin if delivery.topic.startswith("$inbox.") else None
        return origin or (delivery.topic, delivery.position)

    @property
    def facts(self) -> dict[str, Any]:
        """What a log line tells of it: group, topic, attempt; of an event that could be read id, type, run, trace."""
        event = self.event
        facts: dict[str, Any] = {} if event is None else {"event": event.id, "type": event.type}
        facts |= {"group": self.seat.group, "attempt": decode_note(self.delivery.note).failures + 1}
        facts["topic"] = self.seat.tools.topics.bare(self.origin[0])
        if event is not None:
            facts["run"] = event.correlationid or event.id
            if event.traceparent:
                facts["trace"] = event.traceparent.split("-")[1]
        return facts

    def emit(self, part: Any) -> Awaitable[None]:
        """Add a part to the run's stream."""
        if self.parts is None:
            self.parts = self._writer()
        return self.parts.emit(part)

    def _writer(self) -> PartWriter:
        seat, tools, member = self.seat, self.seat.tools, self.delivery.member
        if tools.store is None:
            raise UnsupportedCapability("streams need a store, which this backend has none of", hint="App(state=URL)")
        assert self.event is not None, "a handler runs only after its event was decoded"
        assert self.loop is not None, "a context is made on the loop"
        producer = seat.group if member is None else f"{seat.group}@{member}"
        return PartWriter(self.event, self.delivery, producer, tools.committer, tools.clock, self.loop)

    @property
    def cause(self) -> Cause:
        """What its outputs come from."""
        assert self.event is not None, "outputs come after decoding"
        return Cause(self.event, self.delivery, self.seat.group, self.delivery.member)

    @property
    def identity(self) -> Identity:
        """What effects of this handling are counted by."""
        event, delivery = self.event, self.delivery
        assert event is not None, "effects come after decoding"
        return Identity(self.seat.group, self.delivery.member, event.source, event.id, delivery.generation)

    def once(self, name: str, call: Callable[[], Any], returns: Any) -> Any:
        """Carry out a named effect, or replay what was recorded of it."""
        handler, tools = self.seat.handler, self.seat.tools
        if tools.store is None:
            raise UnsupportedCapability("ctx.once needs a store, which this backend has none of")
        assert self.loop is not None, "a context is made on the loop"
        keep_s = KEEP_S if handler.effects is None else handler.effects.keep_s
        once = Once(self.identity, tools.store, tools.committer, keep_s, self.loop)
        return once.call(name, call, returns, here=handler.signature.kind.startswith("async"))

    def effect_key(self, name: str) -> str:
        """Return the key of a named effect for outside APIs."""
        return self.identity.external(check_name(name))

    def publish(self, event: Any, options: Mapping[str, Any]) -> None:
        """Keep an output until the delivery is settled."""
        fixed = {"id", "source"} & options.keys()
        if fixed:
            raise InvalidArgument(f"an output's {fixed.pop()} is derived from its cause; it cannot be given")
        if "wait_s" in options:
            raise InvalidArgument("an output is stored with its delivery, which is tried again where a topic is full")
        self.keep(event, publish_options(options))

    def keep(self, output: Any, options: PublishOptions = DEFAULTS) -> None:
        """Keep what the handler returned, yielded or published."""
        self.outputs += ((output, options),)

    def reset(self) -> None:
        """Forget what the handler asked for, before it is called again for the same delivery."""
        self.outputs = ()
        self.made = None
        self.cancelled = None
        self.result = "handled"
        self.claim = None


CURRENT: ContextVar[Attempt | Sequence[Attempt] | None] = ContextVar("vagus attempt", default=None)
"""The attempt in hand here, or all of a batch; set when a handler is called, in its tasks and its thread too."""


def facts_here() -> dict[str, Any]:
    """Return the facts of the attempt in hand, {} outside of one; of a batch, what its attempts share and their ids."""
    current = CURRENT.get()
    if current is None:
        return {}
    if isinstance(current, Attempt):
        return current.facts
    shared = {name: value for name, value in current[0].facts.items() if name in ("group", "topic")}
    return shared | {"events": [attempt.event.id for attempt in current if attempt.event is not None]}
