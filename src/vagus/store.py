"""The seam for small keyed state: runs, joins, streams, effects; compare-and-set and fenced appends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Value(msgspec.Struct, frozen=True, gc=False):
    """A stored value and its version; versions of a key grow by one with each change, from 1."""

    body: bytes
    version: int


class Change(msgspec.Struct, frozen=True, gc=False):
    """Compare and set one key.

    `body` None deletes. `expect`: the version that must be there, 0 for "absent", None for "whatever is there".
    `ttl_s`: forgotten after that many seconds. `required` False: a failed expectation leaves only this change out,
    instead of refusing all that it travels with.
    """

    key: str
    body: bytes | None
    expect: int | None = None
    ttl_s: float | None = None
    required: bool = True


class Append(msgspec.Struct, frozen=True, gc=False):
    """Append parts to a stream.

    Parts are numbered per producer and epoch from `number` on; a number that is there already is left out, so an
    append can be repeated. An epoch older than the producer's newest is refused. `ttl_s` counts from the newest
    append.
    """

    stream: str
    producer: str
    epoch: int
    number: int
    parts: Sequence[bytes]
    ttl_s: float | None = None
    required: bool = False


class Part(msgspec.Struct, frozen=True, gc=False):
    """One part of a stream; `position` counts all parts of the stream from 1."""

    position: int
    producer: str
    epoch: int
    number: int
    body: bytes


class Store(Protocol):
    """Small keyed state, in the same place as a backend or in one of its own."""

    async def get(self, keys: Sequence[str]) -> Sequence[Value | None]:
        """Return the values of `keys`, None for those that are absent or forgotten."""

    async def swap(self, changes: Sequence[Change]) -> Sequence[bool]:
        """Carry out all changes or none (those not `required` apart); return which took effect."""

    async def scan(self, prefix: str, after: str, limit: int) -> Sequence[tuple[str, Value]]:
        """Return at most `limit` keys that start with `prefix` and sort after `after`, sorted, with their values."""

    async def append(self, append: Append) -> bool:
        """Append parts to a stream; False when the epoch is older than the producer's newest."""

    async def follow(self, stream: str, after: int, limit: int, wait_s: float = 0.0) -> Sequence[Part]:
        """Return at most `limit` parts after position `after`; with `wait_s`, wait that long for the first one."""

    async def close(self) -> None:
        """Let go of everything; idempotent. A store that belongs to a backend is closed with it."""
