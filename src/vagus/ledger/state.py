"""Small keyed state and streams as a model: what every `Store` must do (compare and set, fenced appends)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice

import msgspec

from vagus.store import Append, Change, Part, Value


class _Entry(msgspec.Struct):
    value: Value
    until: float | None


class _Stream(msgspec.Struct):
    parts: list[Part]
    newest: dict[str, tuple[int, int]]
    until: float | None


def _part_position(part: Part) -> int:
    return part.position


class State:
    """The keys and streams of one store. Every call is given `now`, in seconds."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._streams: dict[str, _Stream] = {}

    def get(self, key: str, now: float) -> Value | None:
        """Return the value of `key`, None when it is absent or forgotten."""
        entry = self._entries.get(key)
        if entry is None or (entry.until is not None and entry.until <= now):
            return None
        return entry.value

    def fits(self, change: Change | Append, now: float) -> bool:
        """Return whether `change` would take effect now."""
        if isinstance(change, Change):
            value = self.get(change.key, now)
            return change.expect is None or change.expect == (value.version if value else 0)
        stream = self._stream(change.stream, now)
        return stream is None or change.epoch >= stream.newest.get(change.producer, (0, 0))[0]

    def apply(self, change: Change | Append, now: float) -> bool:
        """Carry `change` out if it fits; return whether it did."""
        if not self.fits(change, now):
            return False
        if isinstance(change, Change):
            self._set(change, now)
        else:
            self._append(change, now)
        return True

    def swap(self, changes: Sequence[Change | Append], now: float) -> list[bool]:
        """Carry out all changes or none, those not required apart."""
        if not all(self.fits(change, now) for change in changes if change.required):
            return [False] * len(changes)
        return [self.apply(change, now) for change in changes]

    def scan(self, prefix: str, after: str, limit: int, now: float) -> list[tuple[str, Value]]:
        """Return at most `limit` living keys with `prefix` that sort after `after`."""
        names = sorted(name for name in self._entries if name.startswith(prefix) and name > after)
        found = ((name, self.get(name, now)) for name in names)
        return list(islice(((name, value) for name, value in found if value is not None), limit))

    def follow(self, stream: str, after: int, limit: int, now: float) -> list[Part]:
        """Return at most `limit` parts after position `after`."""
        known = self._stream(stream, now)
        if known is None:
            return []
        first = bisect_right(known.parts, after, key=_part_position)
        return known.parts[first : first + limit]

    def forget(self, now: float) -> None:
        """Remove what has outlived its time."""
        for key in [k for k, e in self._entries.items() if e.until is not None and e.until <= now]:
            del self._entries[key]
        for name in [n for n, s in self._streams.items() if s.until is not None and s.until <= now]:
            del self._streams[name]

    def _set(self, change: Change, now: float) -> None:
        if change.body is None:
            self._entries.pop(change.key, None)
            return
        old = self.get(change.key, now)
        value = Value(change.body, old.version + 1 if old else 1)
        self._entries[change.key] = _Entry(value, None if change.ttl_s is None else now + change.ttl_s)

    def _stream(self, name: str, now: float) -> _Stream | None:
        stream = self._streams.get(name)
        if stream is None or (stream.until is not None and stream.until <= now):
            return None
        return stream

    def _append(self, append: Append, now: float) -> None:
        stream = self._stream(append.stream, now)
        if stream is None:
            stream = self._streams[append.stream] = _Stream([], {}, None)
        epoch, number = stream.newest.get(append.producer, (append.epoch, 0))
        newest = number if epoch == append.epoch else 0
        for offset, body in enumerate(append.parts):
            if append.number + offset > newest:
                newest = append.number + offset
                position = len(stream.parts) + 1
                stream.parts.append(Part(position, append.producer, append.epoch, newest, body))
        stream.newest[append.producer] = (append.epoch, newest)
        stream.until = None if append.ttl_s is None else now + append.ttl_s
