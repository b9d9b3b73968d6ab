"""A process that commits wakes those of other processes who wait for it, wherever their sockets have to lie."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sqlite.place import end, opened, put, start, take, told
from vagus.backends.sqlite import writer
from vagus.backends.sqlite.doorbell import PATH_BYTES, Doorbell, bell_folder, bit_of
from vagus.errors import DatabaseUnusable

BIT = bit_of("topic", "t")


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose name is too long for a socket; the temporary place is this test's own, for its processes too."""
    with tempfile.TemporaryDirectory(prefix="v-", dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        monkeypatch.setenv("TMPDIR", short)
        folder = tmp_path / ("deep" * 30)
        folder.mkdir()
        yield folder


def test_whoever_waits_is_rung_once_until_it_answers(tmp_path: Path) -> None:
    one, two = Doorbell(tmp_path / "a.db"), Doorbell(tmp_path / "a.db")
    two.want(BIT)

    assert (one.ring(BIT), one.ring(BIT)) == (1, 0)
    assert two.answer()
    assert (one.ring(BIT), one.ring(BIT << 1)) == (1, 0)
    one.close()
    two.close()


def test_bells_of_a_long_path_lie_in_the_temporary_place_for_the_owner_alone(far: Path) -> None:
    path = far / "a.db"
    one, two = Doorbell(path), Doorbell(far / ".." / far.name / "a.db")
    folder = bell_folder(path)
    two.want(BIT)

    assert len(os.fsencode(path)) > PATH_BYTES > len(os.fsencode(folder / "12345678.bell"))
    assert folder.parent == Path(tempfile.gettempdir())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert one.ring(BIT) == 1
    one.close()
    two.close()


def test_temporary_place_that_is_anothers_is_refused(far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)

    with pytest.raises(DatabaseUnusable, match="belongs to another user"):
        bell_folder(far / "a.db")


def test_bell_of_a_dead_process_is_removed_by_the_next(tmp_path: Path) -> None:
    folder = bell_folder(tmp_path / "a.db")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(folder / "dead.bell"))
    (folder / "dead.want").write_bytes(bytes(65))

    bell = Doorbell(tmp_path / "a.db")
    bell.sweep()

    assert {path.name for path in folder.glob("dead*")} == set()
    bell.close()


async def test_event_on_a_long_path_reaches_a_waiting_process_by_bell(far: Path) -> None:
    other = await start("echoer", str(far / "a.db"))
    assert await told(other) == "open"
    async with opened(far / "a.db") as backend:
        await put(backend, "hello")

        body, _, late = (await told(other)).split()

    await end(other)
    assert (body, late) == ("hello", "0")


def test_page_has_no_hole_that_a_full_disk_could_not_fill(tmp_path: Path) -> None:
    bell = Doorbell(tmp_path / "a.db")

    (page,) = bell_folder(tmp_path / "a.db").glob("*.want")
    with page.open("rb") as file:
        assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) == page.stat().st_size > 0
    bell.close()


def test_bells_are_hung_up_again_where_their_folder_was_cleaned_away(tmp_path: Path) -> None:
    one, two = Doorbell(tmp_path / "a.db"), Doorbell(tmp_path / "a.db")
    two.want(BIT)
    number = two.fileno()
    shutil.rmtree(bell_folder(tmp_path / "a.db"))

    assert one.ring(BIT) == 0
    two.mend()
    assert one.ring(BIT) == 1
    assert (two.fileno(), two.answer()) == (number, True)
    one.close()
    two.close()


@pytest.mark.contract("G1", "G4", "G19")
async def test_lost_folder_of_bells_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SAFETY_S", 0.1)
    async with opened(tmp_path / "a.db") as one, opened(tmp_path / "a.db") as two:
        shutil.rmtree(bell_folder(tmp_path / "a.db"))

        waiting = asyncio.create_task(take(two))
        async with asyncio.timeout(20):
            assert [outcome.done for outcome in await put(one, "a")] == [True]
            assert [delivery.envelope.body for delivery in await waiting] == [b"a"]


async def test_lost_bell_is_made_up_for_by_the_safety_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SAFETY_S", 0.3)
    path = tmp_path / "a.db"
    async with opened(path) as waiting, opened(path) as publishing:
        taking = asyncio.create_task(take(waiting))
        while not waiting.wakeups.safety:  # it waits, and nothing else is to be done
            await asyncio.sleep(0.01)
        for bell in (tmp_path / "a.db.d").glob("*.bell"):
            bell.unlink()

        await put(publishing, "unheard bell")

        assert [delivery.envelope.body for delivery in await taking] == [b"unheard bell"]
        assert waiting.wakeups.late == 1
