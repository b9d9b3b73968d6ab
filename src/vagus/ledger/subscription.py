"""One subscription: who may be handed which event next, and what becomes of it (rules 5 to 8, 11 and 12)."""

from __future__ import annotations

import heapq
from bisect import insort
from collections import defaultdict, deque
from collections.abc import Sequence

import msgspec

from vagus.backend import Delivery, Done, Ending, Figures, Release, Start
from vagus.ledger.log import Log, Row


class Cursor:
    """How far a subscription has passed one lane of one log; `start` is where it began."""

    __slots__ = ("generation", "lane", "log", "next", "replay_until", "start")

    def __init__(self, log: Log, lane: int, start: int) -> None:
        self.log = log
        self.lane = lane
        self.start = start
        self.next = start
        self.replay_until = start
        self.generation = 0

    @property
    def ready(self) -> int:
        """How many events of the lane are still unread."""
        return self.log.lanes[self.lane].count - self.next


class Claim(msgspec.Struct, eq=False):
    """What one take handed to one member, under one lease; `left` of it are not settled yet."""

    member: str
    until: float
    held: list[Held]
    left: int


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


def _entered_at(aside: Aside) -> tuple[str, int]:
    return aside.row.log, aside.row.position


class Subscription:
    """The state of a `once` group, or of one member of an `all` group."""

    def __init__(self, group: str, member: str | None, *, lease_s: float, ordered: bool) -> None:
        self.group = group
        self.member = member
        self.lease_s = lease_s
        self.ordered = ordered
        self.cursors: dict[tuple[str, int], Cursor] = {}
        self.held: dict[Row, Held] = {}
        self.holding: dict[str, int] = defaultdict(int)
        self.starved: set[str] = set()
        self._claims: list[tuple[float, int, Claim]] = []
        self._waiting: list[tuple[float, int, Aside]] = []
        self._aside: set[Row] = set()
        self._busy: set[str] = set()
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
        for number, lane in enumerate(log.lanes):
            if (log.name, number) not in self.cursors:
                self.cursors[log.name, number] = Cursor(log, number, lane.start(start, now))
                log.reread()

    def remove_log(self, name: str) -> None:
        """Read `name` no more; what was unread there is forgotten, what was handed out stays in the books."""
        for key in [key for key in self.cursors if key[0] == name]:
            cursor = self.cursors.pop(key)
            self._matched_before += cursor.next - cursor.start

    def seek(self, start: Start, now: float) -> None:
        """Move every cursor; going back raises the generation of what lies between, going forward skips it."""
        for cursor in self.cursors.values():
            target = cursor.log.lanes[cursor.lane].start(start, now)
            if target < cursor.next:
                self.replayed += cursor.next - target
                cursor.replay_until = max(cursor.replay_until, cursor.next)
                cursor.generation += 1
                cursor.log.reread()
            else:
                self.counts["skipped"] += target - cursor.next
            cursor.next = target

    def settled(self, row: Row, lane: int) -> bool:
        """Return whether this subscription is done with `row` for good."""
        cursor = self.cursors.get((row.log, lane))
        if cursor is not None and row.index >= cursor.next:
            return False
        return row not in self.held and row not in self._aside

    # --- taking ------------------------------------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """Return the instant at which something comes back by itself: a lapsing lease or a due time."""
        while self._claims and not self._claims[0][2].left:
            heapq.heappop(self._claims)
        dues = [heap[0][0] for heap in (self._claims, self._waiting) if heap]
        return min(dues) if dues else None

    def lapsed(self, member: str, now: float) -> int:
        """Return how many events of `member` have outlived their lease: they bind no credit of it."""
        return sum(1 for held in self.held.values() if held.claim.member == member and held.claim.until <= now)

    def lapses(self, member: str) -> float | None:
        """Return the instant at which the first lease of `member` lapses."""
        return min((held.claim.until for held in self.held.values() if held.claim.member == member), default=None)

    def take(self, member: str, limit: int, lanes: Sequence[int], now: float) -> list[Delivery]:
        """Hand at most `limit` events to `member` (rule 6)."""
        claim = Claim(member, now + self.lease_s, [], 0)
        out: list[Delivery] = []
        self._take_lost(claim, out, limit, now)
        self._take_due(claim, out, limit, now)
        for lane in lanes or range(9, -1, -1):
            if len(out) >= limit:
                break
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
        out.append(Delivery(row.log, put.envelope, held, row.position, put.key, put.lane, generation, losses, note))

    def _take_lost(self, claim: Claim, out: list[Delivery], limit: int, now: float) -> None:
        while self._claims and len(out) < limit:
            until, _, lapsed = self._claims[0]
            if lapsed.left and until > now:
                return
            while lapsed.held and len(out) < limit:
                held = lapsed.held.pop(0)
                if held.claim is lapsed and self.held.get(held.row) is held:
                    self._drop_from_claim(held)
                    self.lost += 1
                    self._hand(claim, out, held.row, held.generation, held.losses + 1, held.note)
            if not lapsed.held:
                heapq.heappop(self._claims)

    def _take_due(self, claim: Claim, out: list[Delivery], limit: int, now: float) -> None:
        while self._waiting and len(out) < limit and self._waiting[0][0] <= now:
            aside = heapq.heappop(self._waiting)[2]
            self._aside.discard(aside.row)
            self._hand(claim, out, aside.row, aside.generation, aside.losses, aside.note)

    def _take_freed(self, claim: Claim, out: list[Delivery], limit: int, lane: int) -> None:
        free = self._free[lane]
        while free and len(out) < limit:
            key = free.popleft()
            parked = self._parked.get(key)
            if not parked or key in self._busy or parked[0].row.put.lane != lane:
                continue
            aside = parked.popleft()
            if not parked:
                del self._parked[key]
            self._aside.discard(aside.row)
            self._busy.add(key)
            self._hand(claim, out, aside.row, aside.generation, aside.losses, aside.note)

    def _take_logs(self, claim: Claim, out: list[Delivery], limit: int, lane: int) -> None:
        cursors = [cursor for cursor in self.cursors.values() if cursor.lane == lane and cursor.ready]
        if len(cursors) > 1:
            self._turn += 1
            turn = self._turn % len(cursors)
            cursors = cursors[turn:] + cursors[:turn]
            cursors.sort(key=lambda cursor: not cursor.log.name.startswith("$inbox."))
        for cursor in cursors:
            while cursor.ready and len(out) < limit:
                self._take_run(claim, out, limit, cursor)

    def _take_run(self, claim: Claim, out: list[Delivery], limit: int, cursor: Cursor) -> None:
        lane = cursor.log.lanes[cursor.lane]
        first = cursor.next - lane.base
        for row in lane.rows[first : first + limit - len(out)]:
            cursor.next += 1
            if cursor.generation and (row in self.held or row in self._aside):
                self.counts["skipped"] += 1
                continue
            generation = row.put.generation
            if row.index < cursor.replay_until:
                generation += cursor.generation
            key = row.put.key
            if key is not None and self.ordered:
                if not self._may_go(key, row, cursor):
                    self._park(key, Aside(row, generation, 0, row.put.note))
                    continue
                self._busy.add(key)
            self._hand(claim, out, row, generation, 0, row.put.note)

    # --- keys --------------------------------------------------------------------------------------------------------

    def _may_go(self, key: str, row: Row, cursor: Cursor) -> bool:
        if key in self._busy:
            return False
        parked = self._parked.get(key)
        if parked and not (parked[0].row.log == row.log and row.position < parked[0].row.position):
            return False
        return len(cursor.log.lanes) == 1 or not self._unread_before(row, cursor.log)

    def _unread_before(self, row: Row, log: Log) -> bool:
        return log.earlier_unread(row, lambda lane: self.cursors[log.name, lane].next)

    def _park(self, key: str, aside: Aside) -> None:
        self._aside.add(aside.row)
        parked = self._parked.setdefault(key, deque())
        if parked and _entered_at(parked[-1]) > _entered_at(aside) and parked[-1].row.log == aside.row.log:
            insort(parked, aside, key=_entered_at)  # its lane was read after a higher one
        else:
            parked.append(aside)

    def _free_key(self, key: str) -> bool:
        self._busy.discard(key)
        parked = self._parked.get(key)
        if not parked:
            return False
        head = parked[0].row
        cursor = self.cursors.get((head.log, 0))
        if cursor is not None and len(cursor.log.lanes) > 1 and self._unread_before(head, cursor.log):
            return True
        self._free[head.put.lane].append(key)
        return True

    # --- settling ----------------------------------------------------------------------------------------------------

    def holds(self, held: Held) -> bool:
        """Return whether `held` is still its event's newest claim."""
        return self.held.get(held.row) is held

    def settle(self, held: Held, action: Done | Release, now: float) -> bool:
        """Let `held` go, which must be valid; return whether something may be taken now that could not before."""
        row = held.row
        del self.held[row]
        self._drop_from_claim(held)
        if isinstance(action, Done):
            self.counts[action.ending] += 1
            key = row.put.key
            freed = self._free_key(key) if key is not None and self.ordered else False
            return freed or held.claim.member in self.starved
        note = held.note if action.note is None else action.note
        self._aside.add(row)
        self._order += 1
        aside = Aside(row, held.generation, held.losses, note)
        heapq.heappush(self._waiting, (now + max(0.0, action.after_s), self._order, aside))
        return True

    def _drop_from_claim(self, held: Held) -> None:
        claim = held.claim
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

    def hand_back(self, member: str, now: float) -> bool:
        """Give back, uncounted and due at once, all that `member` holds; return whether there was any."""
        mine = [held for held in self.held.values() if held.claim.member == member]
        for held in mine:
            self.settle(held, Release(), now)
        self.holding.pop(member, None)
        return bool(mine)

    # --- books -------------------------------------------------------------------------------------------------------

    def figures(self, now: float) -> Figures:
        """Return the books (rule 12)."""
        cursors = self.cursors.values()
        inbox = next((c.log for c in cursors if c.log.name.startswith("$inbox.")), None)
        entries = inbox.entries if inbox else {}
        redriven, moved = entries.get("redriven", 0), entries.get("moved", 0)
        replayed = entries.get("replayed", 0)
        entered = self._matched_before + sum(c.log.lanes[c.lane].count - c.start for c in cursors)
        oldest = [c.log.lanes[c.lane].rows[c.next - c.log.lanes[c.lane].base].at for c in cursors if c.ready]
        waiting = len(self._waiting)
        return Figures(
            group=self.group,
            member=self.member,
            matched=entered - redriven - replayed - moved,
            redriven=redriven,
            replayed=replayed + self.replayed,
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
