"""Where a dispatcher's events come from: the ingress of its group, and the inboxes of members that are gone."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from vagus.app.dispatch.bell import Bell
from vagus.backend import Delivery, Feed, Lane
from vagus.clock import Clock
from vagus.delivery.pick import PickEvent
from vagus.errors import BackendError, VagusError

_log = logging.getLogger("vagus.dispatch")
_AGAIN_S = (0.1, 0.5, 1.0, 2.0, 5.0)


class Item:
    """An event in the dispatcher's hands; `why` says what it waits for, "" while it is on its way."""

    __slots__ = ("delivery", "event", "intake", "why")

    def __init__(self, delivery: Delivery, event: PickEvent, intake: Intake) -> None:
        self.delivery = delivery
        self.event = event
        self.intake = intake
        self.why = ""


Receive: TypeAlias = Callable[["Intake", Sequence[Delivery]], None]


class Intake:
    """One seat of a dispatcher, and what it holds there."""

    def __init__(self, attach: Callable[[], Feed], lease_s: float) -> None:
        self._attach = attach
        self._lease_s = lease_s
        self._feed: Feed | None = None
        self.held: dict[Item, None] = {}

    async def take(self, limit: int, lanes: Sequence[Lane]) -> Sequence[Delivery]:
        """Wait for events; nothing is left where it returns none. Joins anew where the feed had failed."""
        if self._feed is None:
            self._feed = self._attach()
        try:
            return await self._feed.take(limit, lanes)
        except Exception:
            self._feed = None
            raise

    async def extend(self) -> None:
        """Keep the leases of all that is held; what is lost is let go."""
        if not self.held or self._feed is None:
            return
        items = list(self.held)
        lost = await self._feed.extend([item.delivery.token for item in items], self._lease_s)
        if lost:
            gone = {id(token) for token in lost}
            for item in items:
                if id(item.delivery.token) in gone or item.delivery.token in lost:
                    self.held.pop(item, None)

    async def leave(self) -> None:
        """Give back what is held, uncounted."""
        feed, self._feed = self._feed, None
        self.held.clear()
        try:
            if feed is not None:
                await feed.leave()
        except VagusError as error:
            _log.warning("a dispatcher could not give up its seat: %s", error)


async def forever(what: str, step: Callable[[], Awaitable[bool]], clock: Clock) -> None:
    """Take the same step again and again until it returns False; after an error wait a little, longer each time."""
    failures = 0
    while True:
        try:
            if not await step():
                return
            failures = 0
        except Exception as error:  # also a fault of the backend: nobody else would notice that this has ended
            delay_s = _AGAIN_S[min(failures, len(_AGAIN_S) - 1)]
            failures += 1
            log = _log.warning if isinstance(error, BackendError) else _log.exception
            log("%s failed, trying again in %g s: %r", what, delay_s, error)
            await Bell(clock).heard(delay_s)
