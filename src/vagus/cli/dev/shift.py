"""One process of the app, seen from the one that started it: from its start until it is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from typing import Self

import msgspec

from vagus.cli.dev.message import GO, Failed, Imported, Message, Working

LATE_S = 5.0
"""How long after its grace time a process may take to end before it is killed, in seconds."""

_LINE_BYTES = 1 << 20


class Shift:
    """A process that works, will work, or finishes what it began. `told` hears all that is no step of its start."""

    def __init__(
        self,
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        told: Callable[[Message], object],
    ) -> None:
        self.pid = process.pid
        self.has_failed = False
        self._process = process
        self._reader = reader
        self._writer = writer
        self._told = told
        self._steps: asyncio.Queue[Imported | Working | Failed | None] = asyncio.Queue()
        self._grace_s = 0.0
        self._late: asyncio.TimerHandle | None = None
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def begin(
        cls, target: str, url: str | None, grace_s: float | None, told: Callable[[Message], object], *, aside: bool
    ) -> Self:
        """Start a process that imports the app; `aside`: what it prints goes to stderr."""
        near, far = socket.socketpair()
        words = (str(far.fileno()), target, url or "", "" if grace_s is None else str(grace_s))
        with far:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "vagus.cli.dev.child", *words),
                stdout=sys.stderr.fileno() if aside else None,
                pass_fds=[far.fileno()],
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        reader, writer = await asyncio.open_connection(sock=near, limit=_LINE_BYTES)
        return cls(process, reader, writer, told)

    @property
    def told_to_stop(self) -> bool:
        """Whether it ends because it was asked to."""
        return self._late is not None

    async def _read(self) -> None:
        while True:
            try:
                line = await self._reader.readline()
            except ConnectionError:
                line = b""
            if not line:
                self._steps.put_nowait(None)
                return
            message = msgspec.json.decode(line, type=Message)
            if isinstance(message, Imported):
                self._grace_s = message.grace_s
            self.has_failed = self.has_failed or isinstance(message, Failed)
            if isinstance(message, Imported | Working | Failed):
                self._steps.put_nowait(message)
            else:
                self._told(message)

    async def step(self) -> Imported | Working | Failed | None:
        """Return the next step of its start; None where it ended instead."""
        return await self._steps.get()

    def go(self) -> None:
        """Let it begin to work."""
        self._writer.write(GO)

    def stop(self) -> None:
        """Tell it to finish what it began within its grace time, hand back the rest, and end; else it is killed."""
        if self._late is None:
            self._late = asyncio.get_running_loop().call_later(self._grace_s + LATE_S, self.kill)
            if not self._writer.is_closing():
                self._writer.write_eof()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.stop()
        if self._process.returncode is None:
            self._process.kill()

    async def over(self) -> str:
        """Wait until it is gone and all that it told was heard; return how it ended."""
        code = await self._process.wait()
        if self._late is not None:
            self._late.cancel()
        await asyncio.wait([self._reading], timeout=LATE_S)
        self._reading.cancel()
        self._writer.close()
        return f"ended with {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
