"""What goes wrong, decided by the seed: deaths, stops, cuts, departures; each where it hits something."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from vagus.testing.simulation.flow import LEASE_S
from vagus.testing.simulation.history import History
from vagus.testing.simulation.node import Node

_PATIENCE_S = 0.4
_LOOK_S = 0.01


class Nemesis:
    """Torments the process in one slot, one misfortune after the other, and puts a successor in its place."""

    def __init__(self, slot: int, make: Callable[[int], Node], history: History, chance: random.Random) -> None:
        self.node = make(slot)
        self.frozen: list[tuple[str, float, float]] = []
        self._slot = slot
        self._make = make
        self._history = history
        self._chance = chance

    async def torment(self, until: float) -> None:
        """Let misfortunes happen until that time; the slot's process is alive and well afterwards."""
        faults = (self.kill, self.freeze, self.cut)
        if not self._slot:
            await self._opportunity(until)
            await self._chance.choice(faults)()  # one at least, in every world
        while True:
            await asyncio.sleep(0.3 + self._chance.random() * 1.5)
            if self._history.time() >= until:
                return
            misfortune = self._chance.choice((*faults, *faults[:2], self.depart))
            await self._opportunity(self._history.time() + _PATIENCE_S)
            await misfortune()

    async def _opportunity(self, until: float) -> None:
        """Wait for a moment in which a fault hits something, not longer than until that time."""
        while not self.node.busy and self._history.time() < until:  # noqa: ASYNC110 - it costs no real time
            await asyncio.sleep(_LOOK_S)

    def _strike(self, kind: str) -> None:
        self.node.harmed()
        if self.node.busy:
            self._history.fault(kind, self.node.name)
        else:
            self._history.note(self.node.name, "missed", kind)

    async def kill(self) -> None:
        """End the process as `kill -9` does; a successor starts later."""
        self._strike("kill")
        self.node.process.kill()
        await asyncio.sleep(self._chance.random() * 1.5)
        await self._succeed()

    async def freeze(self) -> None:
        """Stop the process, often for longer than its leases; then it goes on, and settles late what it held."""
        self._strike("freeze")
        began = self._history.time()
        self.node.process.freeze()
        await asyncio.sleep(LEASE_S * (0.3 + self._chance.random() * 1.9))
        self.node.process.thaw()
        self.frozen.append((self.node.name, began, self._history.time()))
        self._history.note(self.node.name, "thaw", self.node.name)

    async def cut(self) -> None:
        """Cut the line of the process for a while."""
        self._strike("cut")
        self.node.link.cut()
        await asyncio.sleep(0.2 + self._chance.random() * LEASE_S * 1.3)
        self.node.link.heal()
        self._history.note(self.node.name, "heal", self.node.name)

    async def depart(self) -> None:
        """Let the process leave in good order; a successor joins."""
        self.node.harmed()
        await self.node.leave()
        await self._succeed()

    async def _succeed(self) -> None:
        self.node = self._make(self._slot)
        await self.node.start()
