"""Effects in a SQLite database of the user's own, by the `sqlite3` that Python brings along.

Two connections for each app: one that writes, in one transaction at a time, and one that looks at the outbox. All
that may wait for the disk happens in a thread of its own; the handler's own statements run where the handler does.

    vagus_effect            which events were handled: group, member, source, id, generation, and when
    vagus_outbox            events that are to be published, in order; a row is removed when it is
    vagus_effect_version    of these tables
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from vagus.app.effects.database import Row
from vagus.errors import BackendError, DatabaseUnusable, InvalidArgument, InvalidHandler, SchemaTooNew
from vagus.message.duration import seconds
from vagus.reliability.effects import KEEP_S, Identity

T = TypeVar("T")
Connect: TypeAlias = Callable[[], sqlite3.Connection]

VERSION: Final = 1
WAIT_S: Final = 10.0
"""How long somebody else may keep the database from being written to, in seconds, before it is an error."""

_TABLES = """
CREATE TABLE IF NOT EXISTS vagus_effect_version (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS vagus_effect (
    group_name TEXT NOT NULL, member TEXT NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL,
    generation INTEGER NOT NULL, handled_at REAL NOT NULL,
    PRIMARY KEY (group_name, id, source, member, generation)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS vagus_effect_handled_at ON vagus_effect (handled_at);
CREATE TABLE IF NOT EXISTS vagus_outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, app TEXT NOT NULL, event_id TEXT NOT NULL, topic TEXT NOT NULL,
    body BLOB NOT NULL, content_type TEXT NOT NULL, headers TEXT, key TEXT, lane INTEGER NOT NULL,
    due_at REAL, dedupe TEXT, ends BLOB NOT NULL, made_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS vagus_outbox_app ON vagus_outbox (app, seq);
"""
_VERSIONED = "SELECT 1 FROM sqlite_master WHERE name='vagus_effect_version'"
_MARKED = "SELECT 1 FROM vagus_effect WHERE group_name=? AND id=? AND source=? AND member=? AND generation=?"
_MARK = "INSERT INTO vagus_effect (group_name, id, source, member, generation, handled_at) VALUES (?,?,?,?,?,?)"
_COLUMNS = "app, event_id, topic, body, content_type, headers, key, lane, due_at, dedupe, ends"
_PUT = f"INSERT INTO vagus_outbox ({_COLUMNS}, made_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
_LOOK = f"SELECT seq, {_COLUMNS} FROM vagus_outbox WHERE app=? AND seq>? ORDER BY seq LIMIT ?"


class SqlEffects:
    """Effects that are committed in the user's own SQLite database, together with their mark and their outputs.

    `database`: the file, or a function that returns a new `sqlite3.Connection` each time it is called (made with
    `check_same_thread=False`). `keep`: how long it is remembered that an event was handled, in seconds or as text;
    default 7 days. One object may serve many handlers and outboxes.
    """

    connection_type: type = sqlite3.Connection

    def __init__(self, database: str | Path | Connect, *, keep: float | str = KEEP_S) -> None:
        if not callable(database) and str(database) in ("", ":memory:"):
            raise InvalidArgument("effects need a database file, since several connections share it", hint="shop.db")
        self.keep_s = seconds(keep, "keep of effects")
        self._database = database

    def __str__(self) -> str:
        """Say which database it is."""
        return getattr(self._database, "__qualname__", "") if callable(self._database) else str(self._database)

    async def open(self, taken: str = "") -> SqliteDatabase:
        """Connect and make the tables if they are not there; see `EffectDatabase`."""
        if not callable(self._database):
            check_apart(str(self._database), taken)
        made = SqliteDatabase(str(self), self._connect)
        try:
            await made.prepare(taken)
        except BaseException:
            await made.close()
            raise
        return made

    def _connect(self) -> sqlite3.Connection:
        if callable(self._database):
            return self._database()
        return sqlite3.connect(self._database, timeout=WAIT_S, isolation_level=None, check_same_thread=False)


class SqliteDatabase:
    """See `vagus.app.effects.database.OpenDatabase`."""

    def __init__(self, name: str, connect: Connect) -> None:
        self._name = name
        self._connect = connect
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vagus effects")
        self._open: list[sqlite3.Connection] = []
        self._turn = asyncio.Lock()

    async def prepare(self, taken: str) -> None:
        """Open the connections and make the tables."""
        try:
            self._open += [await self.apart(self._connect), await self.apart(self._connect)]
            self._open[0].execute("SELECT 1").close()  # here handlers use it, in another thread than it was made in
            check_apart(_ask(self._open[0], "PRAGMA database_list")[0][2], taken)
            await self.apart(self._make_tables)
        except sqlite3.ProgrammingError as error:
            raise InvalidArgument(
                f"a connection to {self._name} may be used in one thread only",
                hint="sqlite3.connect(file, check_same_thread=False)",
            ) from error
        except sqlite3.Error as error:
            raise DatabaseUnusable(f"effects cannot be kept there: {error}", where=self._name) from error

    def _make_tables(self) -> None:
        writer = self._open[0]
        if _ask(writer, _VERSIONED) and self._version(writer) == VERSION:
            return
        if not writer.in_transaction:
            writer.execute("BEGIN IMMEDIATE")
        try:
            for statement in _TABLES.split(";"):
                writer.execute(statement)
            found = self._version(writer)
            if found is None:
                writer.execute("INSERT INTO vagus_effect_version VALUES (?)", (VERSION,))
            elif found > VERSION:
                text = f"its tables for effects are of version {found}, and this vagus knows version {VERSION}"
                raise SchemaTooNew(text, where=self._name, hint="use the newer vagus")
        except BaseException:
            writer.execute("ROLLBACK")
            raise
        writer.execute("COMMIT")

    @staticmethod
    def _version(connection: sqlite3.Connection) -> int | None:
        [(found,)] = _ask(connection, "SELECT max(version) FROM vagus_effect_version")
        return None if found is None else int(found)

    async def apart(self, work: Callable[[], T]) -> T:
        """Do something that may wait for the disk in this database's thread; once begun, it is done to the end."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def begin(self, connection: Any = None) -> SqliteTransaction:
        """Begin a transaction, after those of this process that came before it."""
        joined = connection is not None and connection.in_transaction
        if not joined:
            await self._turn.acquire()
        made = SqliteTransaction(self, connection or self._open[0], None if joined else self._turn)
        try:
            await made.begin()
        except BaseException:
            await made.roll_back()
            raise
        return made

    async def waiting(self, app: str, after: int, limit: int) -> Sequence[Row]:
        """Return rows of the outbox."""
        found = await self._asked(lambda: _ask(self._open[1], _LOOK, app, after, limit))
        return [_row(*columns) for columns in found]

    async def sent(self, places: Sequence[int]) -> None:
        """Remove rows of the outbox."""
        await self._write("DELETE FROM vagus_outbox WHERE seq=?", [(place,) for place in places])

    async def forget(self, before: float) -> None:
        """Remove old marks."""
        await self._write("DELETE FROM vagus_effect WHERE handled_at<?", [(before,)])

    async def _write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        async with self._turn:
            await self._asked(lambda: self._written(statement, rows))

    def _written(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write in one go: the lock is not held while the loop does something else, such as waiting for it."""
        writer = self._open[0]
        if not writer.in_transaction:
            writer.execute("BEGIN IMMEDIATE")
        try:
            writer.executemany(statement, rows)
            writer.execute("COMMIT")
        except BaseException:
            writer.execute("ROLLBACK")
            raise

    async def _asked(self, work: Callable[[], T]) -> T:
        try:
            return await self.apart(work)
        except sqlite3.Error as error:
            raise self.trouble(error) from error

    def trouble(self, error: sqlite3.Error) -> BackendError:
        """Return the error for what befell this database."""
        return BackendError(f"the database of the effects failed: {error}", where=self._name)

    async def close(self) -> None:
        """Close the connections."""
        while self._open:
            connection = self._open.pop()
            await self.apart(connection.close)
        self._thread.shutdown(wait=False)


class SqliteTransaction:
    """See `vagus.app.effects.database.Transaction`. `turn` is given back at the end."""

    def __init__(self, database: SqliteDatabase, connection: sqlite3.Connection, turn: asyncio.Lock | None) -> None:
        self._database = database
        self.connection = connection
        self._turn = turn
        self._over = False

    async def begin(self) -> None:
        """Take the database's lock for writing."""
        try:
            await self._database.apart(self._begin)
        except sqlite3.OperationalError as error:
            raise self._database.trouble(error) from error

    def _begin(self) -> None:
        if not self.connection.in_transaction:
            self.connection.execute("BEGIN IMMEDIATE")

    async def handled(self, identity: Identity) -> bool:
        """Return whether the mark is there."""
        return bool(await self._database.apart(lambda: _ask(self.connection, _MARKED, *_key(identity))))

    async def commit(self, rows: Sequence[Row], mark: Identity | None, now: float) -> None:
        """Store rows and mark, and commit."""
        if not self.connection.in_transaction:
            raise InvalidHandler(
                "the handler has ended the transaction itself, so that its effect and its mark are two",
                hint="leave commit, rollback and `with connection:` out; vagus commits when the handler returns",
            )
        await self._database.apart(lambda: self._commit(rows, mark, now))
        self._over = True
        self._end()

    def _commit(self, rows: Sequence[Row], mark: Identity | None, now: float) -> None:
        self.connection.executemany(_PUT, [(*_columns(row), now) for row in rows])
        if mark is not None:
            self.connection.execute(_MARK, (*_key(mark), now))
        self.connection.execute("COMMIT")

    async def roll_back(self) -> None:
        """Undo all."""
        if self._over:
            return
        self._over = True
        undone = asyncio.ensure_future(self._database.apart(self._undo))
        undone.add_done_callback(self._end)  # not before: the next transaction would begin inside this one
        await asyncio.shield(undone)

    def _undo(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _end(self, undone: asyncio.Future[None] | None = None) -> None:
        if self._turn is not None:
            self._turn.release()


def check_apart(file: str, taken: str) -> None:
    """Raise `InvalidArgument` where `file` is one of the backend's own.

    The backend brings a SQLite library along. Two of them in one process void each other's locks on a file: the system
    drops all locks that a process has on it as soon as any part of the process closes it.
    """
    if taken and os.path.realpath(file) in taken.split(os.pathsep):
        raise InvalidArgument(
            "the effects are in the file of vagus' own, where two SQLite libraries would void each other's locks",
            where=file,
            hint="keep your tables in a database of their own, such as SqlEffects('shop.db')",
        )


def _ask(connection: sqlite3.Connection, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return rows as tuples, whatever rows the user likes."""
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(statement, values).fetchall()


def _key(identity: Identity) -> tuple[str, str, str, str, int]:
    return identity.group, identity.id, identity.source, identity.member or "", identity.generation


def _columns(row: Row) -> tuple[Any, ...]:
    headers = None if row.headers is None else msgspec.json.encode(row.headers).decode()
    return (
        row.app,
        row.event_id,
        row.topic,
        row.body,
        row.content_type,
        headers,
        row.key,
        row.lane,
        row.due_at,
        row.dedupe,
        row.ends,
    )


def _row(seq: int, *columns: Any) -> Row:
    app, event_id, topic, body, content_type, headers, key, lane, due_at, dedupe, ends = columns
    return Row(
        seq=seq,
        app=app,
        event_id=event_id,
        topic=topic,
        body=body,
        content_type=content_type,
        headers=None if headers is None else msgspec.json.decode(headers, type=dict[str, str]),
        key=key,
        lane=lane,
        due_at=due_at,
        dedupe=dedupe,
        ends=ends,
    )
