"""Middleware: the shapes of it, and the way of one event through it.

Each calls `call_next` once, or raises: `Drop` lets the event go for a reason that it names, any other error is as if
the handler (or the publisher) had raised it.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from vagus.app.middleware.layers import named
from vagus.app.publisher import PublishOptions
from vagus.app.work.context import Context
from vagus.errors import InvalidArgument, InvalidHandler
from vagus.message import CloudEvent, event_type

T = TypeVar("T")
R = TypeVar("R")


class Outgoing:
    """An event on its way out, before it is encoded; publish middleware gets it.

    `data`: what is published. `options`: how, as with `App.publish`. `cause`: the event whose handling it comes from;
    None for an event that nothing caused.
    """

    __slots__ = ("cause", "data", "options")

    def __init__(self, data: Any, options: PublishOptions, cause: CloudEvent | None = None) -> None:
        self.data = data
        self.options = options
        self.cause = cause

    @property
    def topic(self) -> str:
        """Where it goes."""
        if self.options.topic is not None:
            return self.options.topic
        return "" if type(self.data) is dict else event_type(type(self.data)).topic

    @property
    def extensions(self) -> Mapping[str, str | int | bool]:
        """The attributes that are added to it."""
        return self.options.extensions or {}

    def changed(self, **changes: Any) -> Outgoing:
        """Return it with other `data`, `extensions`, `key`, `priority`, `delay_s` or `expires_s`; what is not named
        stays. Data of another class goes to the topic of that class."""
        data = changes.pop("data", self.data)
        unknown = changes.keys() - {"extensions", "key", "priority", "delay_s", "expires_s"}
        if unknown:
            raise InvalidArgument(f"middleware cannot change {unknown.pop()!r} of an event that is published")
        return Outgoing(data, msgspec.structs.replace(self.options, **changes), self.cause)


class PublishMiddleware(Protocol):
    """Stands around the making of an event that is published."""

    async def __call__(self, event: Outgoing, call_next: Callable[[Outgoing], Awaitable[CloudEvent]], /) -> None:
        """Pass `event` on, as it is or changed; `call_next` returns it as it will be stored, once all have returned."""


class ConsumeMiddleware(Protocol):
    """Stands around the call of a handler."""

    async def __call__(self, ctx: Context, call_next: Callable[[Context], Awaitable[None]], /) -> None:
        """Pass the event on, as it is or `ctx.changed(data=…)`; `call_next` returns when the handler has."""


class Passage(Generic[T, R]):
    """The way of one event through layers to `last`, which each of them lets it go on to once."""

    def __init__(
        self, layers: Sequence[Callable[[T, Any], Awaitable[None]]], last: Callable[[T], Awaitable[R]]
    ) -> None:
        self._layers = layers
        self._last = last
        self._at = -1
        self._found: R | None = None

    async def walk(self, thing: T) -> R | None:
        """Go through all of them; return what `last` did, None where a layer swallowed its error.

        Raises `InvalidHandler` where a layer holds the event back without a word.
        """
        await self._step(0, thing)
        if self._at < len(self._layers):
            raise InvalidHandler(
                f"middleware {named(self._layers[self._at])} returned without passing the event on",
                hint='await call_next(event), or raise Drop("why")',
            )
        return self._found

    async def _step(self, at: int, thing: T) -> R | None:
        if at <= self._at:
            raise InvalidHandler(f"middleware {named(self._layers[at - 1])} passed the event on twice")
        self._at = at
        if at == len(self._layers):
            self._found = await self._last(thing)
        else:
            await self._layers[at](thing, functools.partial(self._step, at + 1))
        return self._found
