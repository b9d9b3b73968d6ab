"""What every command keeps to: exit codes, one style of error, JSON for programs, no colour where none is wanted."""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Say
from vagus.cli import SUMMARIES

LOOKS = [["topics"], ["groups", "ls"], ["dead", "ls"], ["tail", "click", "--no-follow"]]
ERROR = re.compile(r"error V\d{3}: .+")


@pytest.mark.parametrize("words", [*LOOKS, ["doctor"]], ids=" ".join)
def test_every_list_is_json_for_programs(say: Say, url: str, words: list[str]) -> None:
    target = [url] if words == ["doctor"] else ["--url", url]

    told = say(*words, *target, "--json")

    assert told.code == (1 if words == ["doctor"] else 0), told.err
    documents = [json.loads(line) for line in told.out.splitlines()] if words[0] == "tail" else json.loads(told.out)
    assert documents


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_url_may_come_from_the_environment(
    say: Say, url: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAGUS_URL", url)

    assert say(*words).code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["topics", "--url", "{url}"], 0),
        (["doctor", "{url}"], 1),
        (["publish", "nobody.listens", "{{}}", "--url", "{url}"], 2),
        (["topics"], 2),
        (["groups", "ls", "--url", "pigeon://post"], 2),
        (["topics", "--url", "sqlite:////proc/no/such/folder/x.db"], 3),
        (["dead", "show", "no-such-id", "--url", "{url}"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_exit_code_says_what_kind_of_trouble_it_is(say: Say, url: str, words: list[str], code: int) -> None:
    told = say(*(word.format(url=url) for word in words))

    assert told.code == code, told.err
    if code > 1:
        what, *where, empty, hint = told.err.splitlines()
        assert ERROR.fullmatch(what)
        assert all(line.startswith("   in ") for line in where)
        assert empty == ""
        assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["topcs"], "topics"),
        (["no-such-command"], "expected one of"),
        (["topics", "--jsn"], "--json"),
        (["publish"], "TOPIC"),
        (["publish", "a b", "{}", "--url", "sqlite:///x.db"], "a b"),
        (["publish", "click", "{not json", "--url", "sqlite:///x.db"], "JSON"),
        (["publish", "click", "5", "--url", "sqlite:///x.db"], "JSON object"),
        (["publish", "click", "{}", "--delay", "soon", "--url", "sqlite:///x.db"], "duration"),
        (["publish", "click", "{}", "--priority", "11", "--url", "sqlite:///x.db"], "11"),
        (["worker", "no_such_module:app"], "no_such_module"),
        (["worker", "missing.py:app"], "missing.py"),
        (["groups", "drop", "--url", "sqlite:///x.db"], "GROUP"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_ends_with_two_and_names_what_was_expected(say: Say, words: list[str], named: str) -> None:
    told = say(*words)

    assert told.code == 2
    assert named in told.err
    assert "hint: " in told.err or "expected" in told.err
    assert "Traceback" not in told.err
    assert told.out == ""


@pytest.mark.parametrize(
    "words",
    [["topics"], ["groups", "ls"], ["dead", "ls"], ["tail", "click"], ["publish", "click", "{}"]],
    ids=" ".join,
)
def test_memory_of_another_process_is_refused_by_name(say: Say, words: list[str]) -> None:
    told = say(*words, "--url", "memory://")

    assert told.code == 2
    assert "memory:// lives inside the process that opened it" in told.err
    assert "sqlite:///vagus.db" in told.err


@pytest.mark.parametrize("words", [["topics", "--url"], ["doctor"], ["check"], ["groups", "ls", "--url"]], ids=" ".join)
def test_password_in_a_url_is_never_printed(say: Say, words: list[str]) -> None:
    told = say(*words, "pigeon://ann:s3cret@post/x")

    assert told.code != 0
    assert "s3cret" not in told.out + told.err
    assert "ann:***@post" in told.err


def test_password_is_masked_where_the_command_line_is_repeated(say: Say) -> None:
    told = say("topics", "--nonsense", "--url", "redis://ann:s3cret@host")

    assert "s3cret" not in told.out + told.err


@pytest.mark.parametrize("words", LOOKS[:3], ids=" ".join)
@pytest.mark.parametrize("columns", ["80", "120"])
def test_table_fits_the_terminal_and_has_no_colour_in_a_pipe(
    say: Say, url: str, words: list[str], columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    told = say(*words, "--url", url)

    assert max(len(line) for line in told.out.splitlines()) <= int(columns)
    assert "\x1b" not in told.out


def on_a_terminal(words: list[str], **environment: str) -> str:
    """Return what a command prints where stdout is a terminal."""
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")} | environment
    with subprocess.Popen([sys.executable, "-m", "vagus", *words], stdout=theirs, env=env):
        os.close(theirs)
        printed = b""
        try:
            while more := os.read(ours, 65_536):
                printed += more
        except OSError:
            pass  # Linux says so when the other end is closed
    os.close(ours)
    return printed.decode()


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"NO_COLOR": "", "TERM": "xterm-256color"}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["terminal", "NO_COLOR", "dumb"],
)
def test_colour_is_for_terminals_and_never_with_no_color(url: str, environment: dict[str, str], coloured: bool) -> None:
    printed = on_a_terminal(["topics", "--url", url], **environment)

    assert "click" in printed
    assert ("\x1b[" in printed) is coloured


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_command_has_help_that_fits(say: Say, name: str) -> None:
    told = say(name, "--help")

    assert told.code == 0
    assert told.out.startswith(f"Usage: vagus {name}")
    assert max(len(line) for line in told.out.splitlines()) <= 80


def test_version_is_that_of_the_package(say: Say) -> None:
    from vagus import __version__

    assert say("--version").out == f"vagus {__version__}\n"


def test_data_file_is_the_users_alone(say: Say, url: str, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "events.db").stat().st_mode) == 0o600


def test_event_is_published_tailed_and_known_as_a_duplicate(say: Say, url: str) -> None:
    first = say("publish", "click", '{"user": "如何"}', "--id", "mine", "--url", url, "--json")
    again = say("publish", "click", '{"user": "如何"}', "--id", "mine", "--url", url)
    tailed = say("tail", "click", "--no-follow", "--url", url, "--json")

    assert json.loads(first.out)["duplicate"] is False
    assert "duplicate" in again.out
    assert [event["data"] for event in map(json.loads, tailed.out.splitlines()) if event["id"] == "mine"] == [
        {"user": "如何"}
    ]


def test_group_is_dropped_only_by_a_name_that_there_is(say: Say, url: str) -> None:
    wrong = say("groups", "drop", "shop.cont", "--yes", "--url", url)
    right = say("groups", "drop", "shop.count", "--yes", "--url", url)

    assert (wrong.code, right.code) == (2, 0), wrong.err + right.err
    assert "shop.count" in wrong.err
    assert "shop.count" not in say("groups", "ls", "--url", url).out


def test_dead_letter_is_shown_discarded_and_then_closed(say: Say, url: str) -> None:
    (letter,) = json.loads(say("dead", "ls", "--url", url, "--json").out)
    shown = say("dead", "show", letter["id"], "--url", url)
    discarded = say("dead", "discard", "shop.count", letter["id"], "--url", url)
    if discarded.code == 2:
        discarded = say("dead", "discard", "shop.count", "--all", "--yes", "--url", url)

    assert "no such user" in shown.out
    assert discarded.code == 0, discarded.err
    assert json.loads(say("dead", "ls", "--url", url, "--json").out) == []
