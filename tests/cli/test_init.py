"""`vagus init`: each template is a whole app, works at once, and is written over nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Say
from tools.markers import ROOT
from vagus.cli.commands.develop.init import TEMPLATES

WHERE = ROOT / "src/vagus/cli/templates"
PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def run(script: str, folder: Path, timeout: float = 100) -> subprocess.CompletedProcess[str]:
    """Run a line of shell as a newcomer would type it."""
    env = {**os.environ, "PATH": PATH, "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["bash", "-ec", script]
    return subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
    )


def test_templates_are_listed_without_an_argument(say: Say) -> None:
    told = say("init")
    listed = json.loads(say("init", "--json").out)

    assert [line.split()[0] for line in told.out.splitlines()[:3]] == list(TEMPLATES)
    assert [one["template"] for one in listed] == list(TEMPLATES)
    assert {path.name for path in WHERE.iterdir()} == set(TEMPLATES)


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_has_all_that_an_app_needs(template: str, say: Say, tmp_path: Path) -> None:
    told = say("init", template, "mine")

    made = {path.relative_to(tmp_path / "mine").as_posix() for path in (tmp_path / "mine").rglob("*") if path.is_file()}
    assert told.code == 0
    assert told.out.endswith("cd mine && vagus dev app:app\n")
    assert {"app.py", "test_app.py", "README.md", "pyproject.toml"} <= made
    assert not [name for name in made if name.endswith(".pyc")]
    project = tomllib.loads((tmp_path / "mine/pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["vagus"]


@pytest.mark.requirement("R31")
@pytest.mark.parametrize("runner", ["python -m unittest", "python -m pytest -q -p no:cacheprovider"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_own_test_of_a_template_passes(template: str, runner: str, tmp_path: Path) -> None:
    told = run(f"vagus init {template} mine; cd mine; {runner}", tmp_path)

    assert told.returncode == 0, told.stdout + told.stderr
    assert "OK" in told.stderr or " passed" in told.stdout
    assert "Executing" not in told.stderr


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_is_sound_for_a_strict_type_checker(template: str, tmp_path: Path) -> None:
    shutil.copytree(WHERE / template, tmp_path / "mine")
    cache = ROOT / ".mypy_cache/templates"

    told = run(f"cd mine; python -m mypy --strict --cache-dir={cache} *.py", tmp_path)

    assert told.returncode == 0, told.stdout


# --- what a newcomer types -------------------------------------------------------------------------------------------


@pytest.fixture
def ended() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that the test starts: ended with it, each with what it started."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def typed(script: str, folder: Path, started: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """Type a line that stays, in a terminal of its own; return when it has printed its first line."""
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": PATH, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    started.append(process)
    return process


def until_line(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(seen)


@pytest.mark.requirement("R31")
def test_line_of_the_readme_gives_a_cited_answer(tmp_path: Path, ended: list[subprocess.Popen[str]]) -> None:
    dev = typed("vagus init rag x && cd x && exec vagus dev app:app", tmp_path, ended)
    until_line(dev, "groups: rag.retrieve, rag.answer")

    told = run('python ask.py "What happens when a worker dies?"', tmp_path / "x")
    shown = until_line(dev, "passages me")
    dev.send_signal(signal.SIGINT)
    rest, _ = dev.communicate(timeout=60)

    assert told.returncode == 0, told.stdout + told.stderr
    assert "another worker gets the event. It costs the event no attempt. [leases.md]" in told.stdout
    assert told.stdout.endswith("\nfrom leases.md\n")
    assert "question me" in shown
    assert "2 handled" in rest
    assert dev.returncode == 0


def test_event_is_not_lost_where_nobody_works_yet(tmp_path: Path) -> None:
    publish = """vagus publish hello '{"name": "Ann"}' --app app:app"""
    told = run(f"vagus init minimal x; cd x; {publish}; vagus groups --url sqlite:///hello.db", tmp_path)

    assert told.returncode == 0, told.stderr
    assert "hello.greet" in told.stdout


@pytest.mark.parametrize(
    ("reply", "said"), [("y\n", "the money for 7 is on its way"), ("n\n", "was refused: a person said so")]
)
def test_agent_asks_a_person_in_another_terminal(
    reply: str, said: str, tmp_path: Path, ended: list[subprocess.Popen[str]]
) -> None:
    dev = typed("vagus init tools x && cd x && exec vagus dev app:app", tmp_path, ended)
    until_line(dev, "groups: ")
    person = typed("exec python person.py", tmp_path / "x", ended)
    assert person.stdin is not None
    person.stdin.write(reply)
    person.stdin.flush()

    told = run('python ask.py "Please refund order 7"', tmp_path / "x")

    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.splitlines()[:2] == ["... look_up(7)", "... refund(7)"]
    assert told.stdout.rstrip().endswith(said)


# --- what is there is kept -------------------------------------------------------------------------------------------


def test_folder_with_something_in_it_is_left_as_it_is(say: Say, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/app.py").write_text("precious = True\n")

    told = say("init", "rag", "mine")

    assert told.code == 2
    assert "'mine' is not empty (it has app.py): expected a new or an empty folder" in told.err
    assert told.err.endswith("hint: vagus init rag rag-2\n")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["app.py"]
    assert (tmp_path / "mine/app.py").read_text() == "precious = True\n"


def test_hint_names_a_folder_that_is_free(say: Say, tmp_path: Path) -> None:
    for name in ("rag", "rag-2"):
        (tmp_path / name).write_text("a file\n")

    told = say("init", "rag")

    assert "'rag' is a file" in told.err
    assert told.err.endswith("hint: vagus init rag rag-3\n")


def test_empty_folder_and_the_one_here_are_taken(say: Say, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert say("init", "minimal", "empty").code == 0
    shutil.rmtree(tmp_path / "empty")
    here = say("init", "minimal", ".")

    assert here.code == 0
    assert here.out.endswith("\nvagus dev app:app\n")
    assert (tmp_path / "app.py").exists()


def test_folder_that_cannot_be_made_is_told_with_its_reason(say: Say, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    told = say("init", "minimal", "file/deeper")

    assert told.code == 2
    assert "cannot write" in told.err
    assert "Not a directory" in told.err


def test_unknown_template_names_those_that_there_are(say: Say) -> None:
    told = say("init", "slip")

    assert told.code == 2
    for name in TEMPLATES:
        assert name in told.err
