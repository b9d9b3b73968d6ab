"""One log: what was put into it, in lanes, under one sequence of positions (rules 1 to 4 and 10 of the room)."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import islice

import msgspec

from vagus.backend import After, Dead, End, First, Inbox, Position, Put, Start, Target, Topic, TopicSpec
from vagus.errors import InvalidArgument
from vagus.ledger.stretch import Stretch


def log_of(put: Put) -> str:
    """Return the name of the log that a put enters: what is moved to a member lies apart from its redrives."""
    target = put.target
    if put.entry == "moved" and isinstance(target, Inbox) and target.member is not None:
        return f"{log_name(target)}/moved"
    return log_name(target)


def log_name(target: Target) -> str:
    """Return the name of the log behind a target: the topic, `$inbox.GROUP[/MEMBER]` or `$dead.GROUP`."""
    if isinstance(target, Topic):
        return target.name
    if isinstance(target, Dead):
        return f"$dead.{target.group}"
    return f"$inbox.{target.group}" if target.member is None else f"$inbox.{target.group}/{target.member}"


class Row(msgspec.Struct, eq=False, gc=False):
    """One event in a log: the put that brought it, its position, its lane and index there, when it entered."""

    put: Put
    log: str
    position: int
    lane: int
    index: int
    at: float


def _number(position: Position) -> int:
    try:
        return int(position)
    except ValueError as error:
        raise InvalidArgument(f"expected a position of a log, a whole number, got {position!r}") from error


def _position(row: Row) -> int:
    return row.position


def _index(row: Row) -> int:
    return row.index


def _at(row: Row) -> float:
    return row.at


class Lane:
    """The events of one priority, oldest first; `base` of them were removed at the front."""

    __slots__ = ("base", "rows")

    def __init__(self) -> None:
        self.base = 0
        self.rows: list[Row] = []

    @property
    def count(self) -> int:
        """How many events ever entered this lane."""
        return self.base + len(self.rows)

    def start(self, start: Start, now: float) -> int:
        """Return the index of the first event that a reader starting at `start` is handed."""
        if isinstance(start, First):
            return self.base
        if isinstance(start, End):
            return self.count
        if isinstance(start, After):
            return self.base + bisect_right(self.rows, _number(start.position), key=_position)
        return self.base + bisect_left(self.rows, now - start.seconds, key=_at)


class Log:
    """A topic, an inbox or the dead letters of a group."""

    def __init__(self, spec: TopicSpec, *, heard: bool) -> None:
        self.spec = spec
        self.name = spec.name
        self.heard = heard
        self.lanes = [Lane() for _ in range(spec.lanes)]
        self.low = [0] * spec.lanes
        self.next_position = 1
        self.duplicates = 0
        self.unheard = 0
        self.entries: dict[str, int] = defaultdict(int)
        self.scheduled: list[tuple[float, int, Put]] = []
        self._scheduled_ever = 0
        self._dedupe: dict[str, int | None] = {}
        self._by_key: dict[str, dict[int, list[Row]]] = {}

    def widen(self, spec: TopicSpec) -> None:
        """Take a new declaration; lanes are only ever added, so that nothing in one is stranded."""
        self.spec = msgspec.structs.replace(spec, lanes=max(spec.lanes, len(self.lanes)))
        if len(self.lanes) == 1 < spec.lanes:
            for row in self.lanes[0].rows:
                self._index_key(row)
        self.lanes.extend(Lane() for _ in range(spec.lanes - len(self.lanes)))
        self.low.extend([0] * (len(self.lanes) - len(self.low)))

    @property
    def kept(self) -> int:
        """How many events lie in the log."""
        return sum(len(lane.rows) for lane in self.lanes)

    def seen(self, put: Put) -> tuple[bool, int | None]:
        """Return whether `put` is a duplicate within the window, and of which position (None while scheduled)."""
        if put.dedupe is None or put.dedupe not in self._dedupe:
            return False, None
        return True, self._dedupe[put.dedupe]

    def append(self, put: Put, now: float) -> Row:
        """Give `put` the next position."""
        number = put.lane if 0 <= put.lane < len(self.lanes) else 0
        lane = self.lanes[number]
        row = Row(put, self.name, self.next_position, number, lane.base + len(lane.rows), now)
        self.next_position += 1
        lane.rows.append(row)
        if put.dedupe is not None:
            self._dedupe[put.dedupe] = row.position
        if put.entry != "new":
            self.entries[put.entry] += 1
        if len(self.lanes) > 1:
            self._index_key(row)
        return row

    def _index_key(self, row: Row) -> None:
        if row.put.key is not None:
            self._by_key.setdefault(row.put.key, {}).setdefault(row.lane, []).append(row)

    def schedule(self, put: Put, due: float) -> None:
        """Keep `put` outside of the log until `due`."""
        self._scheduled_ever += 1
        heapq.heappush(self.scheduled, (due, self._scheduled_ever, put))
        if put.dedupe is not None:
            self._dedupe[put.dedupe] = None

    def enter_due(self, now: float) -> bool:
        """Let what is due enter the log, earliest first; return whether there was any."""
        entered = False
        while self.scheduled and self.scheduled[0][0] <= now:
            self.append(heapq.heappop(self.scheduled)[2], now)
            entered = True
        return entered

    def earlier_unread(self, row: Row, stretches: Callable[[int], Sequence[Stretch]]) -> bool:
        """Return whether an event of `row`'s key that entered before it is still unread, in whichever lane.

        `stretches` tells what of a lane is unread.
        """
        for lane, rows in self._by_key.get(row.put.key or "", {}).items():
            for start, until in stretches(lane):
                first = bisect_left(rows, start[0], key=_index)
                is_unread = first < len(rows) and (until is None or rows[first].index < until[0])
                if is_unread and rows[first].position < row.position:
                    return True
        return False

    def end_before(self, lane: int, index: int) -> int:
        """Return the position up to which a lane is cut when it is cut before the event of that index."""
        rows, base = self.lanes[lane].rows, self.lanes[lane].base
        return rows[index - base].position - 1 if index - base < len(rows) else self.next_position - 1

    def rows_from(self, start: Start, limit: int, now: float) -> list[Row]:
        """Return at most `limit` events of all lanes from `start` on, in order of position."""
        tails: list[list[Row]] = []
        for lane in self.lanes:
            first = lane.start(start, now) - lane.base
            tails.append(lane.rows[first : first + limit])
        return list(islice(heapq.merge(*tails, key=_position), limit))

    def unsettled(self, settled: Callable[[Row, int], bool]) -> int:
        """Return how many events lie between the low-water mark and the end, scheduled ones included.

        The mark only ever rises between calls of `reread`, so that each event is looked at once.
        """
        count = len(self.scheduled)
        for number, lane in enumerate(self.lanes):
            low = max(self.low[number], lane.base)
            while low < lane.count and settled(lane.rows[low - lane.base], number):
                low += 1
            self.low[number] = low
            count += lane.count - low
        return count

    def reread(self) -> None:
        """Forget the low-water mark: somebody reads from further back now."""
        self.low = [0] * len(self.lanes)

    def trim(self, settled: Callable[[Row, int], bool], until: float, spare: int) -> int:
        """Remove settled events from the front of each lane: older than `until`, or more than `spare` of them."""
        removed = 0
        for number, lane in enumerate(self.lanes):
            count = 0
            for row in lane.rows:
                if not (row.at < until or len(lane.rows) - count > spare) or not settled(row, number):
                    break
                count += 1
            if count:
                self._forget(lane, number, count)
                removed += count
        return removed

    def _forget(self, lane: Lane, number: int, count: int) -> None:
        for row in islice(lane.rows, count):
            key = row.put.key
            if key is not None and key in self._by_key:
                lanes = self._by_key[key]
                del lanes[number][:1]
                if not any(lanes.values()):
                    del self._by_key[key]
        del lane.rows[:count]
        lane.base += count

    def forget_dedupe(self, spare: int, low_water: int) -> None:
        """Forget the oldest dedupe values beyond the newest `spare`, those of unsettled events apart."""
        while len(self._dedupe) > spare:
            oldest = next(iter(self._dedupe))
            position = self._dedupe[oldest]
            if position is None or position >= low_water:
                return
            del self._dedupe[oldest]
