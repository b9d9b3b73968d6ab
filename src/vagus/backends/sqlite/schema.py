"""From a path to a database of ours: what the file is, which version its tables have, and what they must become."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import apsw

from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.failures import unusable
from vagus.backends.sqlite.options import Options
from vagus.errors import SchemaTooNew
from vagus.ledger.sql.tables import LEDGER, MIGRATIONS

#: Marks a database file as one of ours: "vagu".
APPLICATION_ID = 0x76616775

_MAGIC = b"SQLite format 3\0"

#: A file up to this size is checked whole when it is opened, in bytes; a larger one would take seconds.
_CHECKED = 16 << 20

#: File systems on which locks or shared memory do not reach every process that has the file.
_NETWORK = frozenset(
    """nfs nfs3 nfs4 cifs smb smb2 smb3 smbfs ncpfs afs 9p ceph glusterfs lustre gfs gfs2 ocfs2 beegfs orangefs
    davfs acfs gpfs vboxsf vmhgfs virtiofs""".split()  # noqa: SIM905
)


def prepare(path: Path, mounts: str | None = None) -> None:
    """Look whether `path` can hold a database, and make the file, readable by nobody else, if it is not there.

    Raises `DatabaseUnusable` for a folder that is missing, a network file system, or a file of another kind.
    """
    folder = path.parent
    if not folder.is_dir():
        raise unusable("the folder of the database does not exist", path, hint=f"mkdir -p {folder}")
    kind = file_system(folder, _mounts() if mounts is None else mounts)
    if kind in _NETWORK or kind.startswith("fuse."):
        raise unusable(
            f"the database is on a network file system ({kind}), where locks do not hold",
            path,
            hint="put the file on a local disk, or use a backend with a server",
        )
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise unusable("this is not a file", path, hint="name a file that is not there yet")
        head = os.read(descriptor, len(_MAGIC))
        if head and head != _MAGIC:
            raise unusable("this is not a database file", path, hint="name a file that is not there yet")
    finally:
        os.close(descriptor)


def file_system(folder: Path, mounts: str) -> str:
    """Return the kind of file system that `folder` is on, from a table of mounts as Linux has it; "" if unknown."""
    real = os.path.realpath(folder)
    found, kind = "", ""
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        point = fields.split()[4].encode().decode("unicode_escape") if len(fields.split()) > 4 else ""
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if point and inside and len(point) >= len(found):
            found, kind = point, rest.split()[0]
    return kind


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # not Linux: the check is left out


def open_database(options: Options, lock: Path, migrations: Sequence[str] = MIGRATIONS) -> Database:
    """Open the prepared file, and bring its tables to the newest version; processes that open at once take turns.

    Raises `DatabaseUnusable` or `SchemaTooNew`; nothing is changed in a file that is not ours.
    """
    db = Database(options.path, lock)
    try:
        with db.alone():
            _set_up(db, options)
            migrate(db, options.path, migrations)
    except BaseException:
        db.close()
        raise
    return db


def _set_up(db: Database, options: Options) -> None:
    path = options.path
    mark = db.number("PRAGMA application_id")
    if mark != APPLICATION_ID and db.row("SELECT name FROM sqlite_master LIMIT 1") is not None:
        raise unusable("this is the database of another program", path, hint="name a file of vagus, or a new one")
    if path.stat().st_size <= _CHECKED:
        verdict = db.row("PRAGMA quick_check(1)")
        if verdict is not None and verdict[0] != "ok":
            raise apsw.CorruptError(verdict[0])
    mode = db.row("PRAGMA journal_mode = WAL")
    if mode is None or mode[0] != "wal":
        raise unusable("the file system has no shared memory for a write-ahead log", path, hint="use a local disk")
    db.execute(f"PRAGMA synchronous = {options.synchronous.upper()}")
    db.execute("PRAGMA wal_autocheckpoint = 4000")
    db.execute("PRAGMA journal_size_limit = 67108864")
    db.execute("PRAGMA cache_size = -32000")
    db.execute("PRAGMA temp_store = MEMORY")


def migrate(db: Database, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the tables to the version that the last migration makes; each is one transaction."""
    version = schema_version(db)
    if version > len(migrations):
        raise SchemaTooNew(
            f"the database has schema version {version}, this vagus knows {len(migrations)}",
            where=str(path),
            hint="pip install --upgrade vagus",
            found=version,
            known=len(migrations),
        )
    for number, script in enumerate(migrations[version:], version + 1):
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute(LEDGER)
            db.execute(script)
            db.execute(
                "INSERT INTO ledger VALUES ('schema', ?) ON CONFLICT DO UPDATE SET value = excluded.value", (number,)
            )
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute("COMMIT")
        except BaseException:
            db.rollback()
            raise


def schema_version(db: Database) -> int:
    """Return the version of the tables that are there, 0 when there are none."""
    if db.row("SELECT 1 FROM sqlite_master WHERE name = 'ledger'") is None:
        return 0
    return db.number("SELECT value FROM ledger WHERE name = 'schema'")
