"""Pipes: readers that have seen enough, streams that are not there, rubbish on standard input, Ctrl-C in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

VAGUS = [sys.executable, "-m", "vagus"]
READS_ONE_LINE = [sys.executable, "-c", "import sys; sys.stdin.readline()"]


@pytest.mark.parametrize("words", [["tail", "click", "--from-start"], ["tail", "click", "--no-follow"]], ids=" ".join)
def test_reader_that_has_seen_enough_ends_the_command_in_silence(url: str, words: list[str]) -> None:
    for number in range(3):
        subprocess.run([*VAGUS, "publish", "click", f'{{"user": "{number}"}}', "--url", url], check=True, timeout=60)
    reader = subprocess.Popen(READS_ONE_LINE, stdin=subprocess.PIPE)
    assert reader.stdin is not None
    command = [*VAGUS, *words, "--url", url]
    with subprocess.Popen(command, stdout=reader.stdin, stderr=subprocess.PIPE, text=True) as process:
        reader.stdin.close()
        reader.wait(60)
        if "--from-start" in words:  # it waits for more, and then finds nobody who reads
            subprocess.run([*VAGUS, "publish", "click", '{"user": "x"}', "--url", url], check=True, timeout=60)
        _, err = process.communicate(timeout=60)

    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize(("words", "code"), [(["topics", "--url", "{url}"], 0), (["topcs"], 2)], ids=["fine", "wrong"])
def test_command_works_without_standard_streams(url: str, words: list[str], code: int) -> None:
    command = [*VAGUS, *(word.format(url=url) for word in words)]

    done = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command], timeout=60)

    assert done.returncode == code


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    "rubbish", [b"\x00\xff\xfe{", b'{"user": "\xff"}', b"[" * 100_000, b'{"user":' * 100_000], ids=range(4)
)
@pytest.mark.parametrize("typed", [False, True])
def test_rubbish_on_standard_input_is_refused_by_name(url: str, tmp_path: Path, rubbish: bytes, typed: bool) -> None:
    (tmp_path / "shop.py").write_text(
        f"from vagus import App, Event\napp = App({url!r})\nclass Click(Event):\n    user: str\napp.topic(Click)\n"
    )
    target = ["--app", "shop.py:app"] if typed else ["--url", url]
    command = [*VAGUS, "publish", "click", "-", *target]

    done = subprocess.run(command, cwd=tmp_path, input=rubbish, capture_output=True, timeout=60)

    assert done.returncode in (1, 2)
    assert done.stderr.startswith(b"error V")
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_check_that_is_interrupted_does_not_end_well() -> None:
    command = [*VAGUS, "check", "memory://"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ok")  # the first theme is through
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=60)

    assert process.returncode == 130
