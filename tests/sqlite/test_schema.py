"""An older database is brought up to date with all that it holds; a newer one is left alone."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.sqlite.place import opened, put, take
from vagus.backend import Done, GroupSpec, Inbox, Member, Put, Settle, Steering, Switch, Unit
from vagus.backends.sqlite import Sqlite
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.options import Options
from vagus.backends.sqlite.schema import migrate, open_database, prepare, schema_version
from vagus.errors import SchemaTooNew
from vagus.ledger.sql.tables import MIGRATIONS
from vagus.message import Envelope

FROZEN = Path(__file__).with_name("version_1.sql")
NEXT = (*MIGRATIONS, "ALTER TABLE event ADD COLUMN colour TEXT; UPDATE event SET colour = 'none'")
BROKEN = (*MIGRATIONS, "ALTER TABLE event ADD COLUMN colour TEXT; SELECT broken")


def reopen(path: Path, migrations: tuple[str, ...] = MIGRATIONS) -> Database:
    prepare(path)
    return open_database(Options(path, "normal"), path.with_suffix(".lock"), migrations)


async def test_frozen_database_of_version_1_gives_out_all_that_it_held(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(FROZEN.read_text(encoding="utf-8"))

    async with opened(path, group=GroupSpec(name="g", patterns=("t",), ordered=True)) as backend:
        found = {}
        while len(found) < 5:
            for delivery in await take(backend):
                found[delivery.envelope.body] = delivery
                await backend.commit([Unit(settles=[Settle(delivery.token, Done("acked"))])])
        figures = (await backend.stats("g"))[0]
        assert backend.store is not None
        value = (await backend.store.get(["a"]))[0]
        parts = await backend.store.follow("s", 0, 10)
        again = (await put(backend, "new"))[0].puts[0]

    assert set(found) == {b"held", b"parked", b"waiting", b"ready", b"scheduled"}
    assert (found[b"held"].losses, found[b"waiting"].note) == (1, b"noted")
    assert figures.entered == figures.accounted == figures.acked == 6
    assert value is not None
    assert value.body == b"kept"
    assert [part.body for part in parts] == [b"one", b"two"]
    assert again.position == 7


#: What a file of version 1 has besides: a group that delivers to all, one member that is away, and an inbox of nobody.
EVERYONE = """
INSERT INTO team VALUES (2, 'each', '["t"]', 'all', 'now', 30.0, 1, 1e9, NULL);
INSERT INTO subscription (id, team, member, away_since) VALUES (2, 2, 'cat', 1.7e9);
INSERT INTO log (id, name, lanes, archive, heard) VALUES (5, '$inbox.each', 1, 0, 1), (6, '$inbox.each/cat', 1, 0, 1);
INSERT INTO lane VALUES (50, 0, 0, 0), (60, 0, 0, 0);
INSERT INTO reading VALUES (2, 10, 3, 3, 3, 0, 0), (2, 60, 0, 0, 0, 0, 0);
"""


async def test_groups_of_version_1_can_be_switched_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(FROZEN.read_text(encoding="utf-8") + EVERYONE)

    async with opened(path, group=GroupSpec(name="g", patterns=("t",), ordered=True)) as backend:
        first = {info.spec.name: info.steering for info in (await backend.describe()).groups}
        refused = (await backend.commit([Unit([Put(Inbox("each"), Envelope(b"x"))])]))[0].puts[0]
        await backend.steer("each", Switch("once", "", 2))
        await backend.commit([Unit([Put(Inbox("each"), Envelope(b"redriven"), entry="redriven")])])
        cat = backend.attach(Inbox("each"), Member("cat", named=True), 100)
        found: set[bytes] = set()
        while len(found) < 4:
            for delivery in await cat.take(100, ()):
                found.add(delivery.envelope.body)
                await backend.commit([Unit(settles=[Settle(delivery.token, Done("acked"))])])
        figures = await backend.stats("each")

    assert first == {"g": Steering("once"), "each": Steering("all")}
    assert refused.why == "no group"
    assert found == {b"waiting", b"ready", b"scheduled", b"redriven"}
    assert sum(each.entered for each in figures) == sum(each.accounted for each in figures) == 4


async def test_migration_keeps_what_is_stored_and_raises_the_version(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with opened(path) as backend:
        await put(backend, "a", "b")

    with closing(reopen(path, NEXT)) as db:
        assert schema_version(db) == len(NEXT)
        assert db.rows("SELECT body, colour FROM event") == [(b"a", "none"), (b"b", "none")]


async def test_migration_that_fails_leaves_the_older_version_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with opened(path) as backend:
        await put(backend, "a")

    with pytest.raises(apsw.SQLError, match="broken"):
        reopen(path, BROKEN)

    async with opened(path) as backend:
        assert [record.envelope.body for record in await take(backend)] == [b"a"]
    with closing(sqlite3.connect(path)) as look:
        assert "colour" not in [column[1] for column in look.execute("PRAGMA table_info(event)")]


async def test_newer_schema_is_refused_with_both_versions_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with opened(path) as backend:
        await put(backend, "a")
    reopen(path, NEXT).close()

    with pytest.raises(SchemaTooNew, match=f"version {len(NEXT)}, this vagus knows {len(MIGRATIONS)}") as caught:
        await Sqlite(f"sqlite:///{path}").open()

    assert "pip install" in caught.value.hint
    with closing(reopen(path, NEXT)) as db:
        assert schema_version(db) == len(NEXT)


def test_those_who_open_a_new_file_at_once_make_its_tables_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    prepare(path)
    failures: list[BaseException] = []
    ready = threading.Barrier(8)

    def open_one() -> None:
        ready.wait()
        try:
            reopen(path).close()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=open_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with closing(reopen(path)) as db:
        migrate(db, path)
        assert schema_version(db) == len(MIGRATIONS)
