"""Mode and pick are switched every second while events flow and members die: each event goes the way of its epoch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.dispatch.drill import Drill, Outcome
from tests.dispatch.grounds import Apps, Processes


@pytest.fixture
async def apps(tmp_path: Path) -> AsyncIterator[Apps]:
    ground = Apps(tmp_path.name)
    async with ground.client():
        yield ground
        await ground.end()


@pytest.fixture
def processes(tmp_path: Path, shared: None) -> Iterator[Processes]:
    ground = Processes(tmp_path)
    yield ground
    ground.end()


def sound(outcome: Outcome, flips: int, kills: int) -> None:
    """Hold an outcome to what is promised."""
    print(outcome.sentence)
    assert outcome.faults[:10] == []
    assert (outcome.flips >= flips, outcome.kills >= kills) == (True, True)
    assert outcome.lost_members == set()


@pytest.mark.requirement("R5", "R6", "R20")
@pytest.mark.contract("G2", "G3", "G15")
async def test_switching_in_memory_keeps_every_promise(apps: Apps) -> None:
    outcome = await Drill(apps, 8, rate=500, steady_s=1, kill_every_s=3).run()

    sound(outcome, flips=8, kills=2)


@pytest.mark.requirement("R5", "R6", "R20")
@pytest.mark.contract("G2", "G3", "G15")
async def test_switching_over_processes_keeps_every_promise(processes: Processes) -> None:
    outcome = await Drill(processes, 8, rate=100, steady_s=1, kill_every_s=4).run()

    sound(outcome, flips=8, kills=1)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.contract("G2", "G3", "G15")
async def test_minute_of_switching_in_memory_keeps_the_pace(apps: Apps) -> None:
    outcome = await Drill(apps, 60, rate=500, steady_s=10, kill_every_s=9).run()

    sound(outcome, flips=50, kills=5)
    in_pace(outcome)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.contract("G2", "G3", "G15")
async def test_minute_of_switching_over_processes_keeps_the_pace(processes: Processes) -> None:
    outcome = await Drill(processes, 60, rate=500, steady_s=10, kill_every_s=9).run()

    sound(outcome, flips=50, kills=5)
    in_pace(outcome)


def in_pace(outcome: Outcome) -> None:
    """Hold publishing to twice its steady pace."""
    # Where publishing takes no time at all, twice as much is none either: a turn of the loop is the measure then.
    assert outcome.switched_p99_ms < max(2 * outcome.steady_p99_ms, 10.0)
