"""The example of a charge that is counted once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools.markers import ROOT


@pytest.mark.requirement("R105")
@pytest.mark.contract("G12")
def test_example_charges_each_order_once_though_a_worker_is_killed() -> None:
    command = [sys.executable, str(ROOT / "examples/charge.py")]
    out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100).stdout
    assert out.splitlines() == ["a worker was killed", "a worker finished", "10 charges for 10 orders: 1045 cents"]
