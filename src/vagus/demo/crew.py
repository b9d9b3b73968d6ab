"""The demo's processes: one `vagus worker` for each handler, started together, started again when one dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from vagus.errors import ControlError

FLOW = "vagus.demo.flow:app"
HANDLERS = ("identify", "fetch_order_status", "search_python", "search_pages", "answer")
INDEXER = "index_page"

_GRACE_S = 4.0
_YOUNG_S = 2.0
_STRIKES = 3
_LOG_LINES = 5


class Watcher(Protocol):
    """Who is told about processes."""

    def worker_started(self, handler: str, pid: int, instead_of: int | None) -> None:
        """A worker was started; `instead_of` a dead one, whose pid it is, or None."""

    def worker_died(self, handler: str, pid: int, how: str) -> None:
        """A worker died without having been told to."""


class Crew:
    """The worker processes of one demo; an async context manager that ends them all."""

    def __init__(self, folder: Path, url: str, settings: Mapping[str, str], watcher: Watcher) -> None:
        self.pids: dict[str, int] = {}
        self._folder = folder
        self._url = url
        self._environment = {**os.environ, **settings, "VAGUS_DEMO_CHILD": "1"}
        self._watcher = watcher
        self._processes: dict[str, Process] = {}
        self._tasks = asyncio.TaskGroup()
        self._stack = AsyncExitStack()
        self._closing = False

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._tasks)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Let the workers finish what they do, within the grace time."""
        self._closing = True
        for process in self._processes.values():
            if process.returncode is None and process.stdin is not None:
                process.stdin.close()  # a worker of the demo stops when its stdin ends
        await asyncio.gather(*(self._end(process) for process in self._processes.values()))
        await self._stack.__aexit__(kind, error, at)

    async def _end(self, process: Process) -> None:
        try:
            async with asyncio.timeout(_GRACE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def start(self, handlers: Sequence[str]) -> None:
        """Start a worker for each handler that has none, all at once; return when they are processes."""
        new = [handler for handler in handlers if handler not in self._processes]
        for handler, process in zip(new, await asyncio.gather(*map(self._launch, new)), strict=True):
            self._watcher.worker_started(handler, process.pid, None)
            self._tasks.create_task(self._keep(handler, process))

    def kill(self, handler: str) -> int:
        """Kill the worker of a handler as a power cut would; return its pid."""
        pid = self.pids[handler]
        os.kill(pid, signal.SIGKILL)
        return pid

    async def _launch(self, handler: str) -> Process:
        command = (sys.executable, "-m", "vagus", "worker", FLOW, "--only", handler, "--url", self._url)
        with self._log(handler).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=DEVNULL, stderr=log, env=self._environment
            )
        self._processes[handler] = process
        self.pids[handler] = process.pid
        return process

    def _log(self, handler: str) -> Path:
        return self._folder / f"{handler}.log"

    async def _keep(self, handler: str, process: Process) -> None:
        """Start a worker again whenever it dies, unless it never lives long enough to work."""
        strikes = 0
        while True:
            started = time.monotonic()
            code = await process.wait()
            if self._closing:
                return
            strikes = strikes + 1 if code > 0 and time.monotonic() - started < _YOUNG_S else 0
            if strikes >= _STRIKES:
                raise self._cannot_start(handler, code)
            self._watcher.worker_died(handler, process.pid, _how(code))
            dead, process = process.pid, await self._launch(handler)
            self._watcher.worker_started(handler, process.pid, dead)

    def _cannot_start(self, handler: str, code: int) -> ControlError:
        log = self._log(handler)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        text = f"the worker of {handler} ended {_STRIKES} times at once with {code}: {' / '.join(lines)}"
        return ControlError(text, where=str(log), hint=f"vagus worker {FLOW} --only {handler} --url {self._url}")


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with {code}"
    return f"killed by {signal.Signals(-code).name}"
