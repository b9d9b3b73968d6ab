"""A replay that is killed in the middle goes on where it was: nothing is missed, nothing is handed out anew."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.history.conftest import Order, Store
from vagus import App
from vagus.backend import Figures

COUNT = 400

APP = """
import asyncio, os
from pathlib import Path
from vagus import App, Context, Event

app = App("sqlite:///log.db", name="shop")

class Order(Event, topic="order", key="customer"):
    number: int
    customer: str = "ann"
    text: str = ""

@app.on(Order, lease=1, concurrency=4, ordered=False)
async def book(order: Order, ctx: Context) -> None:
    if order.number == 150 and not Path("died").exists():
        Path("died").touch()
        os.kill(os.getpid(), 9)
    with open("seen", "a") as seen:
        seen.write(f"{order.number} {ctx.generation}\\n")
"""


def vagus(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vagus", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)


async def _live(place: Store) -> Figures:
    app = App(place.url, name="look")
    async with app:
        (figures,) = await app.backend.stats("shop.book")
        return figures


async def _lived(place: Store) -> None:
    """Fill the log, and let the live group handle it."""
    app = App(place.url, name="shop")

    @app.on(Order, ordered=False)
    async def book(order: Order) -> None: ...

    async with app.running():
        place.fill(COUNT)
        async with asyncio.timeout(60):
            while (await app.backend.stats("shop.book"))[0].acked < COUNT:
                await asyncio.sleep(0.02)


@pytest.mark.contract("G14", "G4")
@pytest.mark.requirement("R94")
def test_replay_that_is_killed_goes_on_where_it_stopped(file: Store, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    asyncio.run(_lived(file))
    before = asyncio.run(_live(file))
    words = ("replay", "--from-start", "--to", "side:fix", "--rate", "4000/s", "--json")

    killed = vagus(tmp_path, *words)
    half = seen(tmp_path)
    again = vagus(tmp_path, *words)

    assert killed.returncode == -9
    assert 0 < len(half) < COUNT
    assert again.returncode == 0, again.stderr
    (report,) = json.loads(again.stdout)
    assert (report["acked"], report["count"], report["dead"]) == (COUNT, COUNT, 0)
    assert report["resumed"] > 0
    assert "going on after" in again.stderr
    assert {number for number, _ in seen(tmp_path)} == set(range(COUNT))
    assert {generation for _, generation in seen(tmp_path)} == {1}
    twice = len(seen(tmp_path)) - COUNT
    assert twice <= 120, "more was handled twice than could be in hand"
    assert asyncio.run(_live(file)) == before
    assert os.listdir(tmp_path).count("died") == 1


def seen(folder: Path) -> list[Any]:
    lines = (folder / "seen").read_text(encoding="utf-8").splitlines()
    return [tuple(map(int, line.split())) for line in lines]
