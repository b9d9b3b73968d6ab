"""Whole worlds by seed: none breaks a promise, each is hit, each planted bug is found."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.simulation import bugs
from vagus.testing.simulation import Bug, Report, simulate

PROMISES = ("G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G10", "G12", "G13", "G14", "G20")
STEPS = 200
SEEDS_PER_BUG = 200


def judged(reports: Iterable[Report]) -> tuple[int, int, Counter[str]]:
    """Hold each report to what every seed must show; return how many seeds and steps, and the faults."""
    seeds, steps, faults = 0, 0, Counter[str]()
    for report in reports:
        assert report.clean, str(report)
        assert report.steps >= STEPS, str(report)
        assert sum(report.faults.values()) >= 1, str(report)
        seeds, steps = seeds + 1, steps + report.steps
        faults.update(report.faults)
    return seeds, steps, faults


def told(began: float, seeds: int, steps: int, faults: Counter[str]) -> None:
    """Print the figures, for whoever runs pytest with -s."""
    took_s = time.perf_counter() - began
    hits = ", ".join(f"{count} {kind}" for kind, count in sorted(faults.items()))
    print(f"\n{seeds} seeds in {took_s:.1f} s ({seeds / took_s:.1f} a second), {steps} steps, faults that hit: {hits}")


@pytest.mark.contract(*PROMISES)
@pytest.mark.requirement("R57")
def test_sixty_worlds_keep_every_promise() -> None:
    began = time.perf_counter()
    told(began, *judged(simulate(seed) for seed in range(60)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.contract(*PROMISES)
@pytest.mark.requirement("R57")
def test_a_thousand_worlds_keep_every_promise() -> None:
    began = time.perf_counter()
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), processes) as pool:
        seeds, steps, faults = judged(pool.map(simulate, range(1_000), chunksize=20))
    assert seeds == 1_000
    assert {"kill", "freeze", "cut", "lost request", "lost reply", "refused: full"} <= faults.keys()
    told(began, seeds, steps, faults)


@pytest.mark.contract("G2", "G6", "G12")
def test_backend_that_is_not_atomic_keeps_every_promise_in_the_right_order() -> None:
    judged(simulate(seed, bugs.NotAtomic()) for seed in range(20))


@pytest.mark.parametrize(
    ("bug", "kinds"),
    [
        (bugs.DoneBeforePut(), {"loss"}),
        (bugs.UnfencedSettle(), {"fencing"}),
        (bugs.KeyFreedTooEarly(), {"order"}),
        (bugs.LostDoorbell(), {"doorbell"}),
        (bugs.DedupeWithoutGeneration(), {"loss"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Bug) else "",
)
def test_planted_bug_is_found(bug: Bug, kinds: set[str]) -> None:
    for seed in range(SEEDS_PER_BUG):
        report = simulate(seed, bug)
        if kinds & {found.kind for found in report.violations}:
            print(f"\n{type(bug).__name__} is found by seed {seed}: {report.violations[0].how}")
            break
    else:
        pytest.fail(f"{type(bug).__name__} was not found within {SEEDS_PER_BUG} seeds")
    shown = str(report)
    assert f"simulate({seed})" in shown
    assert any(word in shown for word in ("taken", "publish"))


def test_seed_gives_the_same_history_in_every_process() -> None:
    script = "from vagus.testing.simulation import simulate; print(simulate(7).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {simulate(7).digest}
    assert simulate(8).digest not in digests
