"""Which middleware stands around publishing and around handling, and in which order: the first is the outermost."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec

from vagus.errors import InvalidArgument, InvalidHandler

Middleware: TypeAlias = Callable[[Any, Any], Awaitable[None]]
"""What is called with an event, or a context, and `call_next`; the exact shapes are in `passage`."""


class Layers(msgspec.Struct, frozen=True):
    """What stands around publishing and around handling, each from the outermost to the innermost."""

    publish: tuple[Middleware, ...] = ()
    consume: tuple[Middleware, ...] = ()

    def around(self, inner: Layers) -> Layers:
        """Return these with others inside them."""
        return Layers((*self.publish, *inner.publish), (*self.consume, *inner.consume))

    def adding(self, point: str, middleware: Any) -> Layers:
        """Return these with one more, the innermost. Raises `InvalidHandler` for what cannot stand there."""
        if not callable(middleware) or not _is_async(middleware):
            raise InvalidHandler(
                f"{named(middleware)} cannot be middleware: expected an async function of an event and call_next, "
                "or an object with an async __call__ of these"
            )
        if point == "publish":
            return Layers((*self.publish, middleware), self.consume)
        if point == "consume":
            return Layers(self.publish, (*self.consume, middleware))
        raise InvalidArgument(f'middleware: expected "publish" or "consume", got {point!r}')


NONE = Layers()


def _is_async(middleware: Any) -> bool:
    return inspect.iscoroutinefunction(middleware) or inspect.iscoroutinefunction(type(middleware).__call__)


def named(middleware: Any) -> str:
    """Return what to call a middleware in a sentence."""
    return str(getattr(middleware, "__qualname__", type(middleware).__qualname__)).rpartition("<locals>.")[2]
