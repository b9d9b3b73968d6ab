"""What was there before a moment: which of a group's deliveries are cancelled with what it had to do back then."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from vagus.backend import Position


class Cut(msgspec.Struct, frozen=True):
    """A moment in a group's life: the newest `positions` of its topics and its inbox back then, and the time.

    A topic without a position had no events that are still kept. `at` is in seconds since 1970.
    """

    positions: Mapping[str, Position]
    at: float

    def covers(
        self, topic: str, position: Position, *, published_at: float | None = None, generation: int = 0, inbox: str = ""
    ) -> bool:
        """Return whether a delivery was there before.

        `topic` and `position`: where it was published, or its place in the `inbox` where it was sent again. What got
        its position after the cut (a delayed event) was there if it was published before, by its publisher's clock.
        What was deliberately sent again counts as what it is, a new order: only an entry of the inbox that was there
        back then is covered, a replay never is.
        """
        newest = self.positions.get(topic)
        if generation and topic != inbox:
            return False
        if newest is not None and type(position) is type(newest) and position <= newest:  # type: ignore[operator]
            return True
        return not generation and published_at is not None and published_at < self.at
