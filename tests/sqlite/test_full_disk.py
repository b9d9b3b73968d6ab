"""A disk that is full refuses what is new, keeps what is old, and is as good as before when there is room again."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sqlite.place import GROUP, TOPIC, event, opened, put, take
from vagus import App, Event
from vagus.backend import Done, PutOutcome, Settle, Unit
from vagus.errors import BackendError, DiskFull

BIG = "x" * 60_000


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Let the kernel refuse what would grow a file beyond `size` bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.contract("G13", "G19")
async def test_full_disk_refuses_the_new_and_keeps_the_old(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.db") as backend:
        await put(backend, "old")
        with no_file_larger_than(300_000):
            outcomes = [(await put(backend, BIG))[0] for _ in range(20)]
        stored = sum(outcome.done for outcome in outcomes)

        assert 0 < stored < 20
        assert outcomes[-1].puts == [PutOutcome("refused", why="disk")]
        assert (await put(backend, "new"))[0].done
        bodies = [delivery.envelope.body for delivery in await take(backend)]
        assert (bodies[0], bodies[-1], len(bodies)) == (b"old", b"new", stored + 2)


@pytest.mark.contract("G13")
async def test_unit_refused_by_a_full_disk_settles_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.db") as backend:
        await put(backend, "cause")
        (held,) = await take(backend)
        unit = Unit([event(BIG * 10)], [Settle(held.token, Done("acked"))])
        with no_file_larger_than(300_000):
            refused = (await backend.commit([unit]))[0]
            figures = (await backend.stats("g"))[0]

        assert (refused.done, refused.settles) == (False, ["untried"])
        assert (figures.held, figures.acked) == (1, 0)
        assert (await backend.commit([unit]))[0].done


async def test_declaring_on_a_full_disk_is_a_named_error(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.db") as backend:
        with no_file_larger_than(1_000), pytest.raises(DiskFull) as caught:
            await backend.declare([TOPIC], [type(GROUP)(name="other", patterns=("t",))])

        assert str(tmp_path / "a.db") in caught.value.where
        assert "df -h" in caught.value.hint
        await backend.declare([TOPIC], [type(GROUP)(name="other", patterns=("t",))])


class Note(Event):
    """Something large."""

    text: str


@pytest.mark.contract("G13")
async def test_publisher_is_told_by_name_that_the_disk_is_full(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/a.db", name="full")

    @app.on(Note)
    async def read(note: Note) -> None: ...

    async with app:
        with no_file_larger_than(200_000), pytest.raises(BackendError) as caught:
            for _ in range(20):
                await app.publish(Note(text=BIG))

        assert type(caught.value).__name__ in ("TopicFull", "DiskFull")
        assert (await app.publish(Note(text="small"))) is not None
