"""Other processes of a benchmark: each says `ready`, works until its standard input ends, and prints what it saw."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vagus.errors import ConnectionLost
from vagus.testing.benchmark import app as measured
from vagus.testing.benchmark.raw import sqlite as raw
from vagus.testing.benchmark.witness import Handling, witness_app

PATIENCE_S = 60.0
"""How long a process may take to end, in seconds, once it is told to."""


class Process:
    """The near end of one such process."""

    def __init__(self, role: str, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, role, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def ready(self) -> None:
        """Wait until it has begun. Raises `ConnectionLost` where it ended instead."""
        assert self._child.stdout is not None
        if self._child.stdout.readline() != "ready\n":
            raise ConnectionLost(f"a process of the benchmark ended with code {self._child.wait(PATIENCE_S)}")

    def end(self, work_s: float = 0.0) -> Any:
        """Tell it to end and return what it saw; `work_s`: how long what it does takes by itself."""
        told, _ = self._child.communicate(timeout=work_s + PATIENCE_S)
        if self._child.returncode or not told:
            raise ConnectionLost(f"a process of the benchmark ended with code {self._child.returncode}")
        return json.loads(told)

    def kill(self) -> None:
        """End it whatever it does; safe to repeat."""
        if self._child.poll() is None:
            self._child.kill()
        self._child.communicate()


class Crew:
    """Several of them; none outlives the block."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes

    def __enter__(self) -> Self:
        try:
            for process in self._processes:
                process.ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def kill(self) -> None:
        """End all of them at once."""
        for process in self._processes:
            process.kill()

    def end(self, work_s: float = 0.0) -> list[Any]:
        """Let all of them end, and return what they saw."""
        return [process.end(work_s) for process in self._processes]


# --- the far end ---------------------------------------------------------------------------------------------------


def ready() -> None:
    """Say that the work has begun."""
    print("ready", flush=True)


async def consume(url: str, keyed: str) -> dict[str, Any]:
    """Handle events; return how many, and how many microseconds each was on its way."""
    delays_us: list[float] = []

    def told(note: Any) -> None:
        delays_us.append((time.monotonic_ns() - note.sent_ns) / 1000)

    async with measured.app_for(url, told, keyed=keyed == "keyed").running():
        ready()
        await asyncio.to_thread(sys.stdin.read)
    return {"handled": len(delays_us), "delays_us": delays_us}


async def raw_consume(path: str, synchronous: str, count: str, size: str, coded: str) -> dict[str, Any]:
    """Handle events of the raw lane until `count` are gone."""
    with raw.RawLog(Path(path), synchronous, make=False) as log:
        ready()
        return {"handled": raw.consume(log, int(count), int(size), coded=coded == "coded")}


async def witness(url: str) -> list[Handling]:
    """Handle events with keys, and return who handled what when."""
    handlings: list[Handling] = []
    async with witness_app(url, handlings).running():
        ready()
        await asyncio.to_thread(sys.stdin.read)
    return handlings


async def drain(url: str, wanted: str) -> dict[str, float]:
    """Handle that many events of a backlog; return what each took, and how large this process grew."""
    ready()
    cost_us = await measured.drain_us(url, int(wanted))
    return {"cost_us": cost_us, "memory_mb": largest_mb()}


def largest_mb() -> float:
    """Return how large this process ever was, in MB.

    Linux hands `ru_maxrss` on from a parent to its children; what `/proc` says is this process's own.
    """
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


async def idle(url: str, groups: str, idle_s: str) -> dict[str, float]:
    """Work on nothing for a while; return what that cost."""
    ready()
    return await measured.idle(url, int(groups), float(idle_s))


ROLES: Mapping[str, Callable[..., Awaitable[Any]]] = {
    "consume": consume,
    "raw-consume": raw_consume,
    "witness": witness,
    "drain": drain,
    "idle": idle,
}


def main(role: str, *arguments: str) -> None:
    """Play one role, to its end."""

    async def play() -> Any:
        return await ROLES[role](*arguments)

    print(json.dumps(asyncio.run(play())), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
