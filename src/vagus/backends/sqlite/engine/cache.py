"""What the writer remembers between transactions, what it must look up again because others wrote, what it tells.

Names and settings are kept until somebody raises the catalogue's number. Counters and cursors are kept as long as
nobody else wrote to the file at all (`PRAGMA data_version`), so that a process alone reads none of them twice.
Changes are made here and written by `flush`, one row per object, however often it changed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import msgspec

from vagus.backend import Cut, GroupSpec, Ingress, Position, Source, Steering, TopicSpec
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.reading import Lane, Reading
from vagus.ledger.sql import text
from vagus.ledger.sql.place import LANES, lane_id
from vagus.ledger.steering import Kind, reader_of
from vagus.ledger.stretch import Stretch
from vagus.message import compile_pattern

_later = msgspec.json.Decoder(list[Stretch])
_ends = msgspec.json.Decoder(dict[str, tuple[Position, ...]])


class News(msgspec.Struct):
    """What a transaction changed for those who wait: collected inside, told when it is committed.

    Ids of logs that grew, of subscriptions that may be able to take more, names of streams that grew. `settled`:
    subscriptions whose members have credit again, which concerns this process alone.
    """

    logs: set[int] = msgspec.field(default_factory=set)
    subscriptions: set[int] = msgspec.field(default_factory=set)
    streams: set[str] = msgspec.field(default_factory=set)
    settled: set[int] = msgspec.field(default_factory=set)
    everybody: bool = False


class Log(msgspec.Struct, eq=False):
    """A log's name and settings, and the ids of the subscriptions that read it."""

    id: int
    spec: TopicSpec
    heard: bool
    readers: set[int]

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name

    def lane_of(self, lane: int) -> int:
        """Return the id of the lane that an event of priority `lane` enters."""
        return lane_id(self.id, lane if 0 <= lane < self.spec.lanes else 0)

    def lane_ids(self) -> range:
        """Return the ids of its lanes."""
        return range(self.id * LANES, self.id * LANES + self.spec.lanes)


class Team(msgspec.Struct, eq=False):
    """A group as declared, how it is steered, and its subscriptions by kind and member."""

    id: int
    spec: GroupSpec
    hears: Callable[[str], bool]
    steering: Steering
    cuts: tuple[Cut, ...] = ()
    subscriptions: dict[tuple[Kind, str | None], int] = msgspec.field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Which kind of subscription reads on now."""
        return reader_of(self.steering.mode, self.steering.pick)

    def is_seated(self, source: Source, member: str) -> bool:
        """Return whether what `member` takes from on a seat under the present steering is there."""
        if isinstance(source, Ingress) or source.member is not None:
            return True
        if self.kind == "shared":
            return ("shared", None) in self.subscriptions
        return ("own" if self.kind == "own" else "inbox", member) in self.subscriptions

    def of_kind(self, kind: Kind) -> dict[str | None, int]:
        """Return the subscriptions of one kind by member."""
        return {member: id for (found, member), id in self.subscriptions.items() if found == kind}

    def sources(self, source: Source, member: str) -> list[int]:
        """Return what `member` takes from on a seat, in that order: what is left of older epochs comes first."""
        ids = self.subscriptions
        if isinstance(source, Ingress):
            wanted: list[tuple[Kind, str | None]] = [("ingress", None)]
        elif source.member is not None:
            wanted = [("inbox", source.member)]
        else:
            wanted = [("own", member), ("inbox", member), ("shared", None)]
            if len(ids) > 1:
                present = "inbox" if self.kind == "ingress" else self.kind
                wanted.sort(key=lambda one: one[0] == present)
        return [ids[one] for one in wanted if one in ids]


class Claim(msgspec.Struct, eq=False):
    """One handing out."""

    id: int
    member: str
    until: float
    remaining: int
    dirty: bool = False


class Subscription(msgspec.Struct, eq=False, kw_only=True):
    """A subscription's books and cursors; `due_at` is a lower bound of when something waiting is due."""

    id: int
    team: int
    kind: Kind
    member: str | None
    away_since: float | None
    turn: int
    matched: int
    replayed: int
    acked: int
    dead: int
    discarded: int
    expired: int
    cancelled: int
    skipped: int
    moved: int
    trimmed: int
    held: int
    waiting: int
    parked: int
    freed: int
    lost: int
    readings: dict[int, Reading]
    claims: dict[int, Claim]
    due_at: float
    rotation: int = 0
    dirty: bool = False

    def holding(self, member: str, now: float) -> int:
        """How many events `member` holds under a lease that has not lapsed: what binds its credit."""
        return sum(claim.remaining for claim in self.claims.values() if claim.member == member and claim.until > now)

    def credit_at(self, member: str, now: float) -> float:
        """Return when the next lease of `member` lapses, which frees credit of it."""
        lapses = (c.until for c in self.claims.values() if c.member == member and c.until > now and c.remaining)
        return min(lapses, default=math.inf)

    def lapse_at(self) -> float:
        """Return when the first lease lapses, infinity when there is none."""
        return min((claim.until for claim in self.claims.values() if claim.remaining), default=math.inf)

    def next_turn(self) -> int:
        """Count the turn up and return it."""
        self.turn += 1
        self.dirty = True
        return self.turn


