"""How an edited app takes over from the one before it, so that nothing is lost and nothing runs twice.

    a file changes ──► the new process imports the code ──► it opens and works ──► the old one takes no more,
                            │ fails: shown, the old one            │                finishes what it began and
                            ▼ works on                             ▼                hands back the rest
                       wait for the next change               both work for a moment, as two workers of a group do

Where only one process can be open at once (a lifespan, a member with a name of its own), the order is another: the new
process imports, the old one ends, the new one opens. Events wait meanwhile; they are in the backend.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import msgspec

from vagus.cli.dev.files import Files
from vagus.cli.dev.message import Failed, Imported, Working
from vagus.cli.dev.screen import Screen
from vagus.cli.dev.shift import Shift

LOOK_S = 0.4
"""How often files are looked at, in seconds."""


class Wish(msgspec.Struct, frozen=True):
    """What the command line asks for."""

    target: str
    url: str | None
    grace_s: float | None
    places: Sequence[Path]
    aside: bool


class Reload:
    """The process that watches, and those that it started."""

    def __init__(self, wish: Wish, screen: Screen) -> None:
        self._wish = wish
        self._screen = screen
        self._current: Shift | None = None
        self._all: dict[Shift, asyncio.Task[None]] = {}
        self._changes: asyncio.Queue[list[str]] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._first = True
        self._code = 0

    async def run(self) -> int:
        """Work until SIGINT or SIGTERM; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_end)
        files = await asyncio.to_thread(Files, self._wish.places)
        tasks = [loop.create_task(self._look(files)), loop.create_task(self._work())]
        ended = loop.create_task(self._ended.wait())
        try:
            done, _ = await asyncio.wait([*tasks, ended], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {ended}:
                task.result()  # neither of them ends: it is a fault of ours
        finally:
            for task in (*tasks, ended):
                task.cancel()
            await asyncio.wait(tasks)
            await self._end()
        return self._code

    def _asked_to_end(self) -> None:
        """Stop; asked a second time, at once."""
        if self._ended.is_set():
            for shift in self._all:
                shift.kill()
        self._ended.set()

    # --- files -------------------------------------------------------------------------------------------------------

    async def _look(self, files: Files) -> None:
        """Tell of changes once they have come to rest: an editor or a checkout writes several files."""
        changed: set[str] = set()
        while True:
            await asyncio.sleep(LOOK_S)
            new = await asyncio.to_thread(files.changed)
            changed.update(new)
            if changed and not new:
                self._changes.put_nowait(sorted(changed))
                changed.clear()

    async def _work(self) -> None:
        """Start, and start anew at every change; a change while one is starting ends that one and starts the next."""
        starting = asyncio.create_task(self._take_over())
        try:
            while True:
                self._screen.changed(await self._changes.get())
                starting.cancel()
                await asyncio.wait([starting])
                starting = asyncio.create_task(self._take_over())
        finally:
            starting.cancel()
            await asyncio.wait([starting])

    # --- processes ---------------------------------------------------------------------------------------------------

    async def _take_over(self) -> None:
        wish = self._wish
        shift = await Shift.begin(wish.target, wish.url, wish.grace_s, self._screen.told, aside=wish.aside)
        self._all[shift] = asyncio.create_task(self._mind(shift))
        try:
            working = await self._started(shift)
        except asyncio.CancelledError:
            shift.stop()
            raise
        if working is None:
            return
        old, self._current, self._first = self._current, shift, False
        self._screen.working(working, old.pid if old else None)
        if old is not None:
            old.stop()

    async def _started(self, shift: Shift) -> Working | None:
        """Return what a process says once it works; None where it cannot, which was shown."""
        step = await shift.step()
        if isinstance(step, Imported):
            if step.in_turn:
                await self._retire_all_but(shift, step.in_turn)
            shift.go()
            step = await shift.step()
        if isinstance(step, Working):
            return step
        self._failed(step)
        return None

    def _failed(self, step: Imported | Failed | None) -> None:
        if isinstance(step, Failed):
            self._screen.failed(step, old=self._current.pid if self._current else None)
            if self._first and not step.while_importing:
                self._code = step.exit_code
                self._ended.set()

    async def _retire_all_but(self, shift: Shift, why: str) -> None:
        others = {other: minding for other, minding in self._all.items() if other is not shift}
        for other in others:
            self._screen.in_turn(other.pid, why)
            other.stop()
        if others:
            await asyncio.wait(others.values())

    async def _mind(self, shift: Shift) -> None:
        """Wait until a process is gone."""
        how = await shift.over()
        if not shift.told_to_stop and not shift.has_failed:
            self._screen.died(shift.pid, how)
        if self._current is shift:
            self._current = None
        del self._all[shift]

    async def _end(self) -> None:
        minding = list(self._all.values())
        for shift in list(self._all):
            shift.stop()
        if minding:
            await asyncio.wait(minding)
