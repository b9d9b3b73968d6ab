"""Who is handed what: first what others lost, then what is due, then lane by lane what was freed and what is new."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from vagus.backend import Delivery, Put
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Cache, Claim, Subscription
from vagus.backends.sqlite.engine.reading import Lane, Reading
from vagus.backends.sqlite.engine.settling import Settling, Ticket
from vagus.ledger.sql import text
from vagus.ledger.sql.place import LANES, POSITION_BITS, POSITION_MASK, Extra, floor, unpack_extra
from vagus.ledger.steering import epoch_of
from vagus.message import Envelope

#: A take goes on behind events whose keys are busy; after so many it is cut, and goes on in the next transaction.
PARKED_AT_ONCE = 4_096

#: After a first look, at least so many are looked through at once: where most are parked, the room left is small.
SIFTED_AT_ONCE = 256

#: The order of lanes where a take names none.
ALL_LANES = tuple(range(LANES - 1, -1, -1))

Found = tuple[int, str | None, bytes | None, Any]
"""An event as a take reads it: place, key, extra, body; of one that is fresh, the put itself is in the last place."""


class Hand:
    """What one take hands to one member."""

    def __init__(self, cache: Cache, subscription: Subscription, limit: int) -> None:
        self._cache = cache
        self.subscription = subscription
        team = cache.teams_by_id[subscription.team]
        self.claim_id = subscription.next_turn()
        self.ordered = team.spec.ordered and subscription.kind != "inbox"
        self.owner = subscription.member if subscription.kind == "own" else None
        self.cuts = team.cuts
        self.room = limit
        self.parked = 0
        self.deliveries: list[Delivery] = []

    def add(self, row: Found, generation: int, losses: int, note: bytes | None) -> None:
        """Hand an event out; `note` None is the one that was put with it."""
        place, key, extra, body = row
        lane = place >> POSITION_BITS
        topic = self._cache.logs_by_id[lane // LANES].name
        ticket = Ticket(self.subscription.id, place, self.claim_id, key)
        epoch = 0
        if extra is None and type(body) is not Put:
            envelope = Envelope(body)
            note = b"" if note is None else note
        else:
            more: Put | Extra
            if type(body) is Put:
                envelope, more = body.envelope, body
            else:
                more = unpack_extra(extra)
                envelope = Envelope(body, more.content_type, more.headers)
            generation += more.generation
            losses += more.losses
            epoch = more.epoch
            note = more.note if note is None else note
            ticket.moved = more.entry == "moved" and topic.startswith("$inbox.")
        position = place & POSITION_MASK
        if not epoch:
            epoch = epoch_of(self.cuts, topic, lane % LANES, position) if self.cuts else 1
        what = (key, lane % LANES, generation, losses, note, self.owner, epoch)
        self.deliveries.append(Delivery(topic, envelope, ticket, position, *what))
        self.room -= 1


class Taking:
    """Takes, and the quick look whether one would be handed anything."""

    def __init__(self, db: Database, cache: Cache, settling: Settling) -> None:
        self._db = db
        self._cache = cache
        self._settling = settling

    def may_take(
        self, sources: Sequence[Subscription], member: str, credit: int, lanes: Sequence[int], now: float
    ) -> bool:
        """Return whether a take now may find something; cheap, and never wrong with a no."""
        if sum(source.holding(member, now) for source in sources) >= credit:
            return False
        return any(self._may_take(source, lanes, now) for source in sources)

    def _may_take(self, subscription: Subscription, lanes: Sequence[int], now: float) -> bool:
        if subscription.due_at <= now or subscription.lapse_at() <= now or self._has_freed(subscription, lanes):
            return True
        return any(r.ready and (not lanes or r.lane.id % LANES in lanes) for r in subscription.readings.values())

    def _has_freed(self, subscription: Subscription, lanes: Sequence[int]) -> bool:
        if not subscription.freed or not lanes:
            return subscription.freed > 0
        return any(self._db.row(text.HAS_FREED, (subscription.id, lane)) for lane in lanes)

    def next_due(self, sources: Sequence[Subscription], member: str, credit: int, now: float) -> float:
        """Return when something comes to `member` by itself: a lapsing lease, a due time, or credit of its own."""
        if sum(source.holding(member, now) for source in sources) >= credit:
            return min((source.credit_at(member, now) for source in sources), default=math.inf)
        return min((min(source.due_at, source.lapse_at()) for source in sources), default=math.inf)

    def take(
        self,
        sources: Sequence[Subscription],
        member: str,
        credit: int,
        limit: int,
        lanes: Sequence[int],
        now: float,
    ) -> list[Delivery]:
        """Hand at most `limit` events to `member`, within its credit; what comes first among the sources goes first."""
        room = min(limit, credit - sum(source.holding(member, now) for source in sources))
        taken: list[Delivery] = []
        for source in sources:
            if len(taken) < room:
                taken += self._take(source, member, room - len(taken), lanes, now)
        return taken

    def _take(
        self, subscription: Subscription, member: str, room: int, lanes: Sequence[int], now: float
    ) -> list[Delivery]:
        hand = Hand(self._cache, subscription, room)
        self._take_lost(hand, now)
        if subscription.due_at <= now:
            self._take_due(hand, now)
        freed = {row[0] for row in self._db.rows(text.FREED_LANES, (subscription.id,))} if subscription.freed else ()
        for lane in lanes or ALL_LANES:
            if hand.room <= 0 or hand.parked >= PARKED_AT_ONCE:
                break
            if lane in freed:
                self._take_freed(hand, lane)
            self._take_logs(hand, lane)
        count = len(hand.deliveries)
        if count:
            lease_s = self._cache.teams_by_id[subscription.team].spec.lease_s
            claim = Claim(hand.claim_id, member, now + lease_s, count, dirty=True)
            subscription.claims[claim.id] = claim
            subscription.held += count
        return hand.deliveries

    def _take_lost(self, hand: Hand, now: float) -> None:
        subscription = hand.subscription
        lapsed = [claim for claim in subscription.claims.values() if claim.until <= now and claim.remaining]
        for claim in sorted(lapsed, key=lambda claim: (claim.until, claim.id)):
            if hand.room <= 0:
                return
            rows = self._db.rows(text.LAPSED, (subscription.id, claim.id, hand.room))
            for place, key, extra, body, generation, losses, note in rows:
                hand.add((place, key, extra, body), generation, losses + 1, note)
            last = rows[-1][0] if rows else 0
            self._db.execute(text.TAKE_OVER, (hand.claim_id, subscription.id, claim.id, last))
            self._settling.reduce_claim(subscription, claim.id, len(rows))
            subscription.lost += len(rows)
            subscription.held -= len(rows)

    def _take_due(self, hand: Hand, now: float) -> None:
        subscription = hand.subscription
        rows = self._db.rows(text.DUE, (subscription.id, now, max(0, hand.room)))
        for place, key, extra, body, generation, losses, note in rows:
            self._db.execute(text.HOLD_WAITING, (hand.claim_id, subscription.id, place))
            self._db.execute(text.DROP_WAITING, (subscription.id, place))
            hand.add((place, key, extra, body), generation, losses, note)
        subscription.waiting -= len(rows)
        subscription.dirty = True
        due = self._db.row(text.NEXT_DUE, (subscription.id,))
        subscription.due_at = float("inf") if due is None or due[0] is None else due[0]

    def _take_freed(self, hand: Hand, lane: int) -> None:
        subscription = hand.subscription
        rows = self._db.rows(text.FREED, (subscription.id, lane, hand.room))
        values: list[Any] = []
        for place, key, extra, body, generation, _ in rows:
            values += (subscription.id, place, hand.claim_id, generation)
            hand.add((place, key, extra, body), generation, 0, None)
        self._db.run_all(text.row_statements(text.HELD_ROWS, 4, values))
        self._db.execute(text.DROP_FREED, (subscription.id, lane, rows[-1][5]))
        subscription.freed -= len(rows)
        subscription.parked -= len(rows)
        subscription.dirty = True

    # --- logs --------------------------------------------------------------------------------------------------------

    def _take_logs(self, hand: Hand, lane: int) -> None:
        subscription = hand.subscription
        readings = [r for r in subscription.readings.values() if r.lane.id % LANES == lane and r.ready]
        if len(readings) > 1:
            readings.sort(key=lambda reading: (not self._is_inbox(reading), reading.served))
        for reading in readings:
            if hand.room <= 0:
                return
            subscription.rotation += 1
            reading.served = subscription.rotation
            size = hand.room
            while reading.ready and hand.room > 0 and hand.parked < PARKED_AT_ONCE:
                self._take_run(hand, reading, size)
                size = max(hand.room, SIFTED_AT_ONCE)

    def _is_inbox(self, reading: Reading) -> bool:
        return self._cache.logs_by_id[reading.lane.id // LANES].name.startswith("$inbox.")

    def _take_run(self, hand: Hand, reading: Reading, size: int) -> None:
        """Go through at most `size` events of the lane, and hand out what may be."""
        subscription = hand.subscription
        if reading.until is not None:
            size = min(size, reading.until - reading.passed)
        rows = self._read(reading, size)
        subscription.dirty = True
        if not rows:  # nothing is where the counters say: never seen, but must not become a loop
            end = (reading.lane.count, reading.lane.newest)
            if reading.until is not None:
                end = (reading.until, reading.until_position)
            reading.advance(end[0] - reading.passed, end[1])
            return
        aside = self._aside(subscription, rows) if reading.generation else set()
        if hand.ordered and any(row[1] is not None for row in rows):
            count = self._hand_sifted(hand, reading, rows, aside)
        else:
            count = min(len(rows), hand.room)
            self._hand_run(hand, reading, [row for row in rows[:count] if row[0] not in aside])
        reading.advance(count, rows[count - 1][0] & POSITION_MASK)
        if aside:
            subscription.skipped += sum(row[0] in aside for row in rows[:count])

    def _read(self, reading: Reading, limit: int) -> list[Found]:
        """Return what comes next in the lane, out of memory where it entered in this very transaction."""
        lane = reading.lane
        bottom = floor(lane.id)
        first = reading.passed - (lane.count - len(lane.fresh))
        if first >= 0:
            return [(bottom + position, put.key, None, put) for position, put in lane.fresh[first : first + limit]]
        return self._db.rows(text.EVENTS, (bottom + reading.position, floor(lane.id + 1), limit))

    def _aside(self, subscription: Subscription, rows: list[Found]) -> set[int]:
        """Return the places of what a replay meets that is still held, waiting or parked from before."""
        return {row[0] for row in self._db.rows(text.ASIDE, (subscription.id, rows[0][0], rows[-1][0]))}

    def _generation(self, reading: Reading, place: int) -> int:
        return reading.generation if place & POSITION_MASK <= reading.replayed else 0

    def _hand_run(self, hand: Hand, reading: Reading, rows: list[Found]) -> None:
        """Hand out neighbours without keys: one statement, however many."""
        if not rows:
            return
        first, last = rows[0][0], rows[-1][0]
        if reading.generation:
            self._hold(hand, [(row[0], self._generation(reading, row[0])) for row in rows])
        else:
            self._db.execute(text.HOLD_RUN, (hand.subscription.id, hand.claim_id, first, last))
        for row in rows:
            hand.add(row, self._generation(reading, row[0]), 0, None)

    def _hold(self, hand: Hand, places: Iterable[tuple[int, int]]) -> None:
        values: list[Any] = []
        for place, generation in places:
            values += (hand.subscription.id, place, hand.claim_id, generation)
        self._db.run_all(text.row_statements(text.HELD_ROWS, 4, values))

    # --- keys --------------------------------------------------------------------------------------------------------

    def _hand_sifted(self, hand: Hand, reading: Reading, rows: list[Found], aside: set[int]) -> int:
        """Hand out what no earlier event of its key is in the way of, and park the rest.

        Return how many it went through until there was no more room.
        """
        subscription = hand.subscription
        inbox = self._is_inbox(reading)
        keys = {row[1] for row in rows if row[1] is not None}
        busy = self._among(text.BUSY_KEYS, subscription, keys)
        queued = self._among(text.PARKED_KEYS, subscription, keys - busy) if subscription.parked else set()
        held: list[tuple[int, int]] = []
        taken: list[Any] = []
        parked: list[Any] = []
        count = 0
        for row in rows:
            if hand.room <= 0:
                break
            count += 1
            place, key = row[0], row[1]
            if place in aside:
                continue
            if inbox and _is_moved(row):
                key = None  # it has its key's place already
            generation = self._generation(reading, place)
            if key is not None and (key in busy or self._is_behind(subscription, reading.lane, row, queued)):
                parked += (subscription.id, key, self._parking_turn(subscription, row), place & POSITION_MASK)
                parked += (place, generation)
                continue
            if key is not None:
                busy.add(key)
                taken += (subscription.id, key)
            held.append((place, generation))
            hand.add(row, generation, 0, None)
        self._hold(hand, held)
        self._db.run_all(text.row_statements(text.BUSY_ROWS, 2, taken))
        self._db.run_all(text.row_statements(text.PARKED_ROWS, 6, parked))
        subscription.parked += len(parked) // 6
        hand.parked += len(parked) // 6
        return count

    def _among(self, statement: str, subscription: Subscription, keys: set[str]) -> set[str]:
        """Return those of `keys` that a statement finds."""
        found: set[str] = set()
        for sql, values in text.list_statements(statement, subscription.id, list(keys)):
            found.update(row[0] for row in self._db.execute(sql, values))
        return found

    def _is_several(self, lane: Lane) -> bool:
        return self._cache.logs_by_id[lane.id // LANES].spec.lanes > 1

    def _is_behind(self, subscription: Subscription, lane: Lane, row: Found, queued: set[str]) -> bool:
        """Return whether an earlier event of a key that is not busy is parked, or unread in another lane."""
        key = row[1]
        if key is None:
            return False
        if key in queued:
            head = self._db.row(text.PARKED_HEAD, (subscription.id, key))
            same_log = head is not None and (head[2] >> POSITION_BITS) // LANES == lane.id // LANES
            if head is not None and not (same_log and row[0] & POSITION_MASK < head[1]):
                return True
        return self._is_several(lane) and self._settling.is_unread_before(subscription, row[0], key)

    def _parking_turn(self, subscription: Subscription, row: Found) -> int:
        """Return where an event is parked: last, or right before the first later one of its log."""
        log = (row[0] >> POSITION_BITS) // LANES
        if self._cache.logs_by_id[log].spec.lanes > 1:
            after = self._db.row(text.PARKED_AFTER, (subscription.id, row[1], row[0] & POSITION_MASK, log))
            if after is not None:
                return int(after[0])
        return subscription.next_turn()


def _is_moved(row: Found) -> bool:
    """Return whether an event of an inbox was moved there."""
    _, _, extra, body = row
    return (body.entry if type(body) is Put else unpack_extra(extra).entry) == "moved"
