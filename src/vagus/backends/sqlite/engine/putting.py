"""How events enter logs: looked at first, refused or accepted unit by unit, then stored many at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import msgspec

from vagus.backend import Dead, Inbox, Position, Put, PutOutcome, Target, Topic, TopicSpec
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Cache, Log, News
from vagus.backends.sqlite.engine.declaring import Declaring
from vagus.backends.sqlite.engine.keeping import Keeping
from vagus.backends.sqlite.engine.reading import Lane
from vagus.ledger.log import log_name, log_of
from vagus.ledger.sql import text
from vagus.ledger.sql.place import LANES, floor, lane_id, pack_extra, unpack_extra

UNTRIED = PutOutcome("untried")
UNHEARD = PutOutcome("unheard")
STORED = PutOutcome("stored")
NO_GROUP = PutOutcome("refused", why="no group")
FULL = PutOutcome("refused", why="full")

#: Scheduled events that enter their logs in one transaction at most.
DUE_AT_ONCE = 1_000


class Planned(msgspec.Struct, eq=False, gc=False):
    """A put of an accepted unit, and what became of it."""

    put: Put
    outcome: PutOutcome = UNTRIED


class Putting:
    """Verdicts on puts, and their storing."""

    def __init__(self, db: Database, cache: Cache, declaring: Declaring, keeping: Keeping, news: News) -> None:
        self._db = db
        self._cache = cache
        self._declaring = declaring
        self._keeping = keeping
        self._news = news
        self._planned: dict[int, list[Planned]] = defaultdict(list)
        self._rooms: dict[int, int] = {}
        self._promised: dict[int, set[str]] = {}

    # --- looking first -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start planning a batch."""
        self._planned.clear()
        self._rooms.clear()
        self._promised.clear()

    def refusals(self, puts: Sequence[Put]) -> list[PutOutcome] | None:
        """Return what each put of a unit comes to when one is refused; None when none is."""
        if all(self._is_open(target, run) for target, run in groupby(puts, key=_target)):
            return None
        outcomes = [self._verdict(put) for put in puts]
        for index in self._overflow(puts):
            outcomes[index] = FULL
        if any(outcome.status == "refused" for outcome in outcomes):
            return [outcome if outcome.status == "refused" else UNTRIED for outcome in outcomes]
        return None

    def _is_open(self, target: Target, run: Iterable[Put]) -> bool:
        """Return whether puts to `target` cannot be refused: it is heard, and has no bound."""
        if type(target) is Inbox:
            return all((log := self._cache.logs.get(log_of(put))) is not None and log.heard for put in run)
        log = self._cache.logs.get(log_name(target))
        return log is not None and log.heard and log.spec.max_events is None

    def _verdict(self, put: Put) -> PutOutcome:
        log = self._cache.logs.get(log_of(put))
        if log is not None and log.heard:
            return UNTRIED
        if isinstance(put.target, Topic) and not self._declaring.hearers(put.target.name):
            return NO_GROUP if put.heard else UNTRIED
        if isinstance(put.target, Inbox):
            return NO_GROUP
        return UNTRIED

    def _overflow(self, puts: Sequence[Put]) -> list[int]:
        """Return the indices of the puts that their topics have no room for."""
        over: list[int] = []
        taken: dict[int, int] = {}
        for index, put in enumerate(puts):
            log = self._cache.logs.get(put.target.name) if type(put.target) is Topic else None
            if log is None or log.spec.max_events is None or self._is_promised(log, put):
                continue
            room = self._room(log, log.spec.max_events) - taken.get(log.id, 0)
            if room <= 0:
                over.append(index)
            taken[log.id] = taken.get(log.id, 0) + 1
        return over

    def _room(self, log: Log, most: int) -> int:
        room = self._rooms.get(log.id)
        if room is None:
            room = self._rooms[log.id] = most - self._keeping.unsettled(log)
        return room

    def _is_promised(self, log: Log, put: Put) -> bool:
        if put.dedupe is None:
            return False
        promised = self._promised.setdefault(log.id, set())
        return put.dedupe in promised or self._db.row(text.SEEN, (log.id, put.dedupe)) is not None

    def accept(self, puts: Sequence[Put]) -> list[Planned]:
        """Plan the puts of a unit that is carried out."""
        plans = [Planned(put) for put in puts]
        for target, run in groupby(plans, key=_planned_target):
            if type(target) is Inbox:
                for name, part in groupby(run, key=_planned_log):
                    self._plan(self._cache.logs[name], list(part))
                continue
            log = self._cache.logs.get(log_name(target)) or self._new_log(target)
            if log.heard:
                self._plan(log, list(run))
            else:
                self._leave_unheard(log, list(run))
        return plans

    def _plan(self, log: Log, plans: list[Planned]) -> None:
        if log.id in self._rooms:
            for plan in plans:
                self._use_room(log, plan.put)
        self._planned[log.id].extend(plans)

    def _leave_unheard(self, log: Log, plans: list[Planned]) -> None:
        for plan in plans:
            plan.outcome = UNHEARD
        self._cache.tally(log.id, unheard=len(plans))

    def _use_room(self, log: Log, put: Put) -> None:
        if not self._is_promised(log, put):
            self._rooms[log.id] -= 1
            if put.dedupe is not None:
                self._promised[log.id].add(put.dedupe)

    def _new_log(self, target: Target) -> Log:
        heard = isinstance(target, Dead)
        return self._declaring.create_log(TopicSpec(name=log_name(target)), heard=heard)

    # --- storing -----------------------------------------------------------------------------------------------------

    def store(self, now: float) -> None:
        """Store all that was planned."""
        for id, plans in self._planned.items():
            log = self._cache.logs_by_id[id]
            self._news.logs.add(id)
            for delayed, run in groupby(plans, key=_is_delayed):
                put = self._schedule_all if delayed else self._enter
                put(log, list(run), now)

    def _schedule_all(self, log: Log, plans: list[Planned], now: float) -> None:
        for plan in plans:
            self._schedule(log, plan, now)

    def _schedule(self, log: Log, plan: Planned, now: float) -> None:
        put = plan.put
        if put.dedupe is not None:
            seen = self._db.row(text.SEEN, (log.id, put.dedupe))
            if seen is not None:
                self._is_duplicate(log, plan, seen[0])
                return
            self._db.execute(text.ADD_SEEN, (log.id, put.dedupe, None, int(now)))
        due = now + put.after_s
        # The lane that was asked for: the topic may have more of them when the event is due.
        lane = lane_id(log.id, put.lane if 0 <= put.lane < LANES else 0)
        self._db.execute(
            text.ADD_SCHEDULED, (due, log.id, lane, put.key, put.dedupe, pack_extra(put), put.envelope.body)
        )
        self._cache.scheduled_at = min(self._cache.scheduled_at, due)
        self._cache.tally(log.id, scheduled=1)
        plan.outcome = STORED

    def _is_duplicate(self, log: Log, plan: Planned, position: Position | None) -> None:
        plan.outcome = PutOutcome("duplicate", position)
        self._cache.tally(log.id, duplicates=1)

    def _enter(self, log: Log, plans: list[Planned], now: float) -> None:
        """Give positions to what was not seen before, and write it."""
        unique: dict[str, Planned] = {}
        twins: list[Planned] = []
        entering: list[Planned] = []
        for plan in plans:
            dedupe = plan.put.dedupe
            if dedupe is None or unique.setdefault(dedupe, plan) is plan:
                entering.append(plan)
            else:
                twins.append(plan)
        newest = self._newest(log)
        if unique:
            entering = self._leave_out_seen(log, entering, newest, now)
        if entering:
            self._append(log, entering, newest, now)
        for twin in twins:
            self._is_duplicate(log, twin, unique[twin.put.dedupe or ""].outcome.position)

    def _newest(self, log: Log) -> int:
        if log.spec.lanes == 1:
            return self._cache.lane(log.lane_of(0)).newest
        return max(self._cache.lane(id).newest for id in log.lane_ids())

    def _leave_out_seen(self, log: Log, plans: list[Planned], newest: int, now: float) -> list[Planned]:
        """Remember the dedupe values with the positions to come; return the plans that are not duplicates."""
        if self._remember(log, plans, newest, now):
            return plans
        known: dict[str, int | None] = {}
        for position, plan in enumerate(plans, newest + 1):
            dedupe = plan.put.dedupe
            if dedupe is not None:
                seen = self._db.row(text.SEEN, (log.id, dedupe))
                if seen is not None and seen[0] == position:
                    self._db.execute(text.DROP_SEEN, (log.id, dedupe))
                elif seen is not None:
                    known[dedupe] = seen[0]
        for plan in plans:
            if plan.put.dedupe in known:
                self._is_duplicate(log, plan, known[plan.put.dedupe])
        fresh = [plan for plan in plans if plan.put.dedupe not in known]
        self._remember(log, fresh, newest, now)
        return fresh

    def _remember(self, log: Log, plans: list[Planned], newest: int, now: float) -> bool:
        """Write dedupe values; return whether all of them were new."""
        id, at = log.id, int(now)
        values: list[Any] = []
        position = newest
        for plan in plans:
            position += 1
            if plan.put.dedupe is not None:
                values += (id, plan.put.dedupe, position, at)
        return self._db.run_all(text.row_statements(text.SEEN_ROWS, 4, values)) == len(values) // 4

    def _append(self, log: Log, plans: list[Planned], newest: int, now: float) -> None:
        lane = self._cache.lane(log.lane_of(0))
        several = log.spec.lanes > 1
        base = floor(lane.id)
        values: list[Any] = []
        position = newest
        for plan in plans:
            put = plan.put
            position += 1
            if several:
                lane = self._cache.lane(log.lane_of(put.lane))
                base = floor(lane.id)
                self._note_key(lane, put.key, position)
            extra = pack_extra(put)
            values += (base + position, lane.count, now, put.key, extra, put.envelope.body)
            lane.count += 1
            lane.newest = position
            lane.dirty = True
            lane.fresh.append((position, put))
            plan.outcome = PutOutcome("stored", position)
            if extra is not None and put.entry != "new":
                self._count_entry(log, put)
        self._db.run_all(text.row_statements(text.EVENT_ROWS, 6, values))
        self._keeping.grown(log, len(plans))

    def _note_key(self, lane: Lane, key: str | None, position: int) -> None:
        if key is not None:
            self._db.execute(text.ADD_KEYED, (lane.id, key, position))

    def _count_entry(self, log: Log, put: Put) -> None:
        if put.entry == "discarded":
            self._count_discarded(put.target)
        else:
            self._cache.tally(log.id, **{put.entry: 1})

    def _count_discarded(self, target: Target) -> None:
        """Count a letter as discarded where it was counted as dead: who it was dispatched to is not known any more."""
        team = self._cache.teams.get(target.group) if isinstance(target, Dead) else None
        if team is None or not isinstance(target, Dead):
            return
        ids = [team.subscriptions.get(("own", target.member))]
        if target.member is None:
            inboxes = sorted(team.of_kind("inbox").items(), key=lambda one: one[0] or "")
            first = [team.subscriptions.get(("shared", None)), team.subscriptions.get(("ingress", None))]
            ids = [*first, *(id for _, id in inboxes)]
        candidates = [self._cache.subscription(id) for id in ids if id is not None]
        for subscription in candidates:
            if subscription.dead > subscription.discarded or subscription is candidates[-1]:
                subscription.discarded += 1
                subscription.dirty = True
                return

    # --- what was scheduled ------------------------------------------------------------------------------------------

    def enter_due(self, now: float) -> None:
        """Let scheduled events whose time has come enter their logs, earliest first."""
        rows = self._db.rows(text.DUE_SCHEDULED, (now, DUE_AT_ONCE))
        for id, log_id, wanted, key, dedupe, extra, body in rows:
            self._db.execute(text.DROP_SCHEDULED, (id,))
            log = self._cache.logs_by_id[log_id]
            lane = self._cache.lane(log.lane_of(wanted % LANES))
            position = self._newest(log) + 1
            self._db.execute(text.ADD_EVENT, (floor(lane.id) + position, lane.count, now, key, extra, body))
            if log.spec.lanes > 1:
                self._note_key(lane, key, position)
            if dedupe is not None:
                self._db.execute(text.SET_SEEN, (position, log_id, dedupe))
            lane.count += 1
            lane.newest = position
            lane.dirty = True
            lane.fresh.clear()
            entry = unpack_extra(extra).entry
            counted = {} if entry in ("new", "discarded") else {entry: 1}
            self._cache.tally(log_id, scheduled=-1, **counted)
            self._news.logs.add(log_id)
        self._cache.scheduled_at = None


_target = attrgetter("target")
_planned_target = attrgetter("put.target")


def _planned_log(plan: Planned) -> str:
    return log_of(plan.put)


def arrived(plans: Iterable[Planned]) -> list[tuple[str, str | None]]:
    """Return group and key of what was moved into inboxes, where it holds its key's place."""
    stored = [plan.put for plan in plans if plan.outcome.status == "stored" and plan.put.entry == "moved"]
    return [(put.target.group, put.key) for put in stored if isinstance(put.target, Inbox)]


def _is_delayed(plan: Planned) -> bool:
    return plan.put.after_s > 0
