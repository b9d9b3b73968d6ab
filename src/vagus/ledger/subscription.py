"""One subscription: who may be handed which event next, and what becomes of it (rules 5 to 8 and 11 to 13)."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Sequence

import msgspec

from vagus.backend import Cut, Delivery, Done, Ending, Figures, Release, SeekTo, Start
from vagus.ledger.cursor import Cursor
from vagus.ledger.log import Log, Row
from vagus.ledger.steering import Kind, epoch_of
from vagus.ledger.stretch import Stretch

_ALL_LANES = range(9, -1, -1)


class Claim(msgspec.Struct, eq=False):
    """What one take handed to one member, under one lease; `left` of it are not settled yet.

    Once `lapsed`, it binds no credit of its member; until somebody else takes it, it may still be settled.
    """

    member: str
    until: float
    held: list[Held]
    left: int
    lapsed: bool = False


class Held(msgspec.Struct, eq=False):
    """An event in a member's hands. It is its own token: settling is valid while it is the event's newest claim."""

    subscription: Subscription
    row: Row
    claim: Claim
    generation: int
    losses: int
    note: bytes


class Aside(msgspec.Struct, eq=False):
    """An event that waits for its due time, or is parked behind its key, with what is to come back with it."""

    row: Row
    generation: int
    losses: int
    note: bytes


def _entered(aside: Aside) -> tuple[float, str, int]:
    return aside.row.at, aside.row.log, aside.row.position


def _turn(cursor: Cursor) -> tuple[bool, int]:
    return not cursor.inbox, cursor.served


class Subscription:
    """What the members of a group share, its ingress, what is one member's own in `all`, or one member's inbox.

    In an inbox everything was moved there: its key's place is held in the subscription that it was moved from.
    """

    def __init__(
        self, kind: Kind, group: str, member: str | None, *, lease_s: float, ordered: bool, cuts: Sequence[Cut] = ()
    ) -> None:
        self.kind = kind
        self.group = group
        self.member = member
        self.owner = member if kind == "own" else None
        self.lease_s = lease_s
        self.ordered = ordered and kind != "inbox"
        self.cuts = cuts
        self.cursors: dict[tuple[str, int], Cursor] = {}
        self.held: dict[Row, Held] = {}
        self.holding: dict[str, int] = defaultdict(int)
        self.starved: set[str] = set()
        self._by_lane: dict[int, list[Cursor]] = defaultdict(list)
        self._claims: list[tuple[float, int, Claim]] = []
        self._lost: deque[Held] = deque()
        self._waiting: list[tuple[float, int, Aside]] = []
        self._aside: set[Row] = set()
        self._busy: dict[str, int] = {}
        self._moving: dict[str, int] = {}
        self._parked: dict[str, deque[Aside]] = {}
        self._free: dict[int, deque[str]] = defaultdict(deque)
        self._order = 0
        self._turn = 0
        self.counts: dict[Ending, int] = defaultdict(int)
        self.discarded = 0
        self.replayed = 0
        self.lost = 0
        self._matched_before = 0

    # --- where it reads ---------------------------------------------------------------------------------------------

    def add_log(self, log: Log, start: Start, now: float) -> None:
        """Read `log` too: lanes that are new to this subscription begin at `start`."""
        for number in range(len(log.lanes)):
            self.add_lane(log, number, start, now)

    def add_lane(self, log: Log, lane: int, start: Start, now: float) -> None:
        """Read one lane of `log` from `start` on, if it is not read yet."""
        if (log.name, lane) not in self.cursors:
            self._add_cursor(log, lane, log.lanes[lane].start(start, now))
            log.reread()

    def close(self, log: Log, lane: int, at: int) -> int:
        """Leave what comes behind `at` to another subscription; return how much of it was to come again."""
        again = self.cursors[log.name, lane].close(at)
        self.replayed -= again
        return again

    def open(self, log: Log, lane: int, at: int, again: int, before: Sequence[Cursor]) -> None:
        """Read on from `at`, where `before` left off; the first `again` events are to come again."""
        cursor = self.cursors.get((log.name, lane))
        if cursor is None:
            cursor = self._add_cursor(log, lane, at)
            cursor.close(at)
        cursor.reopen(at, again)
        self.replayed += again
        for other in before:
            cursor.replay_as(other)

    def _add_cursor(self, log: Log, lane: int, start: int) -> Cursor:
        cursor = self.cursors[log.name, lane] = Cursor(log, lane, start)
        self._by_lane[lane].append(cursor)
        return cursor

    def remove_log(self, name: str) -> None:
        """Read `name` no more: what was unread there is skipped, what was handed out stays where it is."""
        for key in [key for key in self.cursors if key[0] == name]:
            cursor = self.cursors.pop(key)
            self._by_lane[cursor.lane].remove(cursor)
            self._matched_before += cursor.entered
            self.counts["skipped"] += cursor.ready
        self._offer_all()

    def seek(self, change: SeekTo, now: float) -> None:
        """Move the cursors of topics; going back raises the generation of what lies between, forward skips it."""
        for cursor in [cursor for cursor in self.cursors.values() if not cursor.inbox]:
            if change.topic not in (None, cursor.log.name):
                continue
            replayed, skipped = cursor.seek(change, now)
            self.replayed += replayed
            self.counts["skipped"] += skipped
            if replayed:
                cursor.log.reread()
        self._offer_all()

    def settled(self, row: Row, lane: int) -> bool:
        """Return whether this subscription is done with `row` for good."""
        cursor = self.cursors.get((row.log, lane))
        if cursor is not None and cursor.reads(row.index):
            return False
        return row not in self.held and row not in self._aside

    # --- taking ------------------------------------------------------------------------------------------------------

    def next_due(self, member: str) -> float | None:
        """Return the instant at which something comes back to `member` by itself: a lapsing lease or a due time."""
        while self._claims and not self._claims[0][2].left:
            heapq.heappop(self._claims)
        # Whatever comes due, a member without credit cannot take it before a lease lapses, maybe its own.
        heaps = (self._claims,) if member in self.starved else (self._claims, self._waiting)
        return min((heap[0][0] for heap in heaps if heap), default=None)

    def lapse(self, now: float) -> None:
        """End the leases that ran out: what they covered binds no credit, and anybody may take it."""
        while self._claims and (self._claims[0][0] <= now or not self._claims[0][2].left):
            claim = heapq.heappop(self._claims)[2]
            if claim.left:
                claim.lapsed = True
                self.holding[claim.member] -= claim.left
                self._lost.extend(held for held in claim.held if held.claim is claim)

    def take(self, member: str, limit: int, lanes: Sequence[int], now: float) -> list[Delivery]:
        """Hand at most `limit` events to `member` (rule 6); call `lapse` first."""
        out: list[Delivery] = []
        claim = Claim(member, now + self.lease_s, [], 0)
        if self._lost:
            self._take_lost(claim, out, limit)
        if self._waiting:
            self._take_due(claim, out, limit, now)
        for lane in lanes or _ALL_LANES:
            if len(out) >= limit:
                break
            if self._free[lane]:
                self._take_freed(claim, out, limit, lane)
            self._take_logs(claim, out, limit, lane)
        if claim.held:
            claim.left = len(claim.held)
            self.holding[member] += claim.left
            self._push_claim(claim)
        return out

    def _push_claim(self, claim: Claim) -> None:
        self._order += 1
        heapq.heappush(self._claims, (claim.until, self._order, claim))

    def _hand(self, claim: Claim, out: list[Delivery], row: Row, generation: int, losses: int, note: bytes) -> None:
        held = Held(self, row, claim, generation, losses, note)
        claim.held.append(held)
        self.held[row] = held
        put = row.put
        epoch = put.epoch or 1
        if self.cuts and not put.epoch:
            epoch = epoch_of(self.cuts, row.log, row.lane, row.position)
        log, lane, position, owner = row.log, row.lane, row.position, self.owner
        out.append(Delivery(log, put.envelope, held, position, put.key, lane, generation, losses, note, owner, epoch))

    def _take_lost(self, claim: Claim, out: list[Delivery], limit: int) -> None:
        while self._lost and len(out) < limit:
            held = self._lost.popleft()
            if held.claim.lapsed and self.holds(held):  # else it was settled or extended after all
                self._drop_from_claim(held)
                self.lost += 1
                self._hand(claim, out, held.row, held.generation, held.losses + 1, held.note)

    def _take_due(self, claim: Claim, out: list[Delivery], limit: int, now: float) -> None:
        while self._waiting and len(out) < limit and self._waiting[0][0] <= now:
            aside = heapq.heappop(self._waiting)[2]
            self._aside.discard(aside.row)
            self._hand(claim, out, aside.row, aside.generation, aside.losses, aside.note)

    def _take_freed(self, claim: Claim, out: list[Delivery], limit: int, lane: int) -> None:
        free = self._free[lane]
        while free and len(out) < limit:
            key = free.popleft()
            if key not in self._parked or key in self._busy:
                continue  # another take was quicker; it is offered again when it is free again
            aside = self._unpark(key)
            self._busy[key] = 1
            self._hand(claim, out, aside.row, aside.generation, aside.losses, aside.note)

    def _take_logs(self, claim: Claim, out: list[Delivery], limit: int, lane: int) -> None:
        cursors = [cursor for cursor in self._by_lane.get(lane, ()) if cursor.ready]
        if len(cursors) > 1:
            cursors.sort(key=_turn)
        for cursor in cursors:
            if len(out) >= limit:
                return
            self._turn += 1
            cursor.served = self._turn
            while cursor.ready and len(out) < limit:
                self._take_run(claim, out, limit - len(out), cursor)

    def _take_run(self, claim: Claim, out: list[Delivery], room: int, cursor: Cursor) -> None:
        source = cursor.source
        first = cursor.next - source.base
        if cursor.until is not None:
            room = min(room, cursor.until - cursor.next)
        rows = source.rows[first : first + room]
        for row in rows:
            cursor.next += 1
            put = row.put
            generation = put.generation
            if cursor.generation:
                if row in self.held or row in self._aside:
                    self.counts["skipped"] += 1
                    continue
                if row.index < cursor.replay_until:
                    generation += cursor.generation
            key = put.key
            if key is not None and self.ordered and put.entry != "moved":  # it has its key's place already
                if not self._may_go(key, row, cursor):
                    self._park(key, Aside(row, generation, put.losses, put.note))
                    continue
                self._busy[key] = 1
            self._hand(claim, out, row, generation, put.losses, put.note)
        cursor.pass_on()

    # --- keys --------------------------------------------------------------------------------------------------------

    def set_ordered(self, ordered: bool, now: float) -> None:
        """Keep the order of keys from now on, or no longer: then nothing needs to stay parked."""
        if ordered == self.ordered or self.kind == "inbox":
            return
        self.ordered = ordered
        rows = [*self.held, *(aside.row for _, _, aside in self._waiting)] if ordered else []
        busy = Counter(row.put.key for row in rows if row.put.key is not None and row.put.entry != "moved")
        self._busy = dict(busy + Counter(self._moving)) if ordered else {}
        for aside in sorted((aside for parked in self._parked.values() for aside in parked), key=_entered):
            self._push_waiting(aside, now)
        self._parked.clear()
        self._free.clear()

    def _may_go(self, key: str, row: Row, cursor: Cursor) -> bool:
        if key in self._busy:
            return False
        if key in self._parked:
            head = self._parked[key][0].row
            if head.log != row.log or head.position < row.position:
                return False
        return len(cursor.log.lanes) == 1 or not self._unread_before(row, cursor.log)

    def _unread_before(self, row: Row, log: Log) -> bool:
        def stretches(lane: int) -> list[Stretch]:
            cursor = self.cursors.get((log.name, lane))
            return cursor.stretches if cursor else []

        return log.earlier_unread(row, stretches)

    def _park(self, key: str, aside: Aside) -> None:
        """Add to the events of a busy key: last, or before later ones of its log whose lane was read earlier."""
        row = aside.row
        self._aside.add(row)
        parked = self._parked.setdefault(key, deque())
        place = len(parked)
        for index in range(place - 1, -1, -1):
            other = parked[index].row
            if other.log == row.log:
                if other.position < row.position:
                    break
                place = index
        parked.insert(place, aside)

    def _unpark(self, key: str) -> Aside:
        parked = self._parked[key]
        aside = parked.popleft()
        if not parked:
            del self._parked[key]
        self._aside.discard(aside.row)
        return aside

    def _free_key(self, key: str) -> bool:
        others = self._busy.pop(key, 1) - 1
        if others:  # handed out before order was asked for
            self._busy[key] = others
            return False
        if key not in self._parked:
            return False
        self._offer(key)
        return True

    def _offer(self, key: str) -> None:
        """Let the next take have the first parked event of a free key, unless an earlier one is yet to be read."""
        head = self._parked[key][0].row
        cursor = self.cursors.get((head.log, 0))
        if cursor is None or len(cursor.log.lanes) == 1 or not self._unread_before(head, cursor.log):
            self._free[head.lane].append(key)

    def _offer_all(self) -> None:
        """Look again at what every free key waits for, after cursors have moved."""
        self._free.clear()
        for key in self._parked:
            if key not in self._busy:
                self._offer(key)

    def let_place_go(self, key: str) -> bool | None:
        """Free the key of an event that was moved and is let go now; return what that offers, None if it is unknown."""
        moving = self._moving.get(key, 0)
        if not moving:
            return None
        if moving > 1:
            self._moving[key] = moving - 1
        else:
            del self._moving[key]
        return self.ordered and self._free_key(key)

    # --- settling ----------------------------------------------------------------------------------------------------

    def holds(self, held: Held) -> bool:
        """Return whether `held` is still its event's newest claim."""
        return self.held.get(held.row) is held

    def settle(self, held: Held, action: Done | Release, now: float, *, moves: bool = False) -> bool:
        """Let `held` go, which must be valid; return whether something may be taken now that could not before.

        With `moves` it lies in an inbox of the group by now, and its key stays busy until it is let go there.
        """
        row = held.row
        del self.held[row]
        self._drop_from_claim(held)
        if isinstance(action, Done):
            self.counts[action.ending] += 1
            key = row.put.key
            freed = False
            if key is not None and row.put.entry != "moved":
                if moves:
                    self._moving[key] = self._moving.get(key, 0) + 1
                elif self.ordered:
                    freed = self._free_key(key)
            return freed or (bool(self.starved) and held.claim.member in self.starved)
        note = held.note if action.note is None else action.note
        self._aside.add(row)
        self._push_waiting(Aside(row, held.generation, held.losses, note), now + max(0.0, action.after_s))
        return True

    def _push_waiting(self, aside: Aside, due: float) -> None:
        self._order += 1
        heapq.heappush(self._waiting, (due, self._order, aside))

    def _drop_from_claim(self, held: Held) -> None:
        claim = held.claim
        if not claim.lapsed:
            self.holding[claim.member] -= 1
        claim.left -= 1
        if not claim.left:
            claim.held.clear()

    def extend(self, tokens: Sequence[Held], by_s: float, now: float) -> list[Held]:
        """Give the valid ones of `tokens` a new lease of `by_s` seconds; return the lost ones."""
        lost = []
        claims: dict[str, Claim] = {}
        for held in tokens:
            if not self.holds(held):
                lost.append(held)
                continue
            member = held.claim.member
            claim = claims.setdefault(member, Claim(member, now + by_s, [], 0))
            self._drop_from_claim(held)
            self.holding[member] += 1
            held.claim = claim
            claim.held.append(held)
            claim.left += 1
        for claim in claims.values():
            self._push_claim(claim)
        return lost

    def end(self) -> None:
        """Hold nothing any more: the subscription is removed, and every token of it is lost."""
        self.held.clear()

    def hand_back(self, member: str, now: float) -> bool:
        """Give back, uncounted and due at once, all that `member` holds; return whether there was any."""
        mine = [held for held in self.held.values() if held.claim.member == member]
        for held in mine:
            self.settle(held, Release(), now)
        self.holding.pop(member, None)
        self.starved.discard(member)
        return bool(mine)

    # --- books -------------------------------------------------------------------------------------------------------

    @property
    def entered(self) -> int:
        """How many events its logs gave out positions for, for it to read."""
        return self._matched_before + sum(cursor.entered for cursor in self.cursors.values())

    @property
    def coming(self) -> int:
        """How many events were put with a delay that is not over, and wait outside of their logs."""
        return sum(len(cursor.log.scheduled) for cursor in self.cursors.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing lies here, and nothing is to come that is known of."""
        unread = any(cursor.ready for cursor in self.cursors.values())
        return not (unread or self.coming or self.held or self._aside)

    def absorb(self, gone: Subscription) -> None:
        """Take over the counts of an inbox that is no more: what was settled there, the group has settled."""
        for ending, count in gone.counts.items():
            self.counts[ending] += count
        self.discarded += gone.discarded
        self.lost += gone.lost

    def figures(self, now: float) -> Figures:
        """Return the books (rule 12); what came by an inbox is counted as matched here."""
        cursors = self.cursors.values()
        oldest = [c.source.rows[c.next - c.source.base].at for c in cursors if c.ready]
        waiting = len(self._waiting)
        return Figures(
            group=self.group,
            member=self.member,
            matched=self.entered,
            replayed=self.replayed,
            acked=self.counts["acked"],
            dead=self.counts["dead"] - self.discarded,
            discarded=self.discarded,
            expired=self.counts["expired"],
            cancelled=self.counts["cancelled"],
            skipped=self.counts["skipped"],
            held=len(self.held),
            waiting=waiting,
            parked=len(self._aside) - waiting,
            ready=sum(c.ready for c in cursors),
            lost=self.lost,
            oldest_s=now - min(oldest) if oldest else None,
        )
