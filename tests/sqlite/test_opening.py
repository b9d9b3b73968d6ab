"""What is wrong with a file is said by name when it is opened, and what is right is readable by its owner alone."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.sqlite.place import opened, put, take
from vagus.backends.sqlite import Sqlite
from vagus.backends.sqlite.schema import file_system, prepare
from vagus.errors import DatabaseUnusable, ForkedAfterOpen, InvalidArgument

NOBODY = 65_534


@contextmanager
def powerless() -> Iterator[None]:
    """Be an ordinary user while inside, also where the tests run as root, whom no mode stops."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that an ordinary user owns, below folders that everybody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="vagus-open-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


async def refusal(path: Path) -> DatabaseUnusable:
    with pytest.raises(DatabaseUnusable) as caught:
        await Sqlite(f"sqlite:///{path}").open()
    assert str(path) in caught.value.where
    assert caught.value.hint
    return caught.value


async def filled(path: Path, events: int = 50) -> None:
    async with opened(path) as backend:
        await put(backend, *(b"x" * 2_000 for _ in range(events)))


@pytest.mark.contract("G19")
async def test_read_only_file_is_refused_by_name(reachable: Path) -> None:
    path = reachable / "a.db"
    with powerless():
        await filled(path)
        path.chmod(0o400)

        error = await refusal(path)

    assert "cannot be written" in error.what


@pytest.mark.contract("G19")
async def test_read_only_folder_is_refused_by_name(reachable: Path) -> None:
    with powerless():
        reachable.chmod(0o500)

        error = await refusal(reachable / "a.db")

    assert "cannot be written" in error.what


@pytest.mark.contract("G19")
async def test_missing_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    error = await refusal(tmp_path / "away" / "a.db")

    assert "folder of the database does not exist" in error.what
    assert "mkdir" in error.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.contract("G19")
async def test_corrupt_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await filled(path)
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * 60_000)

    error = await refusal(path)

    assert "corrupt" in error.what
    assert "integrity_check" in error.hint


@pytest.mark.contract("G19")
@pytest.mark.parametrize("content", [b"to whom it may concern\n" * 9, b"S"], ids=["letter", "one-byte"])
async def test_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(content)

    error = await refusal(path)

    assert "not a database" in error.what
    assert path.read_bytes() == content


@pytest.mark.contract("G19")
async def test_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as theirs, theirs:
        theirs.execute("CREATE TABLE customer (name TEXT)")
    before = path.read_bytes()

    error = await refusal(path)

    assert "another program" in error.what
    assert path.read_bytes() == before


MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:40 / /srv rw,relatime shared:9 - nfs4 files:/srv rw
41 40 8:2 / /srv/local rw,relatime - xfs /dev/sdb1 rw
42 22 0:41 / /mnt/my\040share rw - fuse.sshfs me@there:/ rw
43 22 0:42 / /srvother rw - tmpfs tmpfs rw
"""


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/deep/down", "nfs4"),
        ("/srv/local/x", "xfs"),
        ("/mnt/my share", "fuse.sshfs"),
        ("/srvother", "tmpfs"),
    ],
)
def test_file_system_is_that_of_the_nearest_mount(folder: str, kind: str) -> None:
    assert file_system(Path(folder), MOUNTS) == kind


@pytest.mark.contract("G19")
@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs"])
def test_network_file_system_is_refused_before_anything_is_made(tmp_path: Path, kind: str) -> None:
    mounts = f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 0:40 / {tmp_path.resolve()} rw - {kind} there:/ rw\n"

    with pytest.raises(DatabaseUnusable, match=rf"network file system \({kind}\)"):
        prepare(tmp_path / "a.db", mounts)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///a.db?sync=full", "unknown option 'sync'"),
        ("sqlite:///a.db?synchronous=off", "expected full or normal"),
        ("sqlite:///a.db?keep=week", "expected a number with s, m, h or d"),
        ("sqlite://a.db", "does not name a file"),
        ("sqlite:///", "does not name a file"),
        ("sqlite:////tmp", "is a folder"),
        (f"sqlite:///{'a' * 300}.db", "no file can have the name"),
        ("sqlite:///a%00.db", "no file can have the name"),
    ],
)
def test_wrong_url_is_refused_with_what_was_expected(url: str, expected: str) -> None:
    with pytest.raises(InvalidArgument, match=expected) as caught:
        Sqlite(url)

    assert caught.value.hint


@pytest.mark.contract("G19")
async def test_use_after_a_fork_is_refused_by_name(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.db") as backend:
        await put(backend, "before")
        child = os.fork()
        if child == 0:  # nothing but an exit code leaves here
            code = 1
            try:
                backend.attach  # noqa: B018
                _ = backend.store
            except ForkedAfterOpen:
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 0
        assert [delivery.envelope.body for delivery in await take(backend)] == [b"before"]


async def test_everything_on_disk_is_for_the_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        async with opened(tmp_path / "a.db") as backend:
            await put(backend, "a")
            found = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    finally:
        os.umask(old)

    names = {path.name for path in found if path.parent == tmp_path}
    assert names == {"a.db", "a.db-wal", "a.db-shm", "a.db.d"}
    assert {path.suffix for path in found if path.parent != tmp_path} == {"", ".bell", ".want"}
    assert {oct(mode) for path, mode in found.items() if path.suffix != ".d"} == {"0o600"}
    assert oct(found[tmp_path / "a.db.d"]) == "0o700"
