"""Everything that an app changes goes through here: units of one loop turn travel in one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from vagus.backend import Backend, Outcome, Unit
from vagus.errors import BackendError, VagusError

Answer: TypeAlias = Callable[[Outcome | VagusError], None]

IN_FLIGHT = 2
"""Commits under way at once: one is carried out while the next one is on its way."""


class Committer:
    """Coalesces units into commits, in the order in which they were submitted."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._units: list[Unit] = []
        self._answers: list[Answer] = []
        self._flying: set[asyncio.Task[None]] = set()
        self._flush_planned = False
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, unit: Unit, answer: Answer) -> None:
        """Commit `unit` soon and call `answer` with its outcome, or with the error that befell the whole commit."""
        self._units.append(unit)
        self._answers.append(answer)
        if not self._flush_planned and len(self._flying) < IN_FLIGHT:
            self._flush_planned = True
            self._idle.clear()
            asyncio.get_running_loop().call_soon(self._flush)

    async def commit(self, unit: Unit) -> Outcome:
        """Commit `unit` and wait for its outcome; raises what befell the whole commit."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def answer(outcome: Outcome | VagusError) -> None:
            if future.done():
                return
            if isinstance(outcome, VagusError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.submit(unit, answer)
        return await future

    async def settled(self) -> None:
        """Wait until nothing is on its way."""
        await self._idle.wait()

    def _flush(self) -> None:
        self._flush_planned = False
        units, answers = self._units, self._answers
        self._units, self._answers = [], []
        task = asyncio.get_running_loop().create_task(self._carry(units, answers))
        self._flying.add(task)
        task.add_done_callback(self._landed)

    async def _carry(self, units: list[Unit], answers: list[Answer]) -> None:
        try:
            outcomes = await self._backend.commit(units)
        except VagusError as error:
            for answer in answers:
                answer(error)
            return
        except Exception as error:
            trouble = BackendError(f"the backend failed to commit: {error!r}", hint="this is a fault of the backend")
            trouble.__cause__ = error
            for answer in answers:
                answer(trouble)
            return
        for answer, outcome in zip(answers, outcomes, strict=True):
            answer(outcome)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if not task.cancelled():
            task.result()  # an answer that raised is a fault of ours: let the loop's handler show it
        if self._units and not self._flush_planned:
            self._flush_planned = True
            asyncio.get_running_loop().call_soon(self._flush)
        elif not self._flying and not self._units:
            self._idle.set()
