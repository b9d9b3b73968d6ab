"""A committer for several backends: what concerns one of them does not wait for another that is slow or gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from vagus.app.routing.routed import Routed
from vagus.app.work.committer import Answer, Committer
from vagus.backend import Backend, Unit


class LaneCommitter(Committer):
    """Keeps a committer for each set of backends that units concern. See `Committer`.

    Units that concern the same backends keep their order.
    """

    def __init__(self, backend: Backend, lane: Callable[[Unit], str]) -> None:
        super().__init__(backend)
        self._lane = lane
        self._lanes: dict[str, Committer] = {}

    def _enqueue(self, unit: Unit, answer: Answer, about: Any) -> None:
        """Commit `unit` soon, with others that concern the same backends."""
        name = self._lane(unit)
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Committer(self._backend)
        lane.submit(unit, answer, about)

    async def settled(self) -> None:
        """Wait until nothing is on its way to any of them."""
        await super().settled()
        await asyncio.gather(*(lane.settled() for lane in self._lanes.values()))


def committer_for(backend: Backend, routed: Routed | None) -> Committer:
    """Return the committer of an app: with lanes where its backend is several; `routed` tells them apart."""
    return Committer(backend) if routed is None else LaneCommitter(backend, routed.lane)
