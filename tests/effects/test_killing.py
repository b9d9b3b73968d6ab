"""Charges in processes that are killed between every two steps: the sum is exact, and each output is there once."""

from __future__ import annotations

import asyncio
import itertools
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from tests.effects.charger import LEDGER, RELAY, STEPS, TRANSACTION, Charge, Charged, Doom, made
from tests.effects.shop import Shop
from tools.markers import ROOT
from vagus import App
from vagus.backend import First

pytestmark = [pytest.mark.contract("G12", "G4"), pytest.mark.requirement("R105", "R37"), pytest.mark.timeout(900)]


class Till:
    """Charges that are to be made, and the workers that make them, each killed at a step of its own."""

    def __init__(self, folder: Path, way: str, charges: int) -> None:
        self.folder = folder
        self.way = way
        self.charges = charges
        self.killed: list[str] = []
        self.shop = Shop(folder / ("bank.db" if way == "ledger" else "shop.db"))
        if way == "ledger":
            self.shop.ask("CREATE UNIQUE INDEX once ON charge (order_id)")

    async def declare(self) -> None:
        async with made(self.way, Doom("", 0)):
            pass

    async def publish(self, numbers: Iterable[int]) -> None:
        async with App("sqlite:///vagus.db", name="till") as app:
            await app.publish([Charge(number, number) for number in numbers])

    def run(self, step: str, count: int) -> bool:
        """Let a worker work until it dies at `step`, or all is done; return whether it died."""
        command = [sys.executable, str(ROOT / "tests/effects/charger.py"), self.way, step, str(count)]
        done = subprocess.run(command, cwd=self.folder, timeout=120, capture_output=True, text=True)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        if done.returncode:
            self.killed.append(step)
        return done.returncode != 0

    def run_to_the_end(self, kills: int) -> None:
        """Make the charges in portions, each by a worker that is killed and in the end by one that is not."""
        asyncio.run(self.declare())
        numbers = iter(range(self.charges))
        for number, step in enumerate(itertools.islice(itertools.cycle(STEPS[self.way]), kills)):
            asyncio.run(self.publish(itertools.islice(numbers, self.charges // kills)))
            self.run(step, 1 if step in RELAY else 4)
            if number % 3 == 2:
                self.run("", 0)  # an event that is lost with five workers is quarantined, whoever is to blame
        asyncio.run(self.publish(numbers))
        assert not self.run("", 0)

    async def published(self) -> list[int]:
        async with App("sqlite:///vagus.db", name="till") as app:
            records = await app.backend.read("charged", First(), self.charges + 100)
            return sorted(_order(record.envelope.body) for record in records)


class Whole(msgspec.Struct):
    data: Charged


def _order(body: bytes) -> int:
    return msgspec.json.decode(body, type=Whole).data.order


def judge(till: Till) -> None:
    assert till.shop.ask("SELECT count(*), sum(cents) FROM charge") == [
        (till.charges, sum(range(till.charges))),
    ]
    assert asyncio.run(till.published()) == list(range(till.charges))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("way", ["transaction", "ledger"])
def test_charges_of_killed_workers_are_made_once_each(folder: Path, way: str) -> None:
    till = Till(folder, way, 100)

    till.run_to_the_end(len(STEPS[way]))

    assert till.killed == list(STEPS[way])
    judge(till)


@pytest.mark.slow
@pytest.mark.parametrize(("way", "kills"), [("transaction", 7 * len(TRANSACTION)), ("ledger", 12 * len(LEDGER))])
def test_thousand_charges_of_killed_workers_are_exact(folder: Path, way: str, kills: int) -> None:
    till = Till(folder, way, 1_000)

    till.run_to_the_end(kills)

    assert till.killed == list(itertools.islice(itertools.cycle(STEPS[way]), kills))
    judge(till)


def test_mark_before_the_effect_is_caught_by_the_sum(folder: Path) -> None:
    till = Till(folder, "mark first", 20)
    asyncio.run(till.declare())
    asyncio.run(till.publish(range(20)))

    till.run("effect", 2)
    till.run("", 0)

    with pytest.raises(AssertionError):
        judge(till)
