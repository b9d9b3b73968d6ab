"""How long things are kept: settled events, dedupe values, what was dropped; always in small steps."""

from __future__ import annotations

from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Cache, Log, Subscription
from vagus.backends.sqlite.engine.reading import Lane
from vagus.ledger.sql import text
from vagus.ledger.sql.place import LANES, POSITION_MASK, floor

#: How long settled events and dedupe values are kept where a topic does not say, in seconds.
KEEP_S = 7 * 86_400.0

#: A log is looked at for trimming after so many puts of this process.
TRIM_EVERY = 512

#: Rows removed in one transaction at most, per log.
STEP = 2_048


class Keeping:
    """Low-water marks, trimming, sweeping."""

    def __init__(self, db: Database, cache: Cache, keep_s: float) -> None:
        self._db = db
        self._cache = cache
        self._keep_s = keep_s
        self._grown: dict[int, int] = {}

    def grown(self, log: Log, by: int) -> None:
        """Note that a log grew, so that its old end is looked at in time."""
        self._grown[log.id] = self._grown.get(log.id, 0) + by

    # --- what is settled ---------------------------------------------------------------------------------------------

    def unsettled(self, log: Log) -> int:
        """Return how many events lie between the low-water mark and the end, scheduled ones included."""
        count = self._db.number(text.SCHEDULED_IN, (log.id,)) + self._cache.pending_scheduled(log.id)
        for id in log.lane_ids():
            lane = self._cache.lane(id)
            low = self._low(log, lane)
            if low is not None:
                count += lane.count - self._number(lane, low)
        return count

    def _low(self, log: Log, lane: Lane) -> int | None:
        """Return the place of the first event that some subscription is not done with; None when all are."""
        lowest: int | None = None
        for id in log.readers:
            subscription = self._cache.subscription(id)
            place = self._low_of(subscription, lane)
            if place is not None and (lowest is None or place < lowest):
                lowest = place
        return lowest

    def _low_of(self, subscription: Subscription, lane: Lane) -> int | None:
        reading = subscription.readings.get(lane.id)
        places = []
        if reading is not None and reading.ready:
            places.append(floor(lane.id) + reading.position + 1)
        span = (subscription.id, floor(lane.id), floor(lane.id + 1))
        counts = (
            ("held", subscription.held),
            ("waiting", subscription.waiting),
            ("parked", subscription.parked - subscription.freed),
            ("freed", subscription.freed),
        )
        for table, count in counts:
            found = self._db.row(text.LOWEST[table], span) if count else None
            if found is not None and found[0] is not None:
                places.append(found[0])
        return min(places, default=None)

    def _number(self, lane: Lane, place: int) -> int:
        found = self._db.row(text.NUMBER_AT, (place, floor(lane.id + 1)))
        return lane.count if found is None else int(found[0])

    # --- trimming ----------------------------------------------------------------------------------------------------

    def wants_trim(self) -> bool:
        """Return whether some log grew enough to be looked at."""
        return any(count >= TRIM_EVERY for count in self._grown.values())

    def wants_any(self) -> bool:
        """Return whether some log grew at all since it was looked at, or something dropped is still to be removed."""
        return bool(self._grown) or self._db.row(text.ORPHANS) is not None

    def trim_grown(self, now: float) -> None:
        """Look at the logs that grew most since they were looked at last."""
        for id in [id for id, count in self._grown.items() if count >= TRIM_EVERY]:
            grown = self._grown.pop(id)
            log = self._cache.logs_by_id.get(id)
            if log is not None:
                self._trim(log, now, 2 * grown)
                self._sweep(log, now, 2 * grown)

    def trim_all(self, now: float) -> None:
        """Look at every log once; for idle times."""
        self._grown.clear()
        for log in list(self._cache.logs_by_id.values()):
            self._trim(log, now, STEP)
            self._sweep(log, now, STEP)
        for (id,) in self._db.rows(text.ORPHANS):
            self._remove_orphan(id)

    def _trim(self, log: Log, now: float, most: int) -> None:
        if log.name.startswith("$dead."):
            return
        keep_s = self._keep_s if log.spec.keep_s is None else log.spec.keep_s
        for id in log.lane_ids():
            lane = self._cache.lane(id)
            if lane.count > lane.removed:
                self._trim_lane(log, lane, now - keep_s, min(most, STEP))

    def _trim_lane(self, log: Log, lane: Lane, until: float, most: int) -> None:
        bottom, top = floor(lane.id), floor(lane.id + 1)
        first = self._db.row(text.EVENT_AT, (bottom, top))
        if first is None or first[1] >= until:
            return
        low = self._low(log, lane)
        end = top if low is None else low
        beyond = self._db.row(text.NTH_EVENT, (bottom, end, most))
        if beyond is not None:
            end = beyond[0]
        end = self._end_of_old(bottom, end, until)
        self._forget_keys(log, lane, bottom, end)
        self._db.execute(text.DROP_EVENTS, (bottom, end))
        lane.removed += self._db.changes
        lane.dirty = True

    def _end_of_old(self, bottom: int, end: int, until: float) -> int:
        """Return the place in front of which everything is older than `until`, at most `end`: a search by halves."""
        low, high = bottom, end
        while low < high:
            middle = (low + high) // 2
            found = self._db.row(text.EVENT_AT, (middle, high))
            if found is None or found[1] >= until:
                high = middle
            else:
                low = found[0] + 1
        return low

    def _forget_keys(self, log: Log, lane: Lane, bottom: int, end: int) -> None:
        if log.spec.lanes > 1:
            rows = self._db.rows(text.KEYS_BETWEEN, (bottom, end))
            self._db.execute_many(text.DROP_KEYED, [(lane.id, key, place & POSITION_MASK) for key, place in rows])

    def _sweep(self, log: Log, now: float, most: int) -> None:
        """Walk on through the dedupe values, a few at a time, and forget those past the window."""
        found = self._db.row(text.SWEPT, (log.id,))
        after = found[0] if found else ""
        rows = self._db.rows(text.OLD_SEEN, (log.id, after, min(most, STEP)))
        until = now - max(KEEP_S, log.spec.keep_s or 0.0)
        old = [(log.id, dedupe) for dedupe, position, at in rows if position is not None and at < until]
        self._db.execute_many(text.DROP_SEEN, old)
        swept = rows[-1][0] if len(rows) == min(most, STEP) else ""
        if swept != after:
            self._db.execute(text.SET_SWEPT, (swept, log.id))

    def _remove_orphan(self, lane: int) -> None:
        """Remove some of what is left of a log that was dropped."""
        bottom, top = floor(lane), floor(lane + 1)
        beyond = self._db.row(text.NTH_EVENT, (bottom, top, STEP))
        self._db.execute(text.DROP_EVENTS, (bottom, top if beyond is None else beyond[0]))
        seen = self._db.rows(text.ORPHAN_SEEN, (lane // LANES, STEP))
        self._db.execute_many(text.DROP_SEEN, [(lane // LANES, dedupe) for (dedupe,) in seen])
        keyed = self._db.rows(text.ORPHAN_KEYED, (lane, STEP))
        self._db.execute_many(text.DROP_KEYED, [(lane, key, position) for key, position in keyed])
        if beyond is None and len(seen) < STEP and len(keyed) < STEP:
            self._db.execute(text.DROP_LANE, (lane,))
