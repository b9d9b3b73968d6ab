"""The demo as a newcomer runs it: a page of the day, a killed worker, an answer that is still whole."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

VAGUS = [sys.executable, "-m", "vagus", "demo"]


def demo(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the demo without a terminal."""
    return subprocess.run(
        [*VAGUS, *words], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.requirement("R69", "R70", "R71", "R72")
def test_page_of_the_day_is_quoted_word_for_word(tmp_path: Path) -> None:
    word = f"zor{secrets.token_hex(4)}"
    sentence = f"The {word} opens the blue door on Tuesdays at {secrets.randbelow(12) + 1} o'clock."
    (tmp_path / "today.md").write_text(f"# Doors\n\n{sentence}\n", encoding="utf-8")

    told = demo("--add", "today.md", "--ask", f"What does the {word} open?", cwd=tmp_path)

    assert told.returncode == 0, told.stdout + told.stderr
    assert f"“{sentence}” [today.md]" in told.stdout


@pytest.mark.requirement("R37", "R57", "R75")
@pytest.mark.contract("G4", "G18")
def test_answer_arrives_whole_although_its_worker_is_killed(tmp_path: Path) -> None:
    told = demo("--break", "kill-worker", "--ask", "What is a lease?", cwd=tmp_path)

    assert told.returncode == 0, told.stdout + told.stderr
    assert "killed by SIGKILL" in told.stdout
    assert "each word once" in told.stdout
    assert "the books balance" in told.stdout


@pytest.mark.requirement("R16", "R62")
def test_poison_page_and_doubled_question_harm_nobody(tmp_path: Path) -> None:
    told = demo("--break", "poison", "--break", "duplicate", "--ask", "What is a lease?", cwd=tmp_path)

    assert told.returncode == 0, told.stdout + told.stderr
    assert "dead letters: demo.index_page" in told.stdout
    assert re.search(r"books: (\d+) deliveries in, \d+ handled, 1 dead, 0 still to come", told.stdout)
    assert "deduplicated: user_query" in told.stdout


@pytest.mark.requirement("R57", "R75")
@pytest.mark.contract("G4", "G18")
def test_answer_arrives_whole_although_somebody_kills_the_printed_pid(tmp_path: Path) -> None:
    pids: dict[str, int] = {}
    parts: list[str] = []
    told: list[dict[str, Any]] = []
    command = [*VAGUS, "--json", "--pace", "0.05", "--ask", "What is a lease?"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as shown:
        assert shown.stdout is not None
        for line in shown.stdout:
            fact = json.loads(line)
            told.append(fact)
            if fact["kind"] == "worker":
                pids[fact["handler"]] = fact["pid"]
            elif fact["kind"] == "part":
                parts = [fact["text"]] if fact["restarted"] else [*parts, fact["text"]]
                if len(parts) == 5 and not any(fact.get("restarted") for fact in told):
                    os.kill(pids["answer"], signal.SIGKILL)

    answered = next(fact for fact in told if fact["kind"] == "answer")
    assert shown.returncode == 0
    assert any(fact["kind"] == "died" and fact["how"] == "killed by SIGKILL" for fact in told)
    assert answered["restarts"] == 1
    assert answered["whole"]
    assert "".join(parts) == answered["text"]
