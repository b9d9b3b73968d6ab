"""Small keyed state and streams as a model: what every `Store` must do (compare and set, fenced appends)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice
from math import inf

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
        self._forget_at = inf

    def get(self, key: str, now: float) -> Value | None:
        """Return the value of `key`, None when it is absent or forgotten."""
        entry = self._entries.get(key)
        if entry is None or (entry.until is not None and entry.until <= now):
            return None
        return entry.value

    def fit(self, changes: Sequence[Change | Append], now: float) -> bool:
        """Return whether all changes that are required would take effect, carried out one after the other."""
        versions: dict[str, int] = {}
        epochs: dict[tuple[str, str], int] = {}
        for change in changes:
            if isinstance(change, Change):
                version = versions.get(change.key, self._version(change.key, now))
                fits = change.expect is None or change.expect == version
                if fits:
                    versions[change.key] = 0 if change.body is None else version + 1
            else:
                place = (change.stream, change.producer)
                fits = change.epoch >= epochs.get(place, self._epoch(*place, now))
                if fits:
                    epochs[place] = change.epoch
            if change.required and not fits:
                return False
        return True

    def apply(self, change: Change | Append, now: float) -> bool:
        """Carry `change` out if it fits; return whether it did."""
        if isinstance(change, Change):
            fits = change.expect is None or change.expect == self._version(change.key, now)
            if fits:
                self._set(change, now)
            return fits
        fits = change.epoch >= self._epoch(change.stream, change.producer, now)
        if fits:
            self._append(change, now)
        return fits

    def swap(self, changes: Sequence[Change | Append], now: float) -> list[bool]:
        """Carry out all changes or none, those not required apart."""
        if not self.fit(changes, now):
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
        """Remove what has outlived its time; cheap while nothing has."""
        if now < self._forget_at:
            return
        for key in [k for k, e in self._entries.items() if e.until is not None and e.until <= now]:
            del self._entries[key]
        for name in [n for n, s in self._streams.items() if s.until is not None and s.until <= now]:
            del self._streams[name]
        ends = [e.until for e in self._entries.values()] + [s.until for s in self._streams.values()]
        self._forget_at = min((end for end in ends if end is not None), default=inf)

    def _until(self, ttl_s: float | None, now: float) -> float | None:
        if ttl_s is None:
            return None
        self._forget_at = min(self._forget_at, now + ttl_s)
        return now + ttl_s

    def _version(self, key: str, now: float) -> int:
        value = self.get(key, now)
        return value.version if value else 0

    def _epoch(self, stream: str, producer: str, now: float) -> int:
        known = self._stream(stream, now)
        return known.newest[producer][0] if known and producer in known.newest else 0

    def _set(self, change: Change, now: float) -> None:
        if change.body is None:
            self._entries.pop(change.key, None)
            return
        value = Value(change.body, self._version(change.key, now) + 1)
        self._entries[change.key] = _Entry(value, self._until(change.ttl_s, now))

    def _stream(self, name: str, now: float) -> _Stream | None:
        stream = self._streams.get(name)
        if stream is None or (stream.until is not None and stream.until <= now):
            return None
        return stream

    def _append(self, append: Append, now: float) -> None:
        stream = self._stream(append.stream, now)
        if stream is None:
            stream = self._streams[append.stream] = _Stream([], {}, None)
        epoch, newest = stream.newest.get(append.producer, (append.epoch, -1))
        if epoch != append.epoch:
            newest = -1
        for offset, body in enumerate(append.parts):
            if append.number + offset > newest:
                newest = append.number + offset
                position = len(stream.parts) + 1
                stream.parts.append(Part(position, append.producer, append.epoch, newest, body))
        stream.newest[append.producer] = (append.epoch, newest)
        stream.until = self._until(append.ttl_s, now)
