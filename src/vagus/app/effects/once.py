"""Named effects: what a handler did is recorded right after it was done, and replayed instead of done again.

The record follows the call; between the two lies a gap, in which a crash leaves an effect that nobody remembers. What
closes it is an outside API that knows a repetition by the key that it is given (`Context.effect_key`).
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from vagus.app.work.committer import Committer
from vagus.backend import Unit
from vagus.errors import InvalidArgument
from vagus.reliability.effects import Identity
from vagus.store import Change, Store

_LIMIT = 200
_ABSENT = object()


class Once:
    """The named effects of one attempt."""

    def __init__(
        self, identity: Identity, store: Store, committer: Committer, keep_s: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._identity = identity
        self._store = store
        self._committer = committer
        self._keep_s = keep_s
        self._loop = loop
        self._thread = threading.get_ident()

    def call(self, name: str, call: Callable[[], Any], returns: Any, *, here: bool) -> Any:
        """Return the result of the effect, or an awaitable of it where `here`: on the loop, not in a thread."""
        check_name(name)
        if here:
            return self._called(name, call, returns)
        found = self._wait(self._recorded(name))
        if found is _ABSENT:
            found = self._wait(self._record(name, _written(name, call())))
        return _read(name, found, returns)

    def _wait(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _called(self, name: str, call: Callable[[], Any], returns: Any) -> Any:
        found = await self._recorded(name)
        if found is _ABSENT:
            made = call()
            if inspect.isawaitable(made):
                made = await made
            found = await self._record(name, _written(name, made))
        return _read(name, found, returns)

    async def _recorded(self, name: str) -> Any:
        value = (await self._store.get([self._identity.named(name)]))[0]
        return _ABSENT if value is None else value.body

    async def _record(self, name: str, body: bytes) -> bytes:
        """Record a result and return what is recorded: the first one stands, should a lost holder have been faster."""
        change = Change(self._identity.named(name), body, expect=0, ttl_s=self._keep_s)
        outcome = await self._committer.commit(Unit(changes=(change,)))
        if outcome.done:
            return body
        found = await self._recorded(name)
        return body if found is _ABSENT else bytes(found)


def check_name(name: Any) -> str:
    """Return the name of an effect. Raises `InvalidArgument` for one that is empty or too long."""
    if not isinstance(name, str) or not 0 < len(name) <= _LIMIT:
        raise InvalidArgument(f"the name of an effect: expected 1 to {_LIMIT} characters of text, got {name!r}")
    return name


def _written(name: str, result: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(result)
    except Exception as error:
        raise InvalidArgument(
            f"the effect {name!r} has happened, and its result cannot be recorded: {error}",
            hint="return text, numbers, lists, dicts, dataclasses or structs",
        ) from error


def _read(name: str, body: bytes, returns: Any) -> Any:
    """Return a result as it was recorded, also the first time: what a retry would see is seen at once."""
    try:
        return msgspec.msgpack.decode(body, type=Any if returns is None else returns)
    except msgspec.ValidationError as error:
        raise InvalidArgument(f"the recorded result of the effect {name!r} is no {returns!r}: {error}") from error
