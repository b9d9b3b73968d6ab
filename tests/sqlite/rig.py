"""The engine of the file without its thread: each operation is one transaction, at a time that the test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from vagus.backend import Delivery, Inbox, Member, Outcome, Source, Unit
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.engine import Engine
from vagus.backends.sqlite.options import Options
from vagus.backends.sqlite.schema import open_database, prepare

T = TypeVar("T")


class Rig:
    """An engine on a file of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rig.db"
        prepare(self.path)
        self.db: Database = open_database(Options(self.path, "normal"), folder / "lock")
        self.db.execute("PRAGMA synchronous = OFF")
        self.engine = Engine(self.db, keep_s=7 * 86_400.0)

    def do(self, work: Callable[[Engine], T], now: float, *, anew: bool = False) -> T:
        """Carry out `work` in a transaction; `anew` as if another process had written in between."""
        if anew:
            self.engine.cache.forget()
        engine = self.engine
        self.db.execute("BEGIN IMMEDIATE")
        engine.cache.refresh()
        if engine.cache.scheduled_at <= now:
            engine.putting.enter_due(now)
        engine.members.expire(now)
        engine.state.forget(now)
        result = work(engine)
        engine.cache.flush()
        self.db.execute("COMMIT")
        engine.settling.keep_renewals()
        engine.forget_news()
        return result

    def commit(self, units: Sequence[Unit], now: float, *, anew: bool = False) -> list[Outcome]:
        """Carry out units."""
        return self.do(lambda engine: engine.commit(units, now), now, anew=anew)

    def take(
        self, source: Source, member: Member, limit: int, now: float, *, lanes: Sequence[int] = (), credit: int = 100
    ) -> list[Delivery]:
        """Take what there is, without waiting; the quick look before it must never say no to something."""

        def work(engine: Engine) -> list[Delivery]:
            if source == Inbox(source.group):
                engine.members.seen(source.group, member, now)
            sources = engine.members.sources(source, member.name)
            may = engine.taking.may_take(sources, member.name, credit, lanes, now)
            taken = engine.taking.take(sources, member.name, credit, limit, lanes, now)
            assert may or not taken
            return taken

        return self.do(work, now)

    def close(self) -> None:
        """Close the file."""
        self.db.close()
