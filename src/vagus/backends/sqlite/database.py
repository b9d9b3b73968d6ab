"""One open connection to the file, and the lock that writers of all processes queue on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import apsw

from vagus.backends.sqlite.failures import unusable

Row: TypeAlias = tuple[Any, ...]

#: How long a program that is not vagus may hold the database before a transaction of ours gives up, in milliseconds.
PATIENCE_MS = 5_000

#: Statements that are kept prepared: those of a fixed shape, and the powers of two of those with many rows.
PREPARED = 400


class Database:
    """A connection for one thread.

    Writers of all processes queue on an advisory lock of the kernel's, taken before the transaction begins: SQLite's
    own way of waiting is to sleep and look again. The lock dies with its process.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        self._path = path
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self.connection = apsw.Connection(str(path), statementcachesize=PREPARED)
        except BaseException:
            os.close(self._lock)
            raise
        self._identity = _identity(path)
        self.connection.set_busy_timeout(PATIENCE_MS)
        self.execute = self.connection.execute

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each row."""
        self.connection.executemany(sql, rows)

    def run_all(self, statements: Iterable[tuple[str, Sequence[Any]]]) -> int:
        """Run statements, each with its values; return how many rows they changed."""
        before = self.connection.total_changes()
        for sql, values in statements:
            self.execute(sql, values)
        return self.connection.total_changes() - before

    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """Return the first row, None where there is none."""
        cursor = self.execute(sql, values)
        found: Row | None = cursor.fetchone()
        cursor.close(True)
        return found

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return all rows."""
        found: list[Row] = self.execute(sql, values).fetchall()
        return found

    def number(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Return the one number that the statement gives, 0 where it gives none."""
        found = self.row(sql, values)
        return int(found[0]) if found and found[0] is not None else 0

    @property
    def changes(self) -> int:
        """How many rows the last statement changed."""
        return self.connection.changes()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only writer of all processes while inside; the kernel wakes the next one in turn."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def check_place(self) -> None:
        """Raise `DatabaseUnusable` when the open file is not what its path names: what it takes would be lost."""
        if _identity(self._path) != self._identity:
            raise unusable(
                "the open database file was deleted, moved or replaced",
                self._path,
                hint="put it back, or stop what has it open and start that again",
            )

    def rollback(self) -> None:
        """Undo the open transaction, if SQLite has not done so itself."""
        if self.connection.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        """Close connection and lock; idempotent."""
        self.connection.close(True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from all others while somebody has it open; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
