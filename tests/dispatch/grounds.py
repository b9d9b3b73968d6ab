"""Where the members of a drill live: worker processes on a SQLite file, or apps on a place in memory."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.dispatch.judge import Handled
from tests.dispatch.processes import GROUP, Query, Site
from vagus import App, Context

LEASE_S = 3.0
"""Long enough for a machine that is busy with other things, short enough for what a killed member held."""


class Processes:
    """Workers that share a file; to kill one is SIGKILL."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder)
        self.site.write(f"ordered=False, lease={LEASE_S}, concurrency=8")
        self._names: dict[int, str] = {}
        self._handled: list[Handled] = []

    def client(self) -> App:
        """Return an app that publishes and steers."""
        return self.site.client()

    async def start(self, name: str, lang: str) -> None:
        """Start a worker and wait until it has joined."""
        self.site.start(name, "--label", f"lang={lang}", named=False)
        pid = self.site.workers[name].pid
        self._names[pid] = name
        async with self.site.client() as app, asyncio.timeout(60):
            while not any(f"-{pid}-" in member for member in await _members(app)):
                await asyncio.sleep(0.05)

    async def kill(self, name: str) -> None:
        """Kill a worker."""
        self.site.kill(name)

    def handled(self) -> list[Handled]:
        """Read on in what the workers write."""
        for path in self.site.folder.glob("seen.*.jsonl"):
            for line in self.site.read_on(path):
                self._handled.append(Handled(line["number"], self._names[line["pid"]], line["epoch"], line["at"]))
        return self._handled

    def living(self) -> set[str]:
        """The workers whose processes run, under the process ids that they began with."""
        return {name for name, process in self.site.workers.items() if process.poll() is None}

    def end(self) -> None:
        """End all."""
        self.site.end()


class Apps:
    """Apps of this process in one place; to kill one is to end its tasks and let it say nothing."""

    def __init__(self, name: str) -> None:
        self.url = f"memory://{name}"
        self._apps: dict[str, App] = {}
        self._handled: list[Handled] = []

    def client(self) -> App:
        """Return an app that publishes and steers."""
        app = App(self.url, name="client")
        app.topics.learn(Query)
        return app

    async def start(self, name: str, lang: str) -> None:
        """Let an app work."""
        app = App(self.url, name="shop", grace_s=0.0, labels={"lang": lang})

        @app.on(Query, group=GROUP, ordered=False, lease=LEASE_S, concurrency=8)
        async def handle(query: Query, ctx: Context) -> None:
            self._handled.append(Handled(query.number, name, ctx.epoch, time.time()))

        await app.__aenter__()
        await app._opened().start(None)
        self._apps[name] = app

    async def kill(self, name: str) -> None:
        """Close its backend under it, as a dying process would, and cancel what it had running."""
        opened = self._apps.pop(name)._opened()
        await opened.backend.close()
        desks, board = list(opened.desks._desks.values()), opened.board
        tasks = [desk._task for desk in desks if desk._task is not None]
        for worker in opened.workers.values():
            tasks += [*([worker._taking] if worker._taking is not None else []), *worker._pool, *worker._errands]
            for timer in worker._timers.values():
                timer.cancel()
        for desk in desks:
            desk._unlisten()
            if desk._timer is not None:
                desk._timer.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if board is not None:
            await board.close()

    def handled(self) -> list[Handled]:
        """What the handlers noted."""
        return self._handled

    def living(self) -> set[str]:
        """The apps that were not killed and still consume."""
        return {
            name
            for name, app in self._apps.items()
            if all(worker.state != "stalled" for worker in app._opened().workers.values())
        }

    async def end(self) -> None:
        """End all in good order."""
        for app in self._apps.values():
            await app._opened().stop()
            await app.__aexit__()


async def _members(app: App) -> list[str]:
    return [
        member.name
        for info in (await app.backend.describe()).groups
        if info.spec.name == GROUP
        for member in info.members
    ]
