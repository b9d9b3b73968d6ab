"""The command as people type it: real processes on a real SQLite file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vagus import App, Event, Retry

VAGUS = [sys.executable, "-m", "vagus"]


class Click(Event):
    user: str


def vagus(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command and return what it printed; `TERM` and colours as in a pipe."""
    env = {**os.environ, **environment}
    return subprocess.run(
        [*VAGUS, *words],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with one event handled, one dead, one waiting for nobody."""
    url = f"sqlite:///{tmp_path}/events.db"
    asyncio.run(_fill(url))
    return url


async def _fill(url: str) -> None:
    app = App(url, name="shop")
    dead = asyncio.Event()

    @app.on(Click, retry=Retry(attempts=1))
    async def count(click: Click) -> None:
        if click.user == "bad":
            raise ValueError("no such user")

    async with app.running():
        await app.publish([Click("ann"), Click("bad")])
        async with asyncio.timeout(20):
            while not dead.is_set():
                (figures,) = await app.backend.stats("shop.count")
                if figures.acked == 1 and figures.dead == 1:
                    dead.set()
                await asyncio.sleep(0.01)


def test_help_lists_every_command_of_the_release(tmp_path: Path) -> None:
    told = vagus("--help", cwd=tmp_path)

    for name in ("demo", "worker", "publish", "tail", "topics", "groups", "dead", "doctor", "check"):
        assert f"  {name} " in told.stdout
    assert told.returncode == 0


def test_groups_and_topics_are_listed_as_json(url: str, tmp_path: Path) -> None:
    groups = json.loads(vagus("groups", "ls", "--url", url, "--json", cwd=tmp_path).stdout)
    topics = json.loads(vagus("topics", "--url", url, "--json", cwd=tmp_path).stdout)

    assert "shop.count" in json.dumps(groups)
    assert "click" in json.dumps(topics)


@pytest.mark.requirement("R42")
def test_dead_letter_is_listed_and_redriven_by_command(url: str, tmp_path: Path) -> None:
    before = json.loads(vagus("dead", "ls", "shop.count", "--url", url, "--json", cwd=tmp_path).stdout)
    told = vagus("dead", "redrive", "shop.count", "--all", "--url", url, cwd=tmp_path)
    after = json.loads(vagus("dead", "ls", "shop.count", "--url", url, "--json", cwd=tmp_path).stdout)

    assert "no such user" in json.dumps(before)
    assert told.returncode == 0, told.stderr
    assert "no such user" not in json.dumps(after)


def test_unreachable_database_is_named_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "torn.db").write_bytes(b"this is no database at all" * 100)

    told = vagus("topics", "--url", "sqlite:///torn.db", cwd=tmp_path)

    assert told.returncode == 3
    assert "hint:" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    "words", [["topics", "--nonsense"], ["nothing"], ["tail", "--url", "memory://", "not a topic!"]]
)
def test_wrong_word_ends_with_two_and_no_traceback(words: list[str], tmp_path: Path) -> None:
    told = vagus(*words, cwd=tmp_path)

    assert told.returncode == 2
    assert "Traceback" not in told.stderr


def test_command_alone_shows_its_help(tmp_path: Path) -> None:
    told = vagus(cwd=tmp_path)

    assert told.returncode == 2
    assert told.stderr.startswith("Usage: vagus")
    assert "\nCommands:\n" in told.stderr


@pytest.mark.parametrize("words", [["dead"], ["groups"]], ids=" ".join)
def test_group_of_commands_alone_lists(words: list[str], url: str, tmp_path: Path) -> None:
    named = vagus(*words, "ls", "--url", url, "--json", cwd=tmp_path)
    alone = vagus(*words, "--url", url, "--json", cwd=tmp_path)

    assert "shop.count" in alone.stdout
    assert [set(one) for one in json.loads(alone.stdout)] == [set(one) for one in json.loads(named.stdout)]
    assert "\nCommands:\n" in vagus(*words, "--help", cwd=tmp_path).stdout


def test_command_looks_where_an_app_without_a_url_writes(url: str, tmp_path: Path) -> None:
    without = vagus("groups", cwd=tmp_path, VAGUS_URL="")
    (tmp_path / "events.db").rename(tmp_path / "vagus.db")
    told = vagus("groups", cwd=tmp_path, VAGUS_URL="")

    assert without.returncode == 2
    assert "there is no vagus.db here" in without.stderr
    assert "shop.count" in told.stdout


@pytest.mark.parametrize(
    "words",
    [["groups"], ["topics"], ["dead"], ["doctor"], ["tail", "click", "--no-follow"]],
    ids=lambda words: words[0],
)
def test_looking_at_a_file_that_is_not_there_does_not_make_it(words: list[str], tmp_path: Path) -> None:
    told = vagus(*words, "--url", "sqlite:///slip.db", cwd=tmp_path)

    assert told.returncode == 3
    assert "there is no such database file" in told.stderr
    assert list(tmp_path.iterdir()) == []


def test_mistyped_topic_is_told_apart_from_a_silent_one(url: str, tmp_path: Path) -> None:
    slip, click = (vagus("tail", topic, "--no-follow", "--url", url, cwd=tmp_path) for topic in ("clicks", "click"))

    assert "there is no topic 'clicks' yet" in slip.stderr
    assert click.stderr == ""


@pytest.mark.parametrize("verb", [["redrive"], ["discard", "--yes"]], ids=lambda verb: verb[0])
def test_filter_that_fits_no_letter_says_so(verb: list[str], url: str, tmp_path: Path) -> None:
    told = vagus("dead", *verb, "shop.count", "--reason", "slip", "--url", url, cwd=tmp_path)

    assert told.stdout.startswith(f"nothing to {verb[0]}: no open dead letter of shop.count fits")


def test_member_that_is_not_there_cannot_be_dropped(url: str, tmp_path: Path) -> None:
    told = vagus("groups", "drop", "shop.count", "--member", "slip", "--yes", "--url", url, cwd=tmp_path)

    assert told.returncode == 2
    assert "no member 'slip'" in told.stderr


def test_hint_of_a_command_names_the_backend_that_was_looked_at(url: str, tmp_path: Path) -> None:
    error = vagus("dead", "show", "nothing", f"--url={url}", cwd=tmp_path).stderr
    finding = vagus("doctor", url, cwd=tmp_path).stdout

    assert error.endswith(f"hint: vagus dead ls --closed --url {url}\n")
    assert f"hint: vagus dead ls shop.count --url {url}\n" in finding


def test_name_and_id_stay_whole_in_a_narrow_table(url: str, tmp_path: Path) -> None:
    (letter,) = json.loads(vagus("dead", "--url", url, "--json", cwd=tmp_path).stdout)

    for columns in "80", "40":
        assert letter["id"] in vagus("dead", "--url", url, cwd=tmp_path, COLUMNS=columns).stdout
        assert "\nshop.count " in vagus("groups", "--url", url, cwd=tmp_path, COLUMNS=columns).stdout


@pytest.mark.parametrize("words", [["groups", "drop", "shop.count"], ["dead", "discard", "shop.count", "--all"]])
def test_nothing_is_removed_where_nobody_can_be_asked(words: list[str], url: str, tmp_path: Path) -> None:
    told = vagus(*words, "--url", url, cwd=tmp_path)
    after = json.loads(vagus("dead", "ls", "--url", url, "--json", cwd=tmp_path).stdout)

    assert told.returncode == 2
    assert "--yes" in told.stderr
    assert len(after) == 1


def test_doctor_finds_the_dead_letter_that_waits(url: str, tmp_path: Path) -> None:
    told = vagus("doctor", url, cwd=tmp_path, NO_COLOR="1")

    assert "dead" in told.stdout
    assert "\x1b[" not in told.stdout


APP = """
from vagus import App, Event

app = App("sqlite:///worker.db", name="shop")


class Click(Event):
    user: str


@app.on(Click)
async def count(click: Click) -> None:
    print("handled", click.user, flush=True)
"""


@pytest.mark.contract("G16")
def test_worker_handles_what_a_command_published_and_drains(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    process = subprocess.Popen(
        [*VAGUS, "worker", "app:app"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        _published(tmp_path)
        assert process.stdout is not None
        assert process.stdout.readline() == "handled ann\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        _, log = process.communicate()
    first, *_, last = (json.loads(line) for line in log.splitlines())
    assert first["message"] == "app shop works on shop.count"
    assert (last["message"], last["group"], last["handled"]) == ("shop.count stopped: 1 handled", "shop.count", 1)


def _published(folder: Path) -> Any:
    """Publish once the worker has declared its group; until then nobody listens, and the command says so."""
    for _ in range(50):
        told = vagus("publish", "click", '{"user": "ann"}', "--url", "sqlite:///worker.db", cwd=folder)
        if told.returncode == 0:
            return told
    raise AssertionError(told.stderr)
