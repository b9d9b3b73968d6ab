"""Who is to blame when a worker dies: how often an event was begun alone and did not end, kept outside of the process.

Whatever a dying worker holds is lost with it, so losses alone prove nothing. An event that was lost before runs with
nothing beside it; that it is begun is stored before, and forgotten in the very unit that settles it.
"""

from __future__ import annotations

from typing import Self

from vagus.app.work.attempt import Seat
from vagus.backend import Delivery, Unit
from vagus.store import Change, Store

KEEP_S = 86_400.0
"""How long a count outlives the last time that its event was begun, in seconds."""


class Suspect:
    """One event of one group, and how often it was `begun` alone and did not end."""

    def __init__(self, store: Store, key: str, begun: int) -> None:
        self._store = store
        self._key = key
        self.begun = begun

    @classmethod
    async def look_up(cls, store: Store, seat: Seat, delivery: Delivery) -> Self:
        """Return what is known of the event in `delivery`."""
        place = f"{delivery.topic}/{delivery.position}/{delivery.generation}"
        key = f"alone/{seat.group}/{delivery.member or ''}/{place}"
        known = (await store.get([key]))[0]
        return cls(store, key, 0 if known is None else int(known.body))

    async def begin(self) -> None:
        """Store that it is begun once more."""
        await self._store.swap([Change(self._key, b"%d" % (self.begun + 1), ttl_s=KEEP_S)])

    def cleared_by(self, unit: Unit) -> Unit:
        """Return the unit that settles the event, and forgets the count with it."""
        return Unit(unit.puts, unit.settles, (*unit.changes, Change(self._key, None, required=False)))
