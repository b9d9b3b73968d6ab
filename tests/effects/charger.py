"""A worker that charges, and kills itself (SIGKILL) the nth time that it comes by a step; run as a script.

charger.py WAY STEP COUNT       in the folder of vagus.db, shop.db and bank.db
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import vagus.app.app
import vagus.app.effects.runner
from vagus import App, Context, Event, SqlEffects
from vagus.app.effects.database import Row
from vagus.backend import Backend, Done, Outcome, Topic, Unit
from vagus.reliability.effects import Identity

TRANSACTION = (
    "before begin",
    "begun",
    "looked",
    "effect",
    "before commit",
    "committed",
    "before ack",
    "acked",
    "rows read",
    "before publish",
    "published",
    "before removal",
    "removed",
)
#: Steps that come once for all rows that wait.
RELAY = ("rows read", "before publish", "published", "before removal", "removed")
LEDGER = ("before claim", "claimed", "effect", "recorded", "before ack", "acked")
STEPS = {"transaction": TRANSACTION, "ledger": LEDGER, "mark first": TRANSACTION}


class Charge(Event):
    order: int
    cents: int


class Charged(Event):
    order: int


class Doom:
    """Counts steps, and kills the process at the one that it is to die at."""

    def __init__(self, step: str, count: int) -> None:
        self._last = (step, count)
        self._seen: Counter[str] = Counter()

    def at(self, step: str) -> None:
        self._seen[step] += 1
        if (step, self._seen[step]) == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


class DoomedBackend:
    """A backend that may die before and after it carries something out."""

    def __init__(self, backend: Backend, doom: Doom) -> None:
        self._backend = backend
        self._doom = doom

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        acks = any(settle.action == Done("acked") for unit in units for settle in unit.settles)
        puts = any(put.target == Topic("charged") for unit in units for put in unit.puts)
        claims = any(change.key.startswith("effect/") for unit in units for change in unit.changes) and not acks
        records = any(change.key.startswith("once/") for unit in units for change in unit.changes)
        for step, comes in (("before claim", claims), ("before publish", puts), ("before ack", acks)):
            if comes:
                self._doom.at(step)
        outcomes = await self._backend.commit(units)
        for step, came in (("claimed", claims), ("recorded", records), ("published", puts), ("acked", acks)):
            if came:
                self._doom.at(step)
        return outcomes


class DoomedEffects(SqlEffects):
    """Effects that may die between any two steps; with `marks_first`, as who has not read the manual writes them."""

    def __init__(self, file: str, doom: Doom, *, marks_first: bool) -> None:
        super().__init__(file)
        self._doom = doom
        self._marks_first = marks_first

    async def open(self, taken: str = "") -> Any:
        return DoomedDatabase(await super().open(taken), self._doom, self._marks_first)


class DoomedDatabase:
    def __init__(self, database: Any, doom: Doom, marks_first: bool) -> None:
        self._database = database
        self._doom = doom
        self._marks_first = marks_first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def begin(self, connection: Any = None) -> Any:
        self._doom.at("before begin")
        transaction = await self._database.begin(connection)
        self._doom.at("begun")
        return DoomedTransaction(transaction, self._database, self._doom, self._marks_first)

    async def waiting(self, app: str, after: int, limit: int) -> Sequence[Row]:
        rows = await self._database.waiting(app, after, limit)
        if rows:
            self._doom.at("rows read")
        return rows

    async def sent(self, places: Sequence[int]) -> None:
        self._doom.at("before removal")
        await self._database.sent(places)
        self._doom.at("removed")


class DoomedTransaction:
    def __init__(self, transaction: Any, database: Any, doom: Doom, marks_first: bool) -> None:
        self._transaction = transaction
        self._database = database
        self._doom = doom
        self._marks_first = marks_first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    async def handled(self, identity: Identity) -> bool:
        found: bool = await self._transaction.handled(identity)
        if self._marks_first and not found:
            await self._transaction.commit((), identity, time.time())
            self._transaction = await self._database.begin()
        self._doom.at("looked")
        return found

    async def commit(self, rows: Sequence[Row], mark: Identity | None, now: float) -> None:
        self._doom.at("before commit")
        await self._transaction.commit(rows, None if self._marks_first else mark, now)
        self._doom.at("committed")


def made(way: str, doom: Doom) -> App:
    app = App("sqlite:///vagus.db", name="shop")
    app.topic(Charged, keep="1d")
    if way == "ledger":
        bank = sqlite3.connect("bank.db", isolation_level=None)

        @app.on(Charge, effects=True, lease=0.5, concurrency=4, prefetch=4)
        async def charge(event: Charge, ctx: Context) -> Charged:
            def pay() -> None:
                # What an outside API does with an idempotency key.
                bank.execute("INSERT OR IGNORE INTO charge VALUES (?, ?)", (ctx.effect_key("pay"), event.cents))
                doom.at("effect")

            await ctx.once("pay", pay)
            return Charged(event.order)
    else:

        @app.on(Charge, effects=DoomedEffects("shop.db", doom, marks_first=way == "mark first"), lease=0.5, prefetch=4)
        def charge_in_transaction(event: Charge, db: sqlite3.Connection) -> Charged:
            db.execute("INSERT INTO charge VALUES (?, ?)", (str(event.order), event.cents))
            doom.at("effect")
            return Charged(event.order)

    return app


async def main(way: str, step: str, count: int) -> None:
    doom, create = Doom(step, count), vagus.app.app.create_backend
    vagus.app.app.create_backend = lambda *told: DoomedBackend(create(*told), doom)  # type: ignore[attr-defined]
    app = made(way, doom)
    async with app.running():
        while any(figures.accounted != figures.acked for figures in (await app.stats()).groups):
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
