"""The ceiling for SQLite: one table of events, one of dedupe values, one of claims, written by hand for this one job.

It keeps less than vagus does (no fence, no keys, no groups, no books, no retries), and what it keeps is as durable:
an event is published, and is done, when the transaction that says so is committed. In one process one transaction
settles what was handled, stores what is new, and claims it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import apsw

from vagus.testing.benchmark.event import BARE_BODY, Documents

_TABLES = """
CREATE TABLE event (place INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE seen (dedupe TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE held (place INTEGER PRIMARY KEY);
CREATE TABLE cursor (place INTEGER NOT NULL);
INSERT INTO cursor VALUES (0);
"""

LOOK_AGAIN_S = 0.0005
"""How long a consumer in a process of its own sleeps when there is nothing to claim."""


class RawLog:
    """One connection to the file; the first one makes the tables."""

    def __init__(self, path: Path, synchronous: str, *, make: bool = True) -> None:
        self._connection = apsw.Connection(str(path))
        self._connection.set_busy_timeout(10_000)
        self.execute = self._connection.execute
        self.execute("PRAGMA journal_mode = WAL")
        self.execute(f"PRAGMA synchronous = {synchronous}")
        self.execute("PRAGMA wal_autocheckpoint = 4000")
        self.execute("PRAGMA cache_size = -32000")
        if make:
            self.execute(_TABLES)
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()
        os.close(self._lock)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write, once no other process does."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self.execute("BEGIN IMMEDIATE")
            yield
            self.execute("COMMIT")
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def put(self, bodies: Sequence[bytes], dedupes: Sequence[str]) -> None:
        """Store events, in an open transaction; a dedupe value that is there already is an error."""
        self.execute(_insert("event (body)", len(bodies)), bodies)
        if dedupes:
            self.execute(_insert("seen", len(dedupes)), dedupes)

    def claim(self, limit: int) -> list[tuple[int, bytes]]:
        """Take the next events, in an open transaction."""
        found: list[Any] = self.execute(
            "SELECT place, body FROM event WHERE place > (SELECT place FROM cursor) ORDER BY place LIMIT ?", (limit,)
        ).fetchall()
        if found:
            first, last = found[0][0], found[-1][0]
            self.execute("INSERT INTO held SELECT place FROM event WHERE place BETWEEN ? AND ?", (first, last))
            self.execute("UPDATE cursor SET place = ?", (last,))
        return found

    def settle(self, claimed: Sequence[tuple[int, bytes]]) -> None:
        """Let go of what was claimed, in an open transaction."""
        if claimed:
            self.execute("DELETE FROM held WHERE place BETWEEN ? AND ?", (claimed[0][0], claimed[-1][0]))

    def has_more(self) -> bool:
        """Return whether there is something to claim, without locking anybody out."""
        return bool(self.execute("SELECT max(place) > (SELECT place FROM cursor) FROM event").get)

    def is_done(self, count: int) -> bool:
        """Return whether that many events were claimed and settled."""
        place = self.execute("SELECT place FROM cursor").get
        return bool(place >= count and self.execute("SELECT place FROM held LIMIT 1").get is None)


@lru_cache(maxsize=8)
def _insert(table: str, count: int) -> str:
    return f"INSERT INTO {table} VALUES " + ",".join(["(?)"] * count)


def _written(documents: Documents, numbers: range, *, coded: bool) -> tuple[list[bytes], list[str]]:
    if not coded:
        return [BARE_BODY] * len(numbers), []
    pairs = [documents.write(number) for number in numbers]
    return [body for body, _ in pairs], [dedupe for _, dedupe in pairs]


def _handle(documents: Documents, claimed: Sequence[tuple[int, bytes]], *, coded: bool) -> int:
    for _, body in claimed if coded else ():
        documents.decode(body)
    return len(claimed)


def events_per_s(path: Path, synchronous: str, count: int, size: int, *, coded: bool) -> float:
    """Publish and handle `count` events in this process, `size` in a transaction; return how many a second.

    Not `coded` is the bare lane: bodies of 200 bytes, without dedupe values.
    """
    documents, handled = Documents(), 0
    claimed: list[tuple[int, bytes]] = []
    with RawLog(path, synchronous) as log:
        begin = time.perf_counter()
        for first in range(0, count, size):
            bodies, dedupes = _written(documents, range(first, min(first + size, count)), coded=coded)
            with log.transaction():
                log.settle(claimed)
                log.put(bodies, dedupes)
                claimed = log.claim(size)
            handled += _handle(documents, claimed, coded=coded)
        with log.transaction():
            log.settle(claimed)
        took_s = time.perf_counter() - begin
        assert handled == count, "the raw lane lost something"
        assert log.is_done(count), "the raw lane left something over"
    return count / took_s


def publish(log: RawLog, count: int, size: int, *, coded: bool) -> None:
    """Publish `count` events, `size` in a transaction."""
    documents = Documents()
    for first in range(0, count, size):
        bodies, dedupes = _written(documents, range(first, min(first + size, count)), coded=coded)
        with log.transaction():
            log.put(bodies, dedupes)


def consume(log: RawLog, count: int, size: int, *, coded: bool) -> int:
    """Handle events together with other processes until all `count` are claimed; return how many were handled here."""
    documents, handled = Documents(), 0
    claimed: list[tuple[int, bytes]] = []
    while not log.is_done(count):
        if not claimed and not log.has_more():
            time.sleep(LOOK_AGAIN_S)
            continue
        with log.transaction():
            log.settle(claimed)
            claimed = log.claim(size)
        handled += _handle(documents, claimed, coded=coded)
    return handled
