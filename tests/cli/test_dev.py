"""`vagus dev` in processes of its own: edited code takes over, nothing is lost, nothing runs twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from vagus import App, Event

APP = """
import asyncio
import os
from contextlib import asynccontextmanager
from vagus import App, Event

VERSION = "v1"


@asynccontextmanager
async def lifespan(app):
    with open("lifespan.txt", "a") as file:
        print("open", os.getpid(), file=file)
    yield
    with open("lifespan.txt", "a") as file:
        print("closed", os.getpid(), file=file)


app = App("sqlite:///app.db", name="shop", grace_s=30{more})


class Click(Event):
    user: int


class Counted(Event, final=True):
    user: int
    version: str


@app.on(Click, concurrency=10, ordered=False)
async def count(click: Click) -> Counted:
    with open("begun.txt", "a") as file:
        print(click.user, VERSION, file=file)
    while VERSION == "v1" and not os.path.exists("gate"):
        await asyncio.sleep(0.02)
    return Counted(click.user, VERSION)
"""


class Click(Event):
    user: int


class Counted(Event, final=True):
    user: int
    version: str


class Dev:
    """`vagus dev --json` in a folder, and what it has told so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[dict[str, Any]] = []
        self.process: subprocess.Popen[str] | None = None
        self.asked = False

    def write(self, text: str) -> None:
        """Write the app as an editor does: a new file in place of the old one."""
        (self.folder / "app.new").write_text(text, encoding="utf-8")
        (self.folder / "app.new").replace(self.folder / "app.py")

    def start(self, *words: str) -> None:
        command = [sys.executable, "-m", "vagus", "dev", "app:app", "--json", *words]
        with (self.folder / "err.txt").open("w") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True)
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append(json.loads(line))

    def until_kind(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Wait until so many of a kind were told; return the last of them."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = [one for one in self.told if one["kind"] == kind]
            if len(found) >= count:
                return found[count - 1]
            time.sleep(0.05)
        raise AssertionError(f"{self.told}\n{(self.folder / 'err.txt').read_text()}")

    def until_begun(self, count: int) -> None:
        """Wait until so many events are in the hands of a handler."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            begun = self.folder / "begun.txt"
            if begun.exists() and len(begun.read_text().splitlines()) >= count:
                return
            time.sleep(0.02)
        raise AssertionError([(self.folder / name).read_text() for name in ("begun.txt", "err.txt")], self.told)

    def ask_to_end(self, number: int = signal.SIGTERM) -> None:
        """Send one signal, once: a second one would mean at once."""
        assert self.process is not None
        if not self.asked and self.process.poll() is None:
            self.process.send_signal(number)
        self.asked = True

    def end(self) -> int:
        """Stop it, if it is still there; return its exit code."""
        self.ask_to_end()
        assert self.process is not None
        code = self.process.wait(60)
        self._reader.join(20)
        return code

    def close(self) -> None:
        """Let go of it after its end."""
        assert self.process is not None
        self._reader.join(20)
        self.process.communicate()


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    found = Dev(tmp_path)
    found.write(APP.format(more=""))
    yield found
    if found.process is not None:
        found.process.kill()
        found.close()


def runs(folder: Path, count: int, then: Callable[[], None]) -> list[Counted]:
    """Start so many runs from this process, do something meanwhile, and return their results."""

    async def all_of_them() -> list[Counted]:
        async with App(f"sqlite:///{folder}/app.db", name="ask") as app:
            started = [await app.start(Click(user), until=Counted) for user in range(count)]
            await asyncio.to_thread(then)
            return list(await asyncio.gather(*(run.result(timeout=60) for run in started)))

    return asyncio.run(all_of_them())


@pytest.mark.requirement("R31")
@pytest.mark.contract("G2", "G16")
def test_fifty_runs_in_flight_all_end_once_when_a_file_is_edited(dev: Dev) -> None:
    dev.start()
    dev.until_kind("working")

    def edit() -> None:
        dev.until_begun(10)
        dev.write(APP.format(more="").replace("v1", "v2"))
        dev.until_kind("working", 2)
        (dev.folder / "gate").touch()  # what the old code began is held until the new code works

    results = runs(dev.folder, 50, edit)
    second = dev.until_kind("working", 2)
    assert dev.end() == 0

    begun = [line.split() for line in (dev.folder / "begun.txt").read_text().splitlines()]
    versions = Counter(version for _, version in begun)
    assert sorted(result.user for result in results) == list(range(50))
    assert sorted(int(user) for user, _ in begun) == list(range(50)), "each was handled, and none twice"
    assert versions == {"v1": 10, "v2": 40}
    assert Counter(one["came"] for one in dev.told if one["kind"] == "handled") == {"acked": 50}
    assert second["instead_of"] == dev.told[0]["pid"]
    assert [one["pid"] for one in dev.told if one["kind"] == "stopped"] == [second["instead_of"], second["pid"]]


def test_code_that_cannot_be_imported_is_shown_and_the_old_works_on(dev: Dev) -> None:
    dev.start()
    pid = dev.until_kind("working")["pid"]
    dev.write(APP.format(more="") + "\nthis is no Python\n")
    failed = dev.until_kind("failed")

    (dev.folder / "gate").touch()
    (result,) = runs(dev.folder, 1, lambda: None)
    dev.write(APP.format(more="").replace("v1", "v3"))
    mended = dev.until_kind("working", 2)
    assert dev.end() == 0

    assert (failed["code"], failed["works_on"]) == ("V101", pid)
    assert "SyntaxError" in failed["what"]
    assert failed["where"].endswith(f"app.py:{len(APP.splitlines()) + 2}")
    assert result.version == "v1"
    assert mended["pid"] != pid


@pytest.mark.parametrize(
    ("more", "why"),
    [(", lifespan=lifespan", "it has a lifespan"), ("", "shop.count has a member of its own name")],
    ids=["lifespan", "member"],
)
def test_what_only_one_process_can_have_is_handed_on_in_turn(dev: Dev, more: str, why: str) -> None:
    code = APP.format(more=more)
    if not more:
        code = code.replace("@app.on(Click, ", '@app.on(Click, deliver="all", member="here", ')
    dev.write(code)
    dev.start()
    first = dev.until_kind("working")
    dev.write(code.replace("v1", "v2"))
    dev.until_kind("working", 2)
    assert dev.end() == 0

    kinds = [one["kind"] for one in dev.told]
    assert kinds == ["working", "changed", "in_turn", "stopped", "working", "stopped"]
    assert (dev.told[2]["pid"], dev.told[2]["why"]) == (first["pid"], why)
    if more:
        held = [line.split()[0] for line in (dev.folder / "lifespan.txt").read_text().splitlines()]
        assert held == ["open", "closed", "open", "closed"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.contract("G16")
def test_signal_ends_all_processes_and_finishes_what_was_begun(dev: Dev, number: int) -> None:
    dev.start()
    working = dev.until_kind("working")

    def stop() -> None:
        dev.until_begun(1)
        dev.ask_to_end(number)
        (dev.folder / "gate").touch()
        assert dev.end() == 0

    (result,) = runs(dev.folder, 1, stop)

    assert result.version == "v1"
    assert dev.told[-1] == {"kind": "stopped", "pid": working["pid"], "handled": 1, "failed": 0, "handed_back": 0}
    assert is_gone(working["pid"])


def test_process_of_the_app_ends_when_the_one_that_watches_is_killed(dev: Dev) -> None:
    dev.start()
    pid = dev.until_kind("working")["pid"]
    assert dev.process is not None
    dev.process.kill()

    until = time.monotonic() + 30
    while not is_gone(pid) and time.monotonic() < until:
        time.sleep(0.05)

    assert is_gone(pid)


def test_killed_process_is_told_and_starts_anew_with_the_next_save(dev: Dev) -> None:
    dev.start()
    pid = dev.until_kind("working")["pid"]
    os.kill(pid, signal.SIGKILL)
    died = dev.until_kind("died")
    dev.write(APP.format(more="").replace("v1", "v2"))
    again = dev.until_kind("working", 2)
    assert dev.end() == 0

    assert died == {"kind": "died", "pid": pid, "how": "killed by SIGKILL"}
    assert again["instead_of"] is None


def test_app_that_cannot_reach_its_backend_ends_with_three(dev: Dev) -> None:
    dev.write(APP.format(more="").replace("sqlite:///app.db", "sqlite:///nowhere/at/all/app.db"))
    dev.start()

    failed = dev.until_kind("failed")

    assert dev.process is not None
    assert dev.process.wait(30) == failed["exit_code"] == 3


@pytest.mark.parametrize("target", ["slip.py:app", "slip:app", "slip.deeper:app"])
def test_app_that_is_not_there_is_a_wrong_use_and_nothing_waits(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vagus", "dev", target]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert told.returncode == 2
    assert f"there is no {'file' if '.py' in target else 'module'} {target.partition(':')[0]!r} here" in told.stderr


def is_gone(pid: int) -> bool:
    """Whether there is no such process, or only what its parent has not asked for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
