"""Worker processes of one app on a SQLite file, and what their handlers wrote down."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vagus import App, Event
from vagus.app.dispatch.term import read_states

GROUP = "shop.handle"

APP = """
import asyncio, json, os, sys, time
from vagus import App, Context, Event

class Query(Event, key="user"):
    number: int
    user: str | None = None
    lang: str | None = None

class OnlyB:
    def apply(self, message):
        for member in message.members:
            if member.name == "B":
                return member
        return None

app = App("sqlite:///app.db", name="shop", grace_s=5{words})
out = os.open(f"seen.{{os.getpid()}}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

@app.on(Query{options})
async def handle(query: Query, ctx: Context) -> None:
    {body}
    line = dict(number=query.number, member=ctx.member, epoch=ctx.epoch, pid=os.getpid(), at=time.time())
    os.write(out, json.dumps(line).encode() + b"\\n")
"""


class Query(Event, key="user"):
    number: int
    user: str | None = None
    lang: str | None = None


class Site:
    """A folder with an app, and the workers that were started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/app.db"
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self._all: list[subprocess.Popen[bytes]] = []
        self._read: dict[Path, int] = {}

    def write(self, options: str = "", words: str = "", body: str = "pass") -> None:
        """Write the app; `options` of its handler, `words` of the app, the `body` of the handler."""
        text = APP.format(options=options and f", {options}", words=words and f", {words}", body=body)
        (self.folder / "app.py").write_text(text, encoding="utf-8")

    def start(self, name: str, *more: str, named: bool = True) -> None:
        """Start a worker; `name` is its role here, and its member's name if `named`."""
        member = ("--member", name) if named else ()
        command = [sys.executable, "-m", "vagus", "worker", "app.py:app", *member, *more]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        self.workers[name] = process
        self._all.append(process)

    def kill(self, name: str) -> int:
        """Kill a worker; return its process id."""
        process = self.workers.pop(name)
        process.kill()
        process.wait(30)
        return process.pid

    def end(self) -> None:
        """End all that still run."""
        for process in self._all:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(30)

    def seen(self) -> list[dict[str, Any]]:
        """All that was written down, in the order of its times."""
        lines = [line for path in self.folder.glob("seen.*.jsonl") for line in path.read_bytes().splitlines()]
        return sorted(map(json.loads, lines), key=lambda line: line["at"])

    def read_on(self, path: Path) -> list[dict[str, Any]]:
        """What was written to one file since it was read last; half a line is left for the next time."""
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read[path] = self._read.get(path, 0) + len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def client(self) -> App:
        """An app that only publishes and steers."""
        app = App(self.url, name="client")
        app.topics.learn(Query)
        return app

    def logs(self) -> str:
        """What the workers said."""
        return "\n".join(path.read_text(encoding="utf-8") for path in self.folder.glob("*.log"))


async def until(done: Callable[[], Any], within_s: float = 60.0) -> None:
    """Wait until something that other processes do is done, looking fifty times a second."""
    async with asyncio.timeout(within_s):
        while not done():
            await asyncio.sleep(0.02)


async def dispatched(app: App, count: int, but: str = "") -> str:
    """Wait until somebody, but not `but`, dispatches to so many members; return who."""
    store = app.backend.store
    assert store is not None
    async with asyncio.timeout(60):
        while True:
            state = (await read_states(store, [GROUP])).get(GROUP)
            if state is not None and state.member not in ("", but) and len(state.team) == count:
                return state.member
            await asyncio.sleep(0.02)
