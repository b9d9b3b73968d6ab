"""Everything that an app changes goes through here: units of one loop turn travel in one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from vagus.backend import Backend, Outcome, Unit
from vagus.errors import BackendError, VagusError

Answer: TypeAlias = Callable[[Any, Unit, Outcome | VagusError], None]
"""Is told what the unit was about, the unit, and its outcome or the error that befell the whole commit."""

IN_FLIGHT = 2
"""Commits under way at once: one is carried out while the next one is on its way."""


class Keeper(Protocol):
    """Keeps the bodies that events of a unit refer to, before the unit is committed."""

    def carries(self, unit: Unit) -> bool:
        """Return whether there are any."""

    async def kept(self, unit: Unit) -> Unit:
        """Keep them, and return the unit as it is to be committed."""


class Committer:
    """Coalesces units into commits, in the order in which they were submitted.

    `watch` is told the same as each answer, after it.
    """

    def __init__(self, backend: Backend) -> None:
        self.watch: Answer | None = None
        self.keeper: Keeper | None = None
        self._keeping: set[asyncio.Task[None]] = set()
        self._backend = backend
        self._units: list[Unit] = []
        self._answers: list[tuple[Answer, Any]] = []
        self._flying: set[asyncio.Task[None]] = set()
        self._flush_planned = False
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, unit: Unit, answer: Answer, about: Any = None) -> None:
        """Commit `unit` soon, and then call `answer`; one with large bodies when those are kept."""
        if self.keeper is not None and self.keeper.carries(unit):
            task = asyncio.get_running_loop().create_task(self._keep(self.keeper, unit, answer, about))
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)
        else:
            self._enqueue(unit, answer, about)

    async def _keep(self, keeper: Keeper, unit: Unit, answer: Answer, about: Any) -> None:
        try:
            kept = await keeper.kept(unit)
        except VagusError as error:
            answer(about, unit, error)
        except Exception as error:
            trouble = BackendError(f"a body could not be kept: {error!r}", hint="this is a fault of the blob store")
            trouble.__cause__ = error
            answer(about, unit, trouble)
        else:
            self._enqueue(kept, answer, about)

    def _enqueue(self, unit: Unit, answer: Answer, about: Any) -> None:
        self._units.append(unit)
        self._answers.append((answer, about))
        if not self._flush_planned and len(self._flying) < IN_FLIGHT:
            self._flush_planned = True
            self._idle.clear()
            asyncio.get_running_loop().call_soon(self._flush)

    def commit(self, unit: Unit) -> asyncio.Future[Outcome]:
        """Commit `unit` soon; the future is its outcome, or raises what befell the whole commit."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.submit(unit, _resolve, future)
        return future

    async def settled(self) -> None:
        """Wait until nothing is on its way."""
        while self._keeping:
            await asyncio.wait(self._keeping)
        await self._idle.wait()

    def _flush(self) -> None:
        self._flush_planned = False
        units, answers = self._units, self._answers
        self._units, self._answers = [], []
        task = asyncio.get_running_loop().create_task(self._carry(units, answers))
        self._flying.add(task)
        task.add_done_callback(self._landed)

    async def _carry(self, units: list[Unit], answers: list[tuple[Answer, Any]]) -> None:
        outcomes: Sequence[Outcome | VagusError]
        try:
            outcomes = await self._backend.commit(units)
        except VagusError as error:
            outcomes = [error] * len(units)
        except Exception as error:
            trouble = BackendError(f"the backend failed to commit: {error!r}", hint="this is a fault of the backend")
            trouble.__cause__ = error
            outcomes = [trouble] * len(units)
        for (answer, about), unit, outcome in zip(answers, units, outcomes, strict=True):
            answer(about, unit, outcome)
            if self.watch is not None:
                self.watch(about, unit, outcome)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if not task.cancelled():
            task.result()  # an answer that raised is a fault of ours: let the loop's handler show it
        if self._units and not self._flush_planned:
            self._flush_planned = True
            asyncio.get_running_loop().call_soon(self._flush)
        elif not self._flying and not self._units:
            self._idle.set()


def _resolve(future: asyncio.Future[Outcome], unit: Unit, outcome: Outcome | VagusError) -> None:
    if future.done():
        return
    if isinstance(outcome, VagusError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
