"""The laws between rooms are kept, and the lint that keeps them sees a planted breach of each."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.markers import ROOT

LINT = str(Path(sys.executable).with_name("lint-imports"))

BREACHES = {
    "a backend that decides": ("backends/memory/planted.py", "import vagus.delivery", "Backends carry"),
    "a backend that knows another": ("backends/memory/planted.py", "import vagus.backends.sqlite", "do not know"),
    "a decision that waits": ("delivery/planted.py", "import asyncio", "Deciding rooms"),
    "a decision that reads a clock": ("ledger/planted.py", "from vagus.clock import SystemClock", "Deciding rooms"),
    "a lower room that looks up": ("message/planted.py", "import vagus.backend", "lower layers"),
    "an app that leans on the proof": ("app/planted.py", "import vagus.testing", "The proof"),
    "a room that no layer names": ("planted/__init__.py", "", "lower layers"),
}


def lint(source: Path) -> subprocess.CompletedProcess[str]:
    command = [LINT, "--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    # Editable installs come after PYTHONPATH, so the planted tree is the one that is read.
    environment = {**os.environ, "PYTHONPATH": str(source)}
    return subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.requirement("R12")
def test_rooms_keep_the_laws_between_them() -> None:
    result = lint(ROOT / "src")

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("file", "line", "law"), BREACHES.values(), ids=BREACHES)
def test_planted_breach_of_a_law_is_named(file: str, line: str, law: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src/vagus", tmp_path / "vagus", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "vagus" / file).parent.mkdir(exist_ok=True)
    (tmp_path / "vagus" / file).write_text(f'"""Law."""\n\n{line}\n')

    result = lint(tmp_path)

    broken = [report for report in result.stdout.splitlines() if report.endswith("BROKEN")]
    assert result.returncode == 1, result.stdout
    assert [report for report in broken if law in report], result.stdout
