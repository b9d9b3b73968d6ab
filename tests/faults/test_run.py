"""Workers killed and stopped at random lose nothing; workers with a planted fault do, and are found out."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from vagus.testing.faults import Plan, run
from vagus.testing.faults.judge.verdict import Verdict

CARELESS = str(Path(__file__).with_name("careless.py"))
SMALL = Plan(events=600, publish_s=4.0, keys_at_once=50, workers=2, faults_s=5.0, every_s=1.0, drain_s=20.0)


@pytest.mark.slow
@pytest.mark.timeout(260)
@pytest.mark.requirement("R7", "R37", "R57")
@pytest.mark.contract("G1", "G2", "G4", "G5", "G6", "G8", "G10", "G12", "G20")
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_workers_killed_and_stopped_every_second_lose_nothing(seed: int, tmp_path: Path) -> None:
    plot = tmp_path / "run.svg"

    verdict = await run(f"sqlite:///{tmp_path}/faults.db", tmp_path / "history", Plan(seed=seed), plot=plot)

    print(verdict)
    assert verdict.ok, str(verdict)
    assert verdict.published + verdict.unknown == 20_000
    assert verdict.forced >= 200
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")


async def found_in(fault: str, folder: Path) -> Verdict:
    command = (sys.executable, CARELESS, fault)
    return await run(f"sqlite:///{folder}/faults.db", folder / "history", SMALL, worker=command)


@pytest.mark.slow
@pytest.mark.contract("G2")
async def test_worker_that_settles_before_it_handles_is_found_to_lose(tmp_path: Path) -> None:
    verdict = await found_in("hasty", tmp_path)

    losses = [finding.text for finding in verdict.findings if finding.check == "loss"]
    assert any("never handled" in text or "never finished" in text for text in losses), str(verdict)


@pytest.mark.slow
@pytest.mark.contract("G8")
async def test_worker_without_order_is_found_to_reorder(tmp_path: Path) -> None:
    verdict = await found_in("disordered", tmp_path)

    assert "order" in {finding.check for finding in verdict.findings}, str(verdict)


@pytest.mark.contract("G4", "G8")
async def test_killed_workers_with_handlers_in_threads_lose_nothing(tmp_path: Path) -> None:
    plan = msgspec.structs.replace(SMALL, threads=True)

    verdict = await run(f"sqlite:///{tmp_path}/faults.db", tmp_path / "history", plan)

    assert verdict.ok, str(verdict)
