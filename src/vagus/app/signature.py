"""What a handler's parameters ask for: read once, when the handler is declared, so that nothing is missing later."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from vagus.app.work.context import Context
from vagus.errors import InvalidHandler

_NO_EVENTS = (str, bytes, int, float, complex, bool)

Kind: TypeAlias = Literal["async", "sync", "async stream", "sync stream"]
"""How a handler runs: awaited, in a thread, or as a generator of events of either kind."""


class Signature(msgspec.Struct, frozen=True):
    """A handler's parameters by what fills them.

    `data`: parameters that take an event's data, with the classes that they accept (empty: plain values). `batch`:
    the data parameter takes a list. `context`: parameters that take the `Context`. `connection`: those that take the
    open transaction of the handler's effects. `needs`: the other ones, by the annotation that something must be
    provided for.
    """

    kind: Kind
    data: Mapping[str, tuple[type, ...]]
    batch: bool
    context: tuple[str, ...]
    needs: Mapping[str, Any]
    returns: tuple[type, ...]
    connection: tuple[str, ...] = ()


def read_signature(function: Callable[..., Any], name: str, subscribed: tuple[type, ...] = ()) -> Signature:
    """Return what `function` asks for; `subscribed` are the event classes that it is declared for.

    Where there are some, a parameter of any other class is something to be provided. Raises `InvalidHandler` for
    what can never be filled.
    """
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise InvalidHandler(
            f"handler {name}: an annotation names something that is not defined: {error}",
            hint="define the class at the top level of the module, before the handler",
        ) from error
    data: dict[str, tuple[type, ...]] = {}
    context: list[str] = []
    needs: dict[str, Any] = {}
    batch = False
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise InvalidHandler(
                f"handler {name}: nothing can fill {parameter}; expected parameters with a name and an annotation"
            )
        if hint is Context:
            context.append(parameter.name)
        elif (found := _data_classes(hint)) is not None and _meant(found, subscribed):
            batch = batch or typing.get_origin(hint) is list
            data[parameter.name] = found
        elif parameter.default is parameter.empty:
            needs[parameter.name] = hint
    _check_returned(hints.get("return"), name)
    return Signature(_kind(function), data, batch, tuple(context), needs, tuple(_returned(hints.get("return"))))


def lent(signature: Signature, connection: type, name: str) -> Signature:
    """Return the signature of a handler that works in a transaction, which it gets as a `connection`.

    Raises `InvalidHandler` where no parameter takes it, or where the handler takes several events at once.
    """
    asked = tuple(parameter for parameter, hint in signature.needs.items() if hint is connection)
    wanted = f"{connection.__module__}.{connection.__qualname__}"
    if not asked:
        raise InvalidHandler(
            f"handler {name}: nothing takes the transaction that its effects are in",
            hint=f"a parameter for it: connection: {wanted}",
        )
    if signature.batch:
        raise InvalidHandler(f"handler {name}: a batch has no transaction of its own; take one event at a time")
    needs = {parameter: hint for parameter, hint in signature.needs.items() if parameter not in asked}
    return msgspec.structs.replace(signature, needs=needs, connection=asked)


def _kind(function: Callable[..., Any]) -> Kind:
    if inspect.isasyncgenfunction(function):
        return "async stream"
    if inspect.isgeneratorfunction(function):
        return "sync stream"
    called = type(function).__call__  # an object may have an async __call__
    return "async" if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called) else "sync"


def _data_classes(hint: Any) -> tuple[type, ...] | None:
    """Return the event classes that an annotation accepts, () for plain values, None when it is no data."""
    if hint is dict or typing.get_origin(hint) is dict:
        return (dict,)
    if typing.get_origin(hint) is list:
        return _data_classes(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [_data_classes(member) for member in typing.get_args(hint)]
        return None if None in members else tuple(cls for found in members for cls in found or ())
    return (hint,) if is_event_class(hint) else None


def is_event_class(hint: Any) -> bool:
    """Return whether `hint` is a class whose instances can be events."""
    return isinstance(hint, type) and (
        isinstance(hint, msgspec.StructMeta) or dataclasses.is_dataclass(hint) or hasattr(hint, "model_fields")
    )


def _meant(found: tuple[type, ...], subscribed: tuple[type, ...]) -> bool:
    return not subscribed or all(cls is dict or cls in subscribed for cls in found)


def _returned(hint: Any) -> Iterator[type]:
    if hint is None or hint is type(None):
        return
    if is_event_class(hint):
        yield hint
    elif typing.get_origin(hint) is not dict:
        for inner in typing.get_args(hint):
            yield from _returned(inner)


def _check_returned(hint: Any, name: str) -> None:
    """Raise `InvalidHandler` for a handler that says that it returns text or a number: it could never be published."""
    if isinstance(hint, type) and hint in _NO_EVENTS:
        raise InvalidHandler(
            f"handler {name} returns {hint.__name__}: what a handler returns is published, and must be an event",
            hint="return an event, such as Answer(text=...), a list of events, or None",
        )
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Generator, AsyncGenerator):
        inner = inner[:1]  # what it yields; what it is sent, and returns at its end, is published by nobody
    if origin is not dict:
        for one in inner:
            _check_returned(one, name)


def check_filled(signature: Signature, provided: Mapping[Any, Any], name: str) -> None:
    """Raise `InvalidHandler` when a parameter is neither data, nor the context, nor something provided."""
    for parameter, hint in signature.needs.items():
        if hint not in provided:
            shown = getattr(hint, "__name__", None) or ("no annotation" if hint is None else str(hint))
            raise InvalidHandler(
                f"handler {name}: nothing fills parameter {parameter!r} ({shown}); expected an event class, Context, "
                "or a type that something is provided for",
                hint=_filling(hint, shown),
            )


def _filling(hint: Any, shown: str) -> str:
    """Return what to do about a parameter that nothing fills."""
    if hint is None:
        return "annotate it: with an event class, with Context, or with a type that something is provided for"
    provide = f"app.provide({shown}, factory), or give the parameter a default"
    return f"if its events are meant: @app.on({shown}); else {provide}" if is_event_class(hint) else provide
