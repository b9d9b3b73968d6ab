"""A member's end of a group on one of several backends: tokens say which backend they are of."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vagus.app.routing.crossing import Held
from vagus.backend import Delivery, Feed, Lane, Token


class RoutedFeed:
    """See `vagus.backend.Feed`."""

    def __init__(self, feed: Feed, place: str) -> None:
        self._feed = feed
        self._place = place

    async def take(self, limit: int, lanes: Sequence[Lane]) -> Sequence[Delivery]:
        """Take there."""
        found = await self._feed.take(limit, lanes)
        return [msgspec.structs.replace(one, token=Held(self._place, one.token)) for one in found]

    async def extend(self, tokens: Sequence[Token], by_s: float) -> Sequence[Token]:
        """Extend there."""
        lost = await self._feed.extend([held.token for held in tokens], by_s)
        gone = {id(token) for token in lost}
        return [held for held in tokens if id(held.token) in gone or held.token in lost]

    async def leave(self) -> None:
        """Leave there."""
        await self._feed.leave()
