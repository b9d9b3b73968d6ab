"""Where a reader begins: a start as the count of events before it, and the newest position among those."""

from __future__ import annotations

from vagus.backend import After, End, First, Position, Start
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Lane
from vagus.errors import InvalidArgument
from vagus.ledger.sql import text
from vagus.ledger.sql.place import POSITION_MASK, floor


def starting_point(db: Database, lane: Lane, start: Start, now: float) -> tuple[int, int]:
    """Return how many events of `lane` a reader starting at `start` has passed, and a position that it is behind."""
    if isinstance(start, End):
        return lane.count, lane.newest
    if isinstance(start, First):
        return lane.removed, 0
    bottom, top = floor(lane.id), floor(lane.id + 1)
    if isinstance(start, After):
        behind = min(_number(start.position), lane.newest)
        place: int | None = bottom + max(0, behind) + 1
    else:
        place = _first_since(db, lane, now - start.seconds)
    found = None if place is None else db.row(text.EVENT_AT, (place, top))
    if found is None:
        return lane.count, lane.newest
    return found[2], (found[0] & POSITION_MASK) - 1


def _number(position: Position) -> int:
    try:
        return int(position)
    except ValueError as error:
        raise InvalidArgument(f"expected a position of a log, a whole number, got {position!r}") from error


def _first_since(db: Database, lane: Lane, since: float) -> int | None:
    """Return the place of the first event that entered at `since` or later: a search by halves, not a scan."""
    low, high = floor(lane.id), floor(lane.id) + lane.newest + 1
    while low < high:
        middle = (low + high) // 2
        found = db.row(text.EVENT_AT, (middle, high))
        if found is None or found[1] >= since:
            high = middle
        else:
            low = found[0] + 1
    return low if low <= floor(lane.id) + lane.newest else None
