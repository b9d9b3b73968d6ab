"""A file that is deleted or replaced while it is open takes nothing more: what it took would be lost in silence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sqlite.place import opened, put, take
from vagus import App, Event
from vagus.errors import DatabaseUnusable


def delete(path: Path) -> None:
    """Take the file away, as a cleaner would."""
    path.unlink()


def replace(path: Path) -> None:
    """Put a copy in its place, as a restored backup would be."""
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


@pytest.mark.contract("G1", "G19")
@pytest.mark.parametrize("take_away", [delete, replace])
async def test_file_that_is_gone_takes_no_event(tmp_path: Path, take_away: Callable[[Path], None]) -> None:
    path = tmp_path / "a.db"
    async with opened(path) as backend:
        await put(backend, "old")
        take_away(path)

        with pytest.raises(DatabaseUnusable, match="deleted, moved or replaced") as caught:
            await put(backend, "lost")
        assert caught.value.where == str(path)


async def test_file_that_is_back_in_its_place_works_again(tmp_path: Path) -> None:
    path, away = tmp_path / "a.db", tmp_path / "away.db"
    async with opened(path) as backend:
        path.rename(away)
        with pytest.raises(DatabaseUnusable):
            await put(backend, "refused")
        away.rename(path)

        await put(backend, "new")
        assert [delivery.envelope.body for delivery in await take(backend)] == [b"new"]


class Note(Event):
    """Something."""

    text: str


@pytest.mark.contract("G1")
async def test_publisher_is_told_by_name_that_the_file_is_gone(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/a.db", name="gone")

    @app.on(Note)
    async def read(note: Note) -> None: ...

    async with app:
        (tmp_path / "a.db").unlink()
        with pytest.raises(DatabaseUnusable, match="deleted"):
            await app.publish(Note("lost"))
