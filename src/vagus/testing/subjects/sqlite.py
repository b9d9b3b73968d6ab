"""The SQLite backend as the suite sees it; the witness is plain `sqlite3` on the tables of the file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import urlsplit

from vagus.testing.subject import Subject

EXPECTED = {
    "durable": True,
    "shared": True,
    "atomic": True,
    "fenced": True,
    "notes": True,
    "dedupe": True,
    "delay": True,
    "lanes": True,
    "keyed_lanes": True,
    "replay": True,
    "bounded": True,
    "exact_stats": True,
    "switch": True,
    "inboxes": True,
}

_APPEND = """
INSERT INTO event (place, number, at, body)
SELECT (lane.id << 40) | (max(lane.newest) + 1), lane.count, ?, ?
FROM lane JOIN log ON lane.id = log.id * 10 WHERE log.name = ?
"""
_COUNT = """
UPDATE lane SET count = count + 1, newest = newest + 1 WHERE id = (SELECT id * 10 FROM log WHERE name = ?)
"""
_READ = """
SELECT event.body FROM event JOIN log ON event.place >> 40 BETWEEN log.id * 10 AND log.id * 10 + 9
WHERE log.name = ? ORDER BY event.place & ((1 << 40) - 1)
"""


class SqliteWitness:
    """Opens the file anew for each look, as `sqlite3 FILE` would.

    `sqlite3` and `apsw` are two copies of SQLite, and within one process the one takes the other's locks away when it
    closes the file: while something here writes, append from another process.
    """

    def append(self, url: str, topic: str, body: bytes, age_s: float = 0.0) -> None:
        """Add an event to the only lane of a topic."""
        with closing(_connect(url)) as connection, connection:
            connection.execute(_APPEND, (time.time() - age_s, body, topic))
            connection.execute(_COUNT, (topic,))

    def read(self, url: str, topic: str) -> Sequence[bytes]:
        """Return the bodies of all events of a topic, in the order of their positions."""
        with closing(_connect(url)) as connection:
            return [bytes(body) for (body,) in connection.execute(_READ, (topic,))]


def _connect(url: str) -> sqlite3.Connection:
    return sqlite3.connect(urlsplit(url).path.removeprefix("/"), timeout=5.0)


def sqlite_subject(url: str) -> Subject:
    """Return the subject of a SQLite URL; every test works in that file, under names of its own."""
    return Subject(
        url=lambda: url,
        witness=SqliteWitness(),
        expected=EXPECTED,
        lease_s=0.5,
        turns_clock=True,
    )