class Cache:
    """The catalogue by name and by id, lanes and subscriptions as they were last seen or changed."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._data_version = -1
        self._catalogue = -1
        self.logs: dict[str, Log] = {}
        self.logs_by_id: dict[int, Log] = {}
        self.teams: dict[str, Team] = {}
        self.teams_by_id: dict[int, Team] = {}
        self._lanes: dict[int, Lane] = {}
        self._subscriptions: dict[int, Subscription] = {}
        self._scheduled_at: float | None = None
        self._tallies: dict[int, list[int]] = defaultdict(lambda: [0] * 6)

    # --- freshness ---------------------------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Forget what others may have changed; call it first in every transaction. Return whether others wrote."""
        version = self._db.number("PRAGMA data_version")
        if version == self._data_version:
            return False
        self._data_version = version
        self._lanes.clear()
        self._subscriptions.clear()
        self._scheduled_at = None
        catalogue = self._db.number(text.CATALOGUE)
        if catalogue != self._catalogue:
            self.reload()
            self._catalogue = catalogue
        return True

    def is_stale(self) -> bool:
        """Return whether others wrote since the last refresh."""
        return self._db.number("PRAGMA data_version") != self._data_version

    def forget(self) -> None:
        """Forget everything: a transaction was rolled back."""
        self._data_version = self._catalogue = -1
        self._lanes.clear()
        self._subscriptions.clear()
        self._tallies.clear()

    def reload(self) -> None:
        """Read names and settings anew."""
        run = self._db.execute
        self.logs_by_id = {
            id: Log(
                id,
                TopicSpec(name=name, lanes=lanes, keep_s=keep_s, archive=bool(archive), max_events=most),
                bool(heard),
                set(),
            )
            for id, name, lanes, keep_s, archive, most, heard in run(text.LOGS)
        }
        self.logs = {log.name: log for log in self.logs_by_id.values()}
        for subscription, log in run(text.READERS):
            if log in self.logs_by_id:
                self.logs_by_id[log].readers.add(subscription)
        self._reload_teams()

    def _reload_teams(self) -> None:
        run = self._db.execute
        cuts: dict[int, list[Cut]] = defaultdict(list)
        for team, mode, pick, epoch, ends in run(text.CUTS):
            cuts[team].append(Cut(mode, pick, epoch, _ends.decode(ends)))
        self.teams_by_id = {}
        for id, name, patterns, mode, pick, start, lease_s, ordered, forget_after_s, *steering in run(text.TEAMS):
            spec = GroupSpec(
                name=name,
                patterns=tuple(msgspec.json.decode(patterns, type=list[str])),
                mode=mode,
                pick=pick,
                start=start,
                lease_s=lease_s,
                ordered=bool(ordered),
                forget_after_s=forget_after_s,
            )
            self.teams_by_id[id] = Team(id, spec, hearing(spec.patterns), Steering(*steering), tuple(cuts[id]))
        for id, team, kind, member in run(text.SUBSCRIPTIONS):
            self.teams_by_id[team].subscriptions[kind, member] = id
        self.teams = {team.spec.name: team for team in self.teams_by_id.values()}

    def raise_catalogue(self) -> None:
        """Let others know that names or settings changed. What changed here must be in the cache already."""
        self._db.execute(text.RAISE_CATALOGUE)
        self._catalogue = self._db.number(text.CATALOGUE)

    # --- looking up --------------------------------------------------------------------------------------------------

    def lane(self, id: int) -> Lane:
        """Return the lane with that id; one that never had an event is made."""
        lane = self._lanes.get(id)
        if lane is None:
            row = self._db.row(text.LANE, (id,))
            lane = self._lanes[id] = _lane(id, row)
        return lane

    def subscription(self, id: int) -> Subscription:
        """Return the subscription with that id, which must be there."""
        found = self._subscriptions.get(id)
        if found is None:
            found = self._subscriptions[id] = self._load(id)
        return found

    def _load(self, id: int) -> Subscription:
        row = self._db.row(text.SUBSCRIPTION, (id,))
        if row is None:
            raise LookupError(f"no subscription {id}")
        team, kind, member, away_since, *counters = row
        due_at = self._db.row(text.NEXT_DUE, (id,))
        subscription = Subscription(
            id=id,
            team=team,
            kind=kind,
            member=member,
            away_since=away_since,
            readings={},
            claims={c[0]: Claim(*c) for c in self._db.execute(text.CLAIMS, (id,))},
            due_at=math.inf if due_at is None or due_at[0] is None else due_at[0],
            **dict(zip(text.COUNTERS, counters, strict=True)),
        )
        for lane, *cursor, until, until_position, later, count, removed, newest in self._db.execute(
            text.READINGS, (id,)
        ):
            known = self._lanes.get(lane)
            if known is None:
                known = self._lanes[lane] = _lane(lane, (count, removed, newest))
            reading = subscription.readings[lane] = Reading(known, *cursor)
            if until is not None:
                reading.until, reading.until_position = until, until_position
                reading.later = _later.decode(later or "[]")
        # Who was served last is not kept; the turn goes on counting, so that nobody is always last either.
        for index, reading in enumerate(subscription.readings.values(), subscription.turn):
            reading.served = -(index % len(subscription.readings)) - 1
        return subscription

    def drop_subscription(self, id: int) -> None:
        """Forget a subscription that was removed."""
        self._subscriptions.pop(id, None)
        for log in self.logs_by_id.values():
            log.readers.discard(id)

    @property
    def scheduled_at(self) -> float:
        """A lower bound of when the next scheduled event enters its log."""
        if self._scheduled_at is None:
            found = self._db.row(text.NEXT_SCHEDULED)
            self._scheduled_at = math.inf if found is None or found[0] is None else found[0]
        return self._scheduled_at

    @scheduled_at.setter
    def scheduled_at(self, due: float | None) -> None:
        self._scheduled_at = due

    # --- writing -----------------------------------------------------------------------------------------------------

    def tally(
        self,
        log: int,
        *,
        scheduled: int = 0,
        duplicates: int = 0,
        unheard: int = 0,
        moved: int = 0,
        redriven: int = 0,
        replayed: int = 0,
    ) -> None:
        """Add to a log's counters, which nobody needs for a decision."""
        counts = self._tallies[log]
        for index, more in enumerate((scheduled, duplicates, unheard, moved, redriven, replayed)):
            counts[index] += more

    def pending_scheduled(self, log: int) -> int:
        """How many scheduled events of a log are counted here, but not written yet."""
        return self._tallies[log][0] if log in self._tallies else 0

    def flush(self) -> None:
        """Write what changed."""
        run_many = self._db.execute_many
        for lane in self._lanes.values():
            lane.fresh.clear()
        run_many(text.SET_LANE, self._dirty_lanes())
        for subscription in self._subscriptions.values():
            if subscription.dirty:
                self._flush_subscription(subscription)
        if self._tallies:
            run_many(text.COUNT_LOG, ((*counts, log) for log, counts in self._tallies.items()))
            self._tallies.clear()

    def _dirty_lanes(self) -> Iterator[tuple[int, int, int, int]]:
        for lane in self._lanes.values():
            if lane.dirty:
                lane.dirty = False
                yield lane.id, lane.count, lane.removed, lane.newest

    def _flush_subscription(self, subscription: Subscription) -> None:
        subscription.dirty = False
        id = subscription.id
        counters = [getattr(subscription, name) for name in text.COUNTERS]
        self._db.execute(text.SET_SUBSCRIPTION, (subscription.away_since, *counters, id))
        for reading in subscription.readings.values():
            if reading.dirty:
                reading.dirty = False
                lane, row = reading.lane.id, (reading.start, reading.passed, reading.position)
                rest = (None, None, None) if reading.until is None else _rest(reading)
                self._db.execute(text.SET_READING, (id, lane, *row, reading.replayed, reading.generation, *rest))
        for claim in [claim for claim in subscription.claims.values() if claim.dirty]:
            claim.dirty = False
            if claim.remaining:
                self._db.execute(text.SET_CLAIM, (id, claim.id, claim.member, claim.until, claim.remaining))
            else:
                del subscription.claims[claim.id]
                self._db.execute(text.DROP_CLAIM, (id, claim.id))


def _rest(reading: Reading) -> tuple[int | None, int, str | None]:
    later = msgspec.json.encode(reading.later).decode() if reading.later else None
    return reading.until, reading.until_position, later


def _lane(id: int, row: Sequence[int] | None) -> Lane:
    count, removed, newest = row or (0, 0, 0)
    return Lane(id, count, removed, newest, dirty=row is None, fresh=[])


def hearing(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Return a function that tells whether one of the patterns matches a topic."""
    matches = [compile_pattern(pattern) for pattern in patterns]
    return lambda topic: any(match(topic) for match in matches)
