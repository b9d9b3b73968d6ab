"""A shop whose money is in a SQLite database of its own."""

from __future__ import annotations

import sqlite3
from pathlib import Path


class Shop:
    """The database, as a second witness sees it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS charge (order_id TEXT, cents INTEGER)")

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.file)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    @property
    def total(self) -> object:
        return self.ask("SELECT coalesce(sum(cents), 0) FROM charge")[0][0]

    @property
    def outbox(self) -> list[object]:
        return [row[0] for row in self.ask("SELECT event_id FROM vagus_outbox ORDER BY seq")]


def connection_to(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, check_same_thread=False)
