"""The processes of a run, each known by its role and its process id; none outlives the run."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from vagus.testing.faults.record import Fell, Recorder, Started

PUBLISHER = "publisher"
WORKER = (sys.executable, "-m", "vagus.testing.faults.worker")
_PUBLISHER = (sys.executable, "-m", "vagus.testing.faults.publisher")

#: How long a process that was asked to end may take before it is killed, beyond its grace time, in seconds.
_END_S = 10.0


def worker_role(index: int) -> str:
    """Return the role of a worker."""
    return f"worker {index}"


class Crew:
    """Starts processes, keeps count of who has which role, and ends them all."""

    def __init__(self, folder: Path, recorder: Recorder, worker: Sequence[str] = WORKER) -> None:
        self._folder = folder
        self._recorder = recorder
        self._worker = worker
        self._current: dict[str, Process] = {}
        self._all: list[Process] = []
        self._expected: set[int] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End whoever is still there, stopped ones too."""
        for process in self._all:
            if process.returncode is None:
                process.kill()
        for process in self._all:
            await process.wait()

    async def start(self, role: str) -> None:
        """Start a process for a role."""
        command = _PUBLISHER if role == PUBLISHER else self._worker
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        with (self._folder / f"{role}.log").open("ab") as log:
            # In a group of its own, which the kernel lets go on and hangs up on, stopped or not, once the run is gone.
            process = await asyncio.create_subprocess_exec(
                *command, str(self._folder), stdin=PIPE, stdout=DEVNULL, stderr=log, env=environment, process_group=0
            )
        self._all.append(process)
        self._current[role] = process
        now, pid = self._recorder.now(), self._recorder.pid
        self._recorder.write(Started(t=now, pid=pid, victim=process.pid, role=role))

    def process(self, role: str) -> Process | None:
        """Return who has a role now; None for a publisher that has published all."""
        process = self._current.get(role)
        return None if process is None or process.returncode == 0 else process

    @property
    def published(self) -> bool:
        """Whether the publisher has published all."""
        return PUBLISHER in self._current and self._current[PUBLISHER].returncode == 0

    def stop(self, process: Process) -> None:
        """Stop a process where it stands."""
        self._send(process, signal.SIGSTOP)

    def go_on(self, process: Process) -> None:
        """Let a stopped process go on."""
        self._send(process, signal.SIGCONT)

    async def replace(self, role: str, process: Process, *, gently: bool = False) -> None:
        """Kill a process, or ask it to end, and start another in its role unless that was done meanwhile."""
        self._expected.add(process.pid)
        self._send(process, signal.SIGTERM if gently else signal.SIGKILL)
        await process.wait()
        await self._succeed(role, process)

    async def look(self) -> None:
        """Write down who ended without having been struck, and start another in its role."""
        for role, process in list(self._current.items()):
            code = process.returncode
            if code is None or process.pid in self._expected or (role == PUBLISHER and code == 0):
                continue
            self._expected.add(process.pid)
            now, pid = self._recorder.now(), self._recorder.pid
            self._recorder.write(Fell(t=now, pid=pid, victim=process.pid, role=role, code=code))
            await self._succeed(role, process)

    async def _succeed(self, role: str, process: Process) -> None:
        """Give a role to a new process, once for each that lost it."""
        if self._current.get(role) is process:
            del self._current[role]
            await self.start(role)

    async def end(self) -> None:
        """Ask all to end, and wait until they have."""
        alive = [process for process in self._all if process.returncode is None]
        for process in alive:
            self._expected.add(process.pid)
            self._send(process, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await asyncio.gather(*(process.wait() for process in alive))

    @staticmethod
    def _send(process: Process, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(number)
