"""One simulated process: an app with all of its handlers at work, over a line of its own."""

from __future__ import annotations

import asyncio
import math
import random

from vagus.app.app import App
from vagus.app.opened import Opened
from vagus.backend import Backend
from vagus.testing.loop import DeterministicLoop
from vagus.testing.simulation.flow import Floor
from vagus.testing.simulation.history import History
from vagus.testing.simulation.link import Link, Weather


class Node:
    """See the module. Its `process` can be killed or frozen; `harmed_at` is when the first fault befell it."""

    def __init__(
        self,
        name: str,
        app: App,
        backend: Backend,
        history: History,
        chance: random.Random,
        weather: Weather,
        pace_s: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, DeterministicLoop), "a simulated process lives on a deterministic loop"
        self.name = name
        self.started_at = loop.time()
        self.harmed_at = math.inf
        self.process = loop.process(name)
        self.link = Link(backend, name, random.Random(chance.random()), weather, history)
        self._floor = Floor(name, random.Random(chance.random()), history, pace_s)
        self._opened = Opened(app, self.link, chance.getrandbits(32))
        self._history = history

    @property
    def busy(self) -> bool:
        """Whether a fault now would hit something: an unsettled delivery, or a commit that is under way."""
        return self.link.under_way > 0 or any(worker.held for worker in self._opened.workers.values())

    async def start(self) -> None:
        """Open the app and let its members work."""
        self._history.note(self.name, "start", self.name)
        await self.process.spawn(self._live())

    async def _live(self) -> None:
        await self._opened.open({Floor: lambda: self._floor}, None)
        await self._opened.start(None)

    async def leave(self) -> None:
        """End in good order: finish or hand back what is held, and leave the groups."""
        self._history.note(self.name, "leave", self.name)
        await self.process.spawn(self._opened.stop())

    def harmed(self) -> None:
        """Remember that a fault befell it."""
        self.harmed_at = min(self.harmed_at, asyncio.get_running_loop().time())
