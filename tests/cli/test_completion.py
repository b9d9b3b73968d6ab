"""`vagus completion`: the script is one that the shell takes, and it completes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Say
from vagus.cli import SUMMARIES

PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
CALL = """
eval "$(vagus completion bash)"
COMP_WORDS=({words}) COMP_CWORD={at}
_vagus_completion vagus  # bash gives the name of the command
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def bash(script: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": PATH}
    return subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_one_that_the_shell_takes(shell: str, say: Say, tmp_path: Path) -> None:
    told = say("completion", shell)

    assert told.code == 0
    assert f"_VAGUS_COMPLETE={shell}_complete" in told.out
    if shutil.which(shell):
        (tmp_path / "script").write_text(told.out)
        checked = subprocess.run([shell, "-n", "script"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("vagus do", ["doctor"]),
        ("vagus completion z", ["zsh"]),
        ("vagus init ", ["minimal", "rag", "tools"]),
        ("vagus dev --gr", ["--grace"]),
        ("vagus dead re", ["redrive"]),
    ],
)
def test_bash_completes_commands_values_and_options(words: str, expected: list[str]) -> None:
    found = words.split(" ")
    told = bash(CALL.format(words=" ".join(repr(word) for word in found), at=len(found) - 1))

    assert told.stdout.split() == expected, told.stderr


def test_bash_completes_every_command() -> None:
    told = bash(CALL.format(words="vagus ''", at=1))

    assert set(told.stdout.split()) == set(SUMMARIES)


def test_unknown_shell_names_those_that_there_are(say: Say) -> None:
    told = say("completion", "tcsh")

    assert told.code == 2
    assert "bash" in told.err
