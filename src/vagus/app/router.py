"""Handlers that belong together, declared before they belong to an app."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from vagus.app.handler import Options
from vagus.app.middleware.layers import NONE, Layers, named
from vagus.app.topics import seconds
from vagus.errors import InvalidArgument, InvalidHandler

Function = TypeVar("Function", bound=Callable[..., Any])
Middleware = TypeVar("Middleware", bound=Callable[..., Any])

JOIN_S = 60.0
"""How long a join waits for the missing events, in seconds, unless told otherwise."""


class Declaration(msgspec.Struct, frozen=True):
    """A function as it was decorated, before its topics and names are known."""

    function: Callable[..., Any]
    sources: tuple[type | str, ...]
    options: Options
    join_s: float | None = None
    layers: Layers = NONE


class Router:
    """Collects handlers; `App.include` takes them over. An `App` is one itself."""

    def __init__(self) -> None:
        self._declared: list[Declaration] = []
        self._layers = NONE
        self._taken = False

    def on(self, *sources: type | str, **options: Any) -> Callable[[Function], Function]:
        """Declare a handler for event classes, topics or patterns (`*` one word, `#` the rest).

        Without sources, the classes that its parameters are annotated with. The options are those of `Options`.
        What the handler returns or yields, if it is an event or a list of them, is published. The function itself
        stays as it is. Raises `InvalidArgument` or `InvalidHandler`, at once or when the app takes it over.
        """
        _check_sources(sources)
        made = _options(options)

        def declare(function: Function) -> Function:
            self._add(Declaration(function, sources, made))
            return function

        return declare

    def join(self, *sources: type, timeout: float | str = JOIN_S, **options: Any) -> Callable[[Function], Function]:
        """Declare a handler for one event of each of several classes, all of one run, in any order.

        It is called once per run, when the last of them arrives, with each in the parameter of its class. When some
        are missing `timeout` seconds after the first one came, a `JoinTimeout` event is published instead, and what
        comes later is let go. The other options are those of `on`.
        """
        join_s = seconds(timeout, "timeout of a join")
        if len(set(sources)) < 2 or not all(isinstance(source, type) for source in sources):
            raise InvalidHandler(
                "a join waits for two or more different event classes: @app.join(Passages, OrderStatus)"
            )
        made = _options(options)

        def declare(function: Function) -> Function:
            self._add(Declaration(function, sources, made, join_s))
            return function

        return declare

    def middleware(self, point: Literal["publish", "consume"]) -> Callable[[Middleware], Middleware]:
        """Add middleware around publishing, or around handling; what was added first stands outermost.

        Of a router, around its handlers and what they publish; of an app, around all of its handlers and routers and
        all that it publishes. An async function, or an object with an async `__call__`: of an `Outgoing` event, or of
        a handler's `Context`, and of `call_next`, which it awaits once with the event, as it is or `.changed(…)`. What
        it raises is as if the handler, or the publisher, had raised it; `Drop("why")` lets the event go.
        """

        def add(middleware: Middleware) -> Middleware:
            if self._closed():
                raise InvalidHandler(
                    f"{named(middleware)} comes too late: events are on their way without it",
                    hint="add middleware before the app is opened, and before it includes the router",
                )
            self._layers = self._layers.adding(point, middleware)
            return middleware

        return add

    @property
    def layers(self) -> Layers:
        """The middleware that was added here, `publish` and `consume`, each from the outermost to the innermost."""
        return self._layers

    def take(self) -> tuple[Declaration, ...]:
        """Return all declarations with the middleware around them; from now on none can be added."""
        self._taken = True
        return tuple(msgspec.structs.replace(one, layers=self._layers.around(one.layers)) for one in self._declared)

    def _closed(self) -> bool:
        return self._taken

    def _add(self, declaration: Declaration) -> None:
        self._declared.append(declaration)

    @property
    def declared(self) -> tuple[Declaration, ...]:
        """What was declared here, in order."""
        return tuple(self._declared)


def _check_sources(sources: tuple[Any, ...]) -> None:
    for source in sources:
        if not isinstance(source, type | str):
            bare = inspect.isfunction(source)
            raise InvalidHandler(
                f"a handler is for event classes or topics, not for {source!r}",
                hint="write @app.on() with its parentheses" if bare else '@app.on(UserQuery), or @app.on("user_query")',
            )


def _options(options: dict[str, Any]) -> Options:
    known = Options.__struct_fields__
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InvalidArgument(f"unknown option {unknown[0]!r} of a handler: expected one of {', '.join(known)}")
    return Options(**options)
