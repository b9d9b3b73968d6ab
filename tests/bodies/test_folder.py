"""Blobs in a folder: whole or not there, for the owner alone, and kept when somebody needs them at the last moment."""

from __future__ import annotations

import os
import stat
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from vagus.blob import BlobStore
from vagus.blobs.folder import FolderBlobs
from vagus.errors import BackendError, ConnectFailed, DiskFull, InvalidArgument
from vagus.registry import create_blobs

pytestmark = pytest.mark.requirement("R65")

DAY_S = 86_400.0


def name_of(content: bytes) -> str:
    return sha256(content).hexdigest()


@pytest.fixture
async def blobs(tmp_path: Path) -> FolderBlobs:
    made = FolderBlobs(tmp_path / "bodies")
    await made.open()
    return made


def file_of(tmp_path: Path, content: bytes) -> Path:
    name = name_of(content)
    return tmp_path / "bodies" / name[:2] / name


def age(path: Path, by_s: float) -> None:
    known = path.stat().st_mtime - by_s
    os.utime(path, (known, known))


async def test_content_comes_back_and_is_for_the_owner_alone(blobs: FolderBlobs, tmp_path: Path) -> None:
    await blobs.put(name_of(b"a"), b"a")

    path = file_of(tmp_path, b"a")
    assert await blobs.get(name_of(b"a")) == b"a"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == [path.name]


async def test_what_is_not_there_is_none(blobs: FolderBlobs) -> None:
    assert await blobs.get(name_of(b"a")) is None
    assert await blobs.remove(name_of(b"a"), 0) is False


async def test_file_is_synced_before_it_has_its_name(blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (seen.append("name"), replace(*paths)))

    await blobs.put(name_of(b"a"), b"a")

    assert seen == ["sync", "name", "sync", "sync"]  # the file; its folder and, since that is new, the one above


async def test_writing_that_fails_leaves_nothing_behind(
    blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(DiskFull):
        await blobs.put(name_of(b"a"), b"a")
    assert list(file_of(tmp_path, b"a").parent.iterdir()) == []


async def test_half_a_file_is_written_anew(blobs: FolderBlobs, tmp_path: Path) -> None:
    await blobs.put(name_of(b"abc"), b"abc")
    file_of(tmp_path, b"abc").write_bytes(b"a")

    await blobs.put(name_of(b"abc"), b"abc")

    assert await blobs.get(name_of(b"abc")) == b"abc"


async def test_putting_again_begins_the_idle_time_anew(blobs: FolderBlobs, tmp_path: Path) -> None:
    await blobs.put(name_of(b"a"), b"a")
    age(file_of(tmp_path, b"a"), 2 * DAY_S)
    assert (await blobs.names("", 10))[0].idle_s >= 2 * DAY_S

    await blobs.put(name_of(b"a"), b"a")

    assert (await blobs.names("", 10))[0].idle_s < DAY_S
    assert await blobs.remove(name_of(b"a"), DAY_S) is False
    assert await blobs.get(name_of(b"a")) == b"a"


async def test_held_blob_is_not_idle_and_stays_held(blobs: FolderBlobs) -> None:
    await blobs.put(name_of(b"a"), b"a", hold_s=DAY_S)
    await blobs.put(name_of(b"a"), b"a")
    assert (await blobs.names("", 10))[0].idle_s < 0
    assert await blobs.remove(name_of(b"a"), 0) is False


async def test_names_come_in_pages_and_in_order(blobs: FolderBlobs) -> None:
    names = sorted(name_of(b"%d" % number) for number in range(30))
    for number in range(30):
        await blobs.put(name_of(b"%d" % number), b"%d" % number)

    found: list[str] = []
    while page := await blobs.names(found[-1] if found else "", 7):
        found += [info.name for info in page]

    assert found == names


async def test_removal_that_died_in_the_middle_loses_nothing(blobs: FolderBlobs, tmp_path: Path) -> None:
    await blobs.put(name_of(b"a"), b"a")
    path = file_of(tmp_path, b"a")
    aside = path.with_name(f"{path.name}.1-a.old")
    path.rename(aside)

    assert await blobs.get(name_of(b"a")) == b"a"

    two_days_on = time.time() + 2 * DAY_S
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: two_days_on)
        await blobs.names("", 10)
    assert path.read_bytes() == b"a"
    assert not aside.exists()


async def test_half_written_file_of_a_dead_process_is_cleared_away(blobs: FolderBlobs, tmp_path: Path) -> None:
    await blobs.put(name_of(b"a"), b"a")
    half = file_of(tmp_path, b"a").with_name("half.1-a.new")
    half.write_bytes(b"")
    (half.parent / "foreign.txt").write_bytes(b"")

    assert len(await blobs.names("", 10)) == 1
    assert half.exists()
    two_days_on = time.time() + 2 * DAY_S
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: two_days_on)
        await blobs.names("", 10)
    assert not half.exists()
    assert (half.parent / "foreign.txt").exists()


async def test_file_in_the_place_of_the_folder_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "bodies").write_text("a file")
    with pytest.raises(ConnectFailed, match="folder of blobs"):
        await FolderBlobs(tmp_path / "bodies").open()


async def test_folder_that_is_gone_is_a_named_error(blobs: FolderBlobs, tmp_path: Path) -> None:
    (tmp_path / "bodies").rmdir()
    with pytest.raises(BackendError, match="the folder of blobs failed"):
        await blobs.put(name_of(b"a"), b"a")


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63])
async def test_name_that_is_no_hash_never_becomes_a_path(blobs: FolderBlobs, name: str) -> None:
    with pytest.raises(InvalidArgument):
        await blobs.get(name)


@pytest.mark.parametrize("place", ["bodies/", "bodies", "file:bodies", Path("bodies"), "file:///srv/a%20b"])
def test_place_is_a_folder_or_a_url(place: Any) -> None:
    assert isinstance(create_blobs(place), FolderBlobs)


@pytest.mark.parametrize("place", ["", 3, "s3://bucket", "file://host/srv", "file:a?b=c"])
def test_place_that_means_nothing_is_refused(place: Any) -> None:
    with pytest.raises(InvalidArgument):
        create_blobs(place)


def test_object_that_is_a_store_is_taken_as_it_is(tmp_path: Path) -> None:
    store: BlobStore = FolderBlobs(tmp_path)
    assert create_blobs(store) is store
