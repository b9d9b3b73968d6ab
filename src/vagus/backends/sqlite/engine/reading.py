"""A cursor on one lane: how far it has passed it, what of it is still to be read, and where a reader begins."""

from __future__ import annotations

import msgspec

from vagus.backend import After, End, First, Position, Put, SeekTo, Start
from vagus.backends.sqlite.database import Database
from vagus.errors import InvalidArgument
from vagus.ledger.sql import text
from vagus.ledger.sql.place import POSITION_MASK, floor
from vagus.ledger.stretch import Point, Stretch, cut_off, opened, unread


class Lane(msgspec.Struct, eq=False):
    """One lane's counters; `fresh` are the events (position, put) that entered it in this very transaction."""

    id: int
    count: int
    removed: int
    newest: int
    dirty: bool = False
    fresh: list[tuple[int, Put]] = msgspec.field(default_factory=list)


class Reading(msgspec.Struct, eq=False):
    """A cursor on one lane: it reads on up to event number `until` (None: for good), and then what is `later`."""

    lane: Lane
    start: int
    passed: int
    position: int
    replayed: int = 0
    generation: int = 0
    until: int | None = None
    until_position: int = 0
    later: list[Stretch] = []
    served: int = 0
    dirty: bool = False

    @property
    def ready(self) -> int:
        """How many events of the lane are unread."""
        if self.until is None:
            return self.lane.count - self.passed
        return self.until - self.passed + unread(self.later, self.lane.count)

    @property
    def is_open(self) -> bool:
        """Whether it reads what is still to come."""
        return self.until is None if not self.later else self.later[-1][1] is None

    @property
    def entered(self) -> int:
        """How many events entered the lane since it was opened; none when it is closed, they are counted by then."""
        return self.lane.count - self.start if self.is_open else 0

    @property
    def place(self) -> Point:
        """Where the last stretch of an open one begins, or goes on."""
        return self.later[-1][0] if self.later else (self.passed, self.position)

    @property
    def stretches(self) -> list[Stretch]:
        """All that is to be read."""
        if self.until == self.passed:
            return self.later
        end = None if self.until is None else (self.until, self.until_position)
        return [((self.passed, self.position), end), *self.later]

    def advance(self, count: int, position: int) -> None:
        """Pass `count` events, the last of them at `position`, and go on to the next stretch at the end of one."""
        self.passed += count
        self.position = position
        self.dirty = True
        if self.passed == self.until and self.later:
            self._read(self.later)

    def _read(self, stretches: list[Stretch]) -> None:
        self.dirty = True
        if not stretches:
            self.until, self.until_position, self.later = self.passed, self.position, []
            return
        (start, end), *self.later = stretches
        self.passed, self.position = start
        self.until, self.until_position = (None, 0) if end is None else end

    def close(self, at: Point) -> tuple[int, int]:
        """Read what lies before `at`, no earlier than `place`.

        Return how many events entered since it was opened, and how many of what lies behind `at` were to come again.
        """
        again = max(0, self.start - at[0])
        entered = at[0] - self.start + again
        self._read(cut_off(self.stretches, at))
        return entered, again

    def reopen(self, at: Point, again: int) -> int:
        """Read on from `at`, where the first `again` events come again.

        Return how many events behind `at` were left to be read already.
        """
        before = self.ready
        self._read(opened(self.stretches, at))
        self.start = at[0] + again
        return before - (self.ready - (self.lane.count - at[0]))

    def seek(self, at: Point, change: SeekTo) -> tuple[int, int]:
        """Read from `at`, and all behind it; return how many events come again, and how many are skipped."""
        before, place = self.ready, self.place
        if at[0] > place[0] and not change.skip:
            return 0, 0
        left = cut_off(self.stretches, at)
        skipped = unread(left, self.lane.count) if change.skip else 0
        self._read(opened([] if change.skip else left, at))
        replayed = self.ready - (before - skipped)
        if replayed:
            self.replayed = max(self.replayed, place[1])
            self.generation = max(self.generation + 1, change.generation)
        return replayed, skipped

    def replay_as(self, generation: int, replayed: int) -> None:
        """Hand out again what another reading was to hand out again: it is read here from now on."""
        self.generation = max(self.generation, generation)
        self.replayed = max(self.replayed, replayed)


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
