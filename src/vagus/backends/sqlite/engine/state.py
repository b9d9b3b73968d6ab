"""The store inside the same transaction: compare and set, and appends to streams that older epochs cannot make."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import News
from vagus.ledger.sql import text
from vagus.store import Append, Change, Part, Value

#: Streams past their time that are removed in one step at most.
FORGET_AT_ONCE = 64


class Stream(msgspec.Struct):
    """A stream's head: how many parts, until when it lives, the newest epoch and number of each producer."""

    id: int
    parts: int
    until: float | None
    newest: dict[str, tuple[int, int]]


class State:
    """Keys and streams; nothing is remembered between calls, the page cache is."""

    def __init__(self, db: Database, news: News) -> None:
        self._db = db
        self._news = news

    # --- keys --------------------------------------------------------------------------------------------------------

    def get(self, key: str, now: float) -> Value | None:
        """Return the value of `key`, None when it is absent or forgotten."""
        row = self._db.row(text.VALUE, (key,))
        if row is None or (row[2] is not None and row[2] <= now):
            return None
        return Value(row[1], row[0])

    def refuses(self, changes: Sequence[Change | Append], now: float) -> bool:
        """Return whether one of those that are required would not take effect, carried out one after the other."""
        if not any(change.required for change in changes):
            return False
        versions: dict[str, int] = {}
        epochs: dict[tuple[str, str], int] = {}
        for change in changes:
            if isinstance(change, Change):
                version = versions[change.key] if change.key in versions else self._version(change.key, now)
                fits = change.expect is None or change.expect == version
                if fits:
                    versions[change.key] = 0 if change.body is None else version + 1
            else:
                place = (change.stream, change.producer)
                fits = change.epoch >= (epochs[place] if place in epochs else self._epoch(*place, now))
                if fits:
                    epochs[place] = change.epoch
            if change.required and not fits:
                return True
        return False

    def _version(self, key: str, now: float) -> int:
        value = self.get(key, now)
        return value.version if value else 0

    def _epoch(self, stream: str, producer: str, now: float) -> int:
        known = self._stream(stream, now)
        return known.newest[producer][0] if known and producer in known.newest else 0

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
        if self.refuses(changes, now):
            return [False] * len(changes)
        return [self.apply(change, now) for change in changes]

    def _set(self, change: Change, now: float) -> None:
        if change.body is None:
            self._db.execute(text.DROP_VALUE, (change.key,))
            return
        until = None if change.ttl_s is None else now + change.ttl_s
        self._db.execute(text.SET_VALUE, (change.key, self._version(change.key, now) + 1, change.body, until))

    def scan(self, prefix: str, after: str, limit: int, now: float) -> list[tuple[str, Value]]:
        """Return at most `limit` living keys with `prefix` that sort after `after`."""
        found = []
        for key, version, body in self._db.execute(text.VALUES_FROM, (after, prefix, now, limit)):
            if not key.startswith(prefix):
                break
            found.append((key, Value(body, version)))
        return found

    # --- streams -----------------------------------------------------------------------------------------------------

    def _stream(self, name: str, now: float) -> Stream | None:
        row = self._db.row(text.STREAM, (name,))
        if row is None or (row[2] is not None and row[2] <= now):
            return None
        newest = {producer: (epoch, number) for producer, epoch, number in self._db.rows(text.PRODUCERS, (row[0],))}
        return Stream(row[0], row[1], row[2], newest)

    def _append(self, append: Append, now: float) -> None:
        stream = self._stream(append.stream, now) or self._new_stream(append.stream)
        epoch, newest = stream.newest.get(append.producer, (append.epoch, -1))
        if epoch != append.epoch:
            newest = -1
        rows = []
        for number, body in enumerate(append.parts, append.number):
            if number > newest:
                newest = number
                stream.parts += 1
                rows.append((stream.id, stream.parts, append.producer, append.epoch, number, body))
        self._db.execute_many(text.ADD_PART, rows)
        self._db.execute(text.SET_PRODUCER, (stream.id, append.producer, append.epoch, newest))
        until = None if append.ttl_s is None else now + append.ttl_s
        self._db.execute(text.SET_STREAM, (stream.parts, until, stream.id))
        self._news.streams.add(append.stream)

    def _new_stream(self, name: str) -> Stream:
        old = self._db.row(text.STREAM, (name,))
        if old is not None:
            self._drop_stream(old[0])
        self._db.execute(text.ADD_STREAM, (name, None))
        return Stream(self._db.connection.last_insert_rowid(), 0, None, {})

    def _drop_stream(self, id: int) -> None:
        for sql in text.DROP_STREAM:
            self._db.execute(sql, (id,))

    def follow(self, name: str, after: int, limit: int, now: float) -> list[Part]:
        """Return at most `limit` parts after position `after`."""
        row = self._db.row(text.STREAM, (name,))
        if row is None or (row[2] is not None and row[2] <= now):
            return []
        return [Part(*found) for found in self._db.execute(text.PARTS, (row[0], after, limit))]

    def forget(self, now: float) -> None:
        """Remove what has outlived its time, streams a few at a time."""
        self._db.execute(text.FORGET_VALUES, (now,))
        for (id,) in self._db.rows(text.OLD_STREAMS, (now, FORGET_AT_ONCE)):
            self._drop_stream(id)

    def wants_forgetting(self, now: float) -> bool:
        """Return whether something has outlived its time; a look that writes nothing."""
        return self._db.row(text.OLD_VALUE, (now,)) is not None or bool(self._db.rows(text.OLD_STREAMS, (now, 1)))
