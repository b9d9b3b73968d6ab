"""What was confirmed outlives a `kill -9` at any moment, and no unit is ever half there."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.sqlite.place import opened, put, start, take, told
from tests.sqlite.publisher import SIZE


async def publish_and_kill(path: Path, log: Path, query: str, first: int, after_s: float) -> None:
    """Let a process publish, and kill it while it does; the moment is chance, and that is the point."""
    process = await start("publisher", str(path), str(log), query, str(first))
    assert await told(process) == "open"
    await asyncio.sleep(after_s)
    process.kill()
    await process.wait()


def stored(path: Path) -> Counter[int]:
    """Count the events of each unit, as a plain reader of the file sees them."""
    with closing(sqlite3.connect(path)) as look:
        assert look.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        bodies = [bytes(body).decode() for (body,) in look.execute("SELECT body FROM event")]
    return Counter(int(body.split("/")[0]) for body in bodies)


async def kill_often(folder: Path, query: str, rounds: int, seed: int) -> int:
    """Kill a publisher in many moments and judge after each; return how many units were confirmed in all."""
    path, log = folder / "a.db", folder / "confirmed"
    chance = random.Random(seed)
    for number in range(rounds):
        await publish_and_kill(path, log, query, number * 1_000_000, chance.uniform(0.0, 0.15))
        units = stored(path)
        confirmed = {int(line) for line in log.read_text().splitlines()} if log.exists() else set()
        assert confirmed <= units.keys()
        assert set(units.values()) <= {SIZE}
    return len(confirmed)


@pytest.mark.contract("G1", "G12")
@pytest.mark.parametrize("query", ["?synchronous=full", "?synchronous=normal"])
async def test_confirmed_units_outlive_a_kill_in_mid_commit(tmp_path: Path, query: str) -> None:
    confirmed = await kill_often(tmp_path, query, rounds=6, seed=1)

    assert confirmed > 6
    async with opened(tmp_path / "a.db") as backend:
        figures = (await backend.stats("g"))[0]
        assert figures.entered == figures.accounted == figures.ready == sum(stored(tmp_path / "a.db").values())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.contract("G1")
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_confirmed_units_outlive_hundreds_of_kills(tmp_path: Path, seed: int) -> None:
    assert await kill_often(tmp_path, "?synchronous=full", rounds=100, seed=seed) > 100


async def test_two_processes_store_into_one_file_at_once(tmp_path: Path) -> None:
    path, logs = tmp_path / "a.db", [tmp_path / "one", tmp_path / "two"]
    processes = [
        await start("publisher", str(path), str(log), "?synchronous=normal", str(number * 1_000_000))
        for number, log in enumerate(logs)
    ]
    for process in processes:
        assert await told(process) == "open"
    while not all(log.exists() and len(log.read_text().splitlines()) > 50 for log in logs):
        await asyncio.sleep(0.01)
    for process in processes:
        process.kill()
        await process.wait()

    units = stored(path)

    assert {int(line) for log in logs for line in log.read_text().splitlines()} <= units.keys()
    assert set(units.values()) == {SIZE}


async def test_lock_of_a_killed_writer_is_free(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await publish_and_kill(path, tmp_path / "log", "?synchronous=full", 0, 0.05)

    async with opened(path) as backend:
        assert (await put(backend, "after"))[0].done
        bodies = [delivery.envelope.body for delivery in await take(backend, limit=100_000)]

    assert bodies[-1] == b"after"
