"""The coverage gate passes what is covered whole and names every gap."""

import json
from pathlib import Path

import pytest

from tools import coverage_gate


def report(lines: list[int], branches: list[tuple[int, int]]) -> dict[str, object]:
    whole: dict[str, object] = {"missing_lines": [], "missing_branches": []}
    files: dict[str, object] = {f"src/vagus/{room}/x.py": whole for room in coverage_gate.ROOMS}
    files["src/vagus/app/loop.py"] = {"missing_lines": [1], "missing_branches": []}
    files["src/vagus/message/log.py"] = {"missing_lines": lines, "missing_branches": branches}
    return {"files": files}


def test_deciding_rooms_that_are_covered_whole_pass() -> None:
    assert list(coverage_gate.gaps(report([], []))) == []


def test_uncovered_line_and_branch_are_both_named() -> None:
    found = list(coverage_gate.gaps(report([7], [(9, 12), (9, -1)])))

    assert found == ["src/vagus/message/log.py: not covered: 7, 9->12, 9->exit"]


def test_room_that_was_not_measured_is_a_gap() -> None:
    assert next(coverage_gate.gaps({"files": {}})) == "message/: no file of it was measured"


def test_command_fails_where_there_is_a_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "coverage.json"
    path.write_text(json.dumps(report([7], [])))

    assert coverage_gate.main(str(path)) == 1
    assert "log.py: not covered: 7" in capsys.readouterr().err
