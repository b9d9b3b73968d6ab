"""How deliveries are let go: the fence first, then everything of one subscription in few statements."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from vagus.backend import Done, Release, Settle, SettleOutcome, Token, Unit
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Cache, Claim, News, Subscription
from vagus.ledger.sql import text
from vagus.ledger.sql.place import LANES, POSITION_BITS, POSITION_MASK, unpack_extra

_LATER = Release()
_MOVED = Done("moved")


class Ticket(msgspec.Struct, eq=False, gc=False):
    """What a member shows to settle: the claim under which it was handed the event. An extension may renew it.

    `moved`: it lies in an inbox, and its key's place is held where it was moved from.
    """

    subscription: int
    place: int
    claim: int
    key: str | None
    moved: bool = False


Held: TypeAlias = dict[int, int]
"""The claim of each place that is held and not settled in this transaction yet."""


class Settling:
    """Fences, settles, extensions and the freeing of keys."""

    def __init__(self, db: Database, cache: Cache, news: News) -> None:
        self._db = db
        self._cache = cache
        self._news = news
        self._held: dict[int, Held] = {}
        self._done: dict[int, list[Settle]] = defaultdict(list)
        self._moving: set[int] = set()
        self._renewed: list[tuple[Ticket, int]] = []

    # --- the fence ---------------------------------------------------------------------------------------------------

    def begin(self, units: Iterable[Unit]) -> None:
        """Look up the claims of everything that these units want to settle."""
        self._held.clear()
        self._done.clear()
        self._moving.clear()
        places: dict[int, list[int]] = defaultdict(list)
        for unit in units:
            for settle in unit.settles:
                if type(settle.token) is Ticket:
                    places[settle.token.subscription].append(settle.token.place)
        for id, wanted in places.items():
            self._held[id] = dict(self._db.rows(text.HELD_BETWEEN, (id, min(wanted), max(wanted))))

    def verdicts(self, settles: Sequence[Settle]) -> list[SettleOutcome] | None:
        """Return what each settle of a unit comes to when one is lost; None when none is."""
        tokens = [settle.token for settle in settles]
        if all(map(self._is_valid, tokens)) and (
            len(tokens) == 1 or len({id(token) for token in tokens}) == len(tokens)
        ):
            return None
        return ["untried" if self._is_valid(token) else "lost" for token in tokens]

    def _is_valid(self, token: Token) -> bool:
        if type(token) is not Ticket:
            return False
        held = self._held.get(token.subscription)
        return held is not None and held.get(token.place) == token.claim

    def accept(self, settles: Sequence[Settle]) -> None:
        """Plan the settles of a unit that is carried out; its tokens are spent."""
        for settle in settles:
            token: Ticket = settle.token
            self._done[token.subscription].append(settle)
            self._held[token.subscription][token.place] = 0

    def accept_one(self, settle: Settle) -> bool:
        """Plan a settle that is all of its unit; return False when its claim is lost."""
        if not self._is_valid(settle.token):
            return False
        token: Ticket = settle.token
        self._done[token.subscription].append(settle)
        self._held[token.subscription][token.place] = 0
        return True

    def keep_places(self, settles: Sequence[Settle], arrived: list[tuple[str, str | None]]) -> None:
        """Let those of a unit's settles keep their keys' places that were moved, as group and key of `arrived` show."""
        for settle in settles if arrived else ():
            token: Ticket = settle.token
            team = self._cache.teams_by_id[self._cache.subscription(token.subscription).team]
            if settle.action == _MOVED and (team.spec.name, token.key) in arrived:
                arrived.remove((team.spec.name, token.key))
                self._moving.add(id(token))

    # --- carrying out ------------------------------------------------------------------------------------------------

    def carry_out(self, now: float) -> None:
        """Settle all that was planned."""
        for id, settles in self._done.items():
            subscription = self._cache.subscription(id)
            subscription.dirty = True
            self._news.settled.add(id)
            keys = self._count(subscription, settles, now)
            subscription.held -= len(settles)
            self._drop(id, [settle.token.place for settle in settles])
            if keys:
                self._free_keys(subscription, keys)

    def _count(self, subscription: Subscription, settles: list[Settle], now: float) -> list[str]:
        """Count deliveries as ended, or let them wait; return the keys that ended ones leave free."""
        ordered = self._cache.teams_by_id[subscription.team].spec.ordered and subscription.kind != "inbox"
        endings: dict[str, int] = defaultdict(int)
        claims: dict[int, int] = defaultdict(int)
        keys: list[str] = []
        for settle in settles:
            token, action = settle.token, settle.action
            claims[token.claim] += 1
            if isinstance(action, Release):
                self._wait(subscription, token.place, action, now)
                continue
            endings[action.ending] += 1
            if token.key is None:
                continue
            if token.moved or (self._moving and id(token) in self._moving):
                self._pass_place_on(subscription, token, token.key)
            elif ordered:
                keys.append(token.key)
        for ending, count in endings.items():
            setattr(subscription, ending, getattr(subscription, ending) + count)
        for claim, count in claims.items():
            self.reduce_claim(subscription, claim, count)
        return keys

    def _pass_place_on(self, subscription: Subscription, token: Ticket, key: str) -> None:
        """Note that a key's place goes on with what was moved, or let it go where a moved event is done."""
        if id(token) not in self._moving:
            self._let_place_go(subscription, key)
        elif not token.moved:
            self._db.execute(text.ADD_MOVING, (subscription.id, key))

    def _let_place_go(self, inbox: Subscription, key: str) -> None:
        team = self._cache.teams_by_id[inbox.team]
        origins = (team.subscriptions.get(("ingress", None)), team.subscriptions.get(("shared", None)))
        origin = next((id for id in origins if id is not None and self._had_moved(id, key)), None)
        if origin is not None and team.spec.ordered:
            self.free_key(self._cache.subscription(origin), key)

    def _had_moved(self, subscription: int, key: str) -> bool:
        """Count one event less of a key that was moved from here; return whether there was any."""
        self._db.execute(text.LESS_MOVING, (subscription, key))
        if not self._db.changes:
            self._db.execute(text.DROP_MOVING, (subscription, key))
        return bool(self._db.changes)

    def _wait(self, subscription: Subscription, place: int, action: Release, now: float) -> None:
        due = now + max(0.0, action.after_s)
        self._db.execute(text.WAIT, (due, subscription.next_turn(), action.note, subscription.id, place))
        subscription.waiting += 1
        subscription.due_at = min(subscription.due_at, due)
        self._news.subscriptions.add(subscription.id)

    def reduce_claim(self, subscription: Subscription, id: int, by: int) -> None:
        """Count `by` events of a claim as settled; a claim without any left is gone when the cache is flushed."""
        claim = subscription.claims[id]
        claim.remaining -= by
        claim.dirty = True
        subscription.dirty = True

    def _drop(self, subscription: int, places: list[int]) -> None:
        """Delete held rows: neighbours among all that is held in this stretch go in one range."""
        spent = set(places)
        first = last = -1
        for place in self._held[subscription]:  # in order of place
            if place in spent:
                first = place if first < 0 else first
                last = place
            elif first >= 0:
                self._db.execute(text.DROP_HELD, (subscription, first, last))
                first = -1
        if first >= 0:
            self._db.execute(text.DROP_HELD, (subscription, first, last))

    # --- keys --------------------------------------------------------------------------------------------------------

    def _free_keys(self, subscription: Subscription, keys: list[str]) -> None:
        """Let go of the keys of all events that ended, in few statements."""
        heads = self._heads(subscription, keys) if subscription.parked > subscription.freed else {}
        free = [key for key in keys if key not in heads]
        freed = self._db.run_all(text.list_statements(text.FREE_KEYS, subscription.id, free))
        if freed < len(free) or (heads and self._is_shared(subscription, heads)):
            for key in keys:  # of some keys more than one event is out
                self.free_key(subscription, key)
        elif heads:
            self._hand_over(subscription, heads)

    def _heads(self, subscription: Subscription, keys: list[str]) -> dict[str, tuple[int, int]]:
        """Return place and generation of the parked event that takes a key over, by key, in the order of `keys`."""
        found: dict[str, tuple[int, int]] = {}
        for sql, values in text.list_statements(text.PARKED_HEADS, subscription.id, keys):
            for key, place, generation in self._db.rows(sql, values):
                if not self.is_unread_before(subscription, place, key):
                    found[key] = place, generation
        return {key: found[key] for key in keys if key in found}

    def _is_shared(self, subscription: Subscription, keys: Iterable[str]) -> bool:
        statements = text.list_statements(text.SHARED_KEYS, subscription.id, list(keys))
        return any(self._db.row(sql, values) is not None for sql, values in statements)

    def _hand_over(self, subscription: Subscription, heads: dict[str, tuple[int, int]]) -> None:
        """Let parked events take over their keys, which stay busy."""
        places = [place for place, _ in heads.values()]
        self._db.run_all(text.list_statements(text.DROP_PARKED_PLACES, subscription.id, places))
        values: list[int] = []
        for place, generation in heads.values():
            lane = (place >> POSITION_BITS) % LANES
            values += (subscription.id, lane, subscription.next_turn(), place, generation)
        self._db.run_all(text.row_statements(text.FREED_ROWS, 5, values))
        subscription.freed += len(heads)
        self._news.subscriptions.add(subscription.id)

    def free_key(self, subscription: Subscription, key: str) -> None:
        """Let go of a key: the parked event that is next takes it over, if its turn has come."""
        self._db.execute(text.LESS_BUSY, (subscription.id, key))
        if self._db.changes:
            return
        head = self._db.row(text.PARKED_HEAD, (subscription.id, key))
        if head is not None and not self.is_unread_before(subscription, head[2], key):
            turn, position, place, generation = head
            self._db.execute(text.DROP_PARKED, (subscription.id, key, turn, position))
            lane = (place >> POSITION_BITS) % LANES
            self._db.execute(text.ADD_FREED, (subscription.id, lane, subscription.next_turn(), place, generation))
            subscription.freed += 1
            self._take_key(subscription, key)
        else:
            self._db.execute(text.DROP_BUSY, (subscription.id, key))
        self._news.subscriptions.add(subscription.id)

    def offer_all(self, subscription: Subscription) -> None:
        """Look again at what every free key waits for, after cursors have moved."""
        for key, place, generation in self._db.rows(text.FREED_KEYS, (subscription.id,)):
            values = (subscription.id, key, 0, place & POSITION_MASK, place, generation)
            self._db.execute(text.ADD_PARKED, values)
            self._db.execute(text.DROP_BUSY, (subscription.id, key))
        self._db.execute(text.DROP_ALL_FREED, (subscription.id,))
        subscription.freed = 0
        subscription.dirty = True
        for (key,) in self._db.rows(text.STRANDED, (subscription.id,)):
            self.free_key(subscription, key)

    def set_ordered(self, subscription: Subscription, ordered: bool, now: float) -> None:
        """Keep the order of keys from now on, or no longer: then nothing needs to stay parked."""
        if subscription.kind == "inbox":
            return
        if ordered:
            self._keep_all_busy(subscription)
            return
        self._db.execute(text.WAIT_ALL_PARKED, (subscription.id, now, subscription.turn))
        subscription.turn += self._db.changes
        for sql in text.NO_KEYS:
            self._db.execute(sql, (subscription.id,))
        subscription.waiting += subscription.parked
        subscription.parked = subscription.freed = 0
        subscription.due_at = min(subscription.due_at, now)
        subscription.dirty = True

    def _keep_all_busy(self, subscription: Subscription) -> None:
        busy: Counter[str] = Counter(dict(self._db.rows(text.MOVING, (subscription.id,))))
        for place, key, extra in self._db.rows(text.OUT, (subscription.id,)):
            log = self._cache.logs_by_id.get((place >> POSITION_BITS) // LANES)
            inbox = log is not None and log.name.startswith("$inbox.")
            if not (inbox and unpack_extra(extra).entry == "moved"):
                busy[key] += 1
        self._db.execute_many(text.SET_BUSY, [(subscription.id, key, count) for key, count in busy.items()])

    def _take_key(self, subscription: Subscription, key: str) -> None:
        self._db.execute(text.KEEP_BUSY, (subscription.id, key))

    def is_unread_before(self, subscription: Subscription, place: int, key: str) -> bool:
        """Return whether an event of this key that entered the same log earlier is unread, in whichever lane."""
        position, log = place & POSITION_MASK, (place >> POSITION_BITS) // LANES
        lanes = self._cache.logs_by_id[log].spec.lanes if log in self._cache.logs_by_id else 1
        if lanes == 1:
            return False
        for id in range(log * LANES, log * LANES + lanes):
            reading = subscription.readings.get(id)
            if reading is None or not reading.ready:
                continue
            for start, until in reading.stretches:
                end = position if until is None else min(position, until[1] + 1)
                if self._db.row(text.EARLIER_UNREAD, (id, key, start[1], end)):
                    return True
        return False

    # --- leases ------------------------------------------------------------------------------------------------------

    def extend(self, tokens: Sequence[Token], by_s: float, now: float) -> list[Token]:
        """Give the valid ones of `tokens` a new lease; return the lost ones."""
        lost: list[Token] = []
        for token in tokens:
            claim = self._renew(token, now + by_s) if type(token) is Ticket else None
            if claim is None:
                lost.append(token)
        return lost

    def _renew(self, token: Ticket, until: float) -> Claim | None:
        """Move one held event to the claim that lasts until `until`, made if need be."""
        try:
            subscription = self._cache.subscription(token.subscription)
        except LookupError:
            return None
        claims = subscription.claims
        old = claims.get(token.claim)
        if old is None or self._db.row(text.HELD_UNDER, (subscription.id, token.place, token.claim)) is None:
            return None
        claim = next((c for c in claims.values() if c.until == until and c.member == old.member), None)
        if claim is None:
            turn = subscription.next_turn()
            claim = claims[turn] = Claim(turn, old.member, until, 0)
        if claim is not old:
            self._db.execute(text.MOVE_CLAIM, (claim.id, subscription.id, token.place))
            self.reduce_claim(subscription, old.id, 1)
            self.reduce_claim(subscription, claim.id, -1)
            self._renewed.append((token, token.claim))
            token.claim = claim.id
        return claim

    def undo_renewals(self) -> None:
        """Give tickets their old claims back: the transaction was rolled back."""
        for ticket, claim in reversed(self._renewed):
            ticket.claim = claim
        self._renewed.clear()

    def keep_renewals(self) -> None:
        """The transaction is committed."""
        self._renewed.clear()

    def hand_back(self, subscription: Subscription, member: str, now: float) -> bool:
        """Give back, uncounted and due at once, all that `member` holds; return whether there was any."""
        mine = [claim for claim in subscription.claims.values() if claim.member == member and claim.remaining]
        for claim in mine:
            self._db.execute(text.WAIT_CLAIM, (now, subscription.next_turn(), subscription.id, claim.id))
            self._db.execute(text.DROP_HELD_CLAIM, (subscription.id, claim.id))
            subscription.held -= claim.remaining
            subscription.waiting += claim.remaining
            self.reduce_claim(subscription, claim.id, claim.remaining)
            subscription.due_at = min(subscription.due_at, now)
            self._news.subscriptions.add(subscription.id)
        return bool(mine)

    def hand_back_some(self, tokens: Sequence[Ticket], now: float) -> None:
        """Give back, uncounted and due at once, what a cancelled take was handed."""
        settles = [Settle(token, _LATER) for token in tokens]
        self.begin([Unit(settles=settles)])
        self.accept([settle for settle in settles if self._is_valid(settle.token)])
        self.carry_out(now)
