"""What a handler may know and do about the event in its hands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any, Protocol

import msgspec

from vagus.backend import Delivery
from vagus.message import CloudEvent, extensions


class Effects(Protocol):
    """What carries out what a context is asked for; made anew for each attempt."""

    def emit(self, part: Any) -> Awaitable[None]:
        """Add a part to the run's stream."""

    def publish(self, event: Any, options: Mapping[str, Any]) -> None:
        """Keep an output, to be published with the settling of the delivery."""

    def once(self, name: str, call: Callable[[], Any], returns: Any) -> Any:
        """Carry out a named effect, or replay what was recorded of it."""

    def effect_key(self, name: str) -> str:
        """Return the key of a named effect for outside APIs."""


class Done:
    """An awaitable that is done already, so that a call works with `await` and without (in a thread)."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


DONE = Done()


class Context:
    """One attempt at one event; a handler gets it by annotating a parameter with `Context`.

    `event`: the CloudEvent with all its attributes. `attempt`: 1 for the first try, counting failures of the handler
    alone. `losses`: how often a worker was lost with it. `run_id`: the run that it belongs to. `topic`, `group`,
    `member`, `generation`, `key`, `epoch`: where it came from.
    """

    __slots__ = ("_delivery", "_effects", "attempt", "event", "group", "member", "topic")

    def __init__(
        self,
        event: CloudEvent,
        delivery: Delivery,
        effects: Effects,
        *,
        topic: str,
        group: str,
        member: str,
        attempt: int,
    ) -> None:
        self.event = event
        self.topic = topic
        self.group = group
        self.member = member
        self.attempt = attempt
        self._delivery = delivery
        self._effects = effects

    @property
    def run_id(self) -> str:
        """The id of the run: the `correlationid` that everything which follows from one first event shares."""
        return self.event.correlationid or self.event.id

    @property
    def losses(self) -> int:
        """How often a lease lapsed or a worker died with this event."""
        return self._delivery.losses

    @property
    def generation(self) -> int:
        """How often the event was deliberately sent again."""
        return self._delivery.generation

    @property
    def epoch(self) -> int:
        """Under which steering of the group the event was first dispatched, counted from 1; see `App.switch`."""
        return self._delivery.epoch

    @property
    def key(self) -> str | None:
        """What the event is ordered by."""
        return self._delivery.key

    @property
    def extensions(self) -> Mapping[str, Any]:
        """Attributes that other people's producers added; costs one more decode."""
        return extensions(self._delivery.envelope)

    def changed(self, *, data: Any) -> Context:
        """Return the context with other data in its event: for middleware, to hand on what the handler is to see."""
        return Context(
            msgspec.structs.replace(self.event, data=data),
            self._delivery,
            self._effects,
            topic=self.topic,
            group=self.group,
            member=self.member,
            attempt=self.attempt,
        )

    def emit(self, part: Any) -> Awaitable[None]:
        """Add a part to the run's stream: text, or anything that JSON can say.

        Readers see it within some 20 ms. From an async handler `await ctx.emit(...)`, which waits while too much is
        unsent; from a sync one call it. A retried attempt starts the handler's part of the stream anew.
        """
        return self._effects.emit(part)

    def publish(self, event: Any, **options: Any) -> None:
        """Publish another event with this handling: stored together with the settling, or not at all.

        Takes the options of `App.publish`, but for `id` and `source`: ids are derived from the cause, so that an
        attempt which is repeated after a crash publishes the same events.
        """
        self._effects.publish(event, options)

    def once(self, name: str, call: Callable[[], Any], returns: Any = None) -> Any:
        """Carry out an effect and record its result; a retry or a redelivery replays the result instead.

        `call` takes nothing and may be async; from an async handler `await ctx.once(...)`, from a sync one call it.
        `name` tells the effects of one event apart. The result is what msgpack can say, and comes back as plain
        values, or as `returns`. What raises is not recorded. A crash after the call and before the record makes the
        call again: give an outside API `effect_key(name)` to know it by. A redrive replays results, too; put
        `ctx.generation` into the name for an effect that is to happen again then.
        """
        return self._effects.once(name, call, returns)

    def effect_key(self, name: str) -> str:
        """Return an id for the effect called `name` of this event: the same for every attempt and redrive.

        To be given to an outside API as its idempotency key. In an `all` group each member has its own.
        """
        return self._effects.effect_key(name)
