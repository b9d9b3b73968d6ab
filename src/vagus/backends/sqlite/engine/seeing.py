"""What can be seen: records, books, the catalogue. Nothing here writes."""

from __future__ import annotations

import heapq
from itertools import islice

from vagus.backend import Catalogue, End, Figures, GroupInfo, MemberInfo, Record, Start, Steering, TopicInfo
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Cache, Log, Reading, Subscription, Team
from vagus.backends.sqlite.engine.start import starting_point
from vagus.ledger.sql import text
from vagus.ledger.sql.place import LANES, POSITION_BITS, POSITION_MASK, floor, unpack_extra
from vagus.message import Envelope


class Seeing:
    """Looks at what is there."""

    def __init__(self, db: Database, cache: Cache) -> None:
        self._db = db
        self._cache = cache

    # --- records -----------------------------------------------------------------------------------------------------

    def read(self, topic: str, start: Start, limit: int, now: float) -> list[Record]:
        """Return at most `limit` records of all lanes from `start` on, in order of position."""
        log = self._cache.logs.get(topic)
        if log is None or isinstance(start, End):
            return []
        lanes = [self._lane_records(lane, start, limit, now) for lane in log.lane_ids()]
        merged = lanes[0] if len(lanes) == 1 else heapq.merge(*lanes, key=lambda record: record.position)
        return list(islice(merged, limit))

    def _lane_records(self, id: int, start: Start, limit: int, now: float) -> list[Record]:
        _, position = starting_point(self._db, self._cache.lane(id), start, now)
        records = []
        for place, at, key, extra, body in self._db.execute(text.RECORDS, (floor(id) + position, floor(id + 1), limit)):
            more = unpack_extra(extra)
            envelope = Envelope(body, more.content_type, more.headers)
            lane = (place >> POSITION_BITS) % LANES
            record = Record(place & POSITION_MASK, envelope, now - at, key, lane, more.entry, more.generation)
            records.append(record)
        return records

    def end(self, topic: str) -> int:
        """Return the newest position of a topic, 0 when it has none."""
        log = self._cache.logs.get(topic)
        return max((self._cache.lane(id).newest for id in log.lane_ids()), default=0) if log else 0

    # --- books -------------------------------------------------------------------------------------------------------

    def stats(self, team: Team, now: float) -> list[Figures]:
        """Return the books of a group."""
        return [self._figures(team, self._cache.subscription(id), now) for id in team.subscriptions.values()]

    def _figures(self, team: Team, subscription: Subscription, now: float) -> Figures:
        member = subscription.member
        name = f"$inbox.{team.spec.name}" if member is None else f"$inbox.{team.spec.name}/{member}"
        inbox = self._cache.logs.get(name)
        moved, redriven, replayed = (self._db.row(text.ENTRIES, (inbox.id,)) if inbox else None) or (0, 0, 0)
        readings = subscription.readings.values()
        entered = subscription.matched + sum(reading.lane.count - reading.start for reading in readings)
        oldest = [at for reading in readings if reading.ready and (at := self._first_at(reading)) is not None]
        return Figures(
            group=team.spec.name,
            member=member,
            matched=entered - redriven - replayed - moved,
            redriven=redriven,
            replayed=replayed + subscription.replayed,
            acked=subscription.acked,
            dead=subscription.dead - subscription.discarded,
            discarded=subscription.discarded,
            expired=subscription.expired,
            cancelled=subscription.cancelled,
            skipped=subscription.skipped,
            trimmed=subscription.trimmed,
            held=subscription.held,
            waiting=subscription.waiting,
            parked=subscription.parked,
            ready=sum(reading.ready for reading in readings),
            lost=subscription.lost,
            oldest_s=now - min(oldest) if oldest else None,
        )

    def _first_at(self, reading: Reading) -> float | None:
        lane = reading.lane.id
        found = self._db.row(text.FIRST_AT, (floor(lane) + reading.position, floor(lane + 1)))
        return None if found is None else float(found[0])

    # --- the catalogue -----------------------------------------------------------------------------------------------

    def describe(self, now: float) -> Catalogue:
        """Return all topics and groups, sorted by name."""
        logs = sorted(self._cache.logs.items())
        topics = tuple(self._topic(log) for name, log in logs if not name.startswith("$"))
        return Catalogue(topics, tuple(self._group(team, now) for _, team in sorted(self._cache.teams.items())))

    def _topic(self, log: Log) -> TopicInfo:
        lanes = [self._cache.lane(id) for id in log.lane_ids()]
        scheduled, duplicates, unheard = self._db.row(text.LOG_COUNTS, (log.id,)) or (0, 0, 0)
        hearers = (name for name, team in self._cache.teams.items() if team.hears(log.name))
        return TopicInfo(
            spec=log.spec,
            kept=sum(lane.count - lane.removed for lane in lanes),
            scheduled=scheduled,
            stored=sum(lane.count for lane in lanes),
            duplicates=duplicates,
            unheard=unheard,
            groups=tuple(sorted(hearers)),
        )

    def _group(self, team: Team, now: float) -> GroupInfo:
        held: dict[str, int] = {}
        for id in team.subscriptions.values():
            for claim in self._cache.subscription(id).claims.values():
                held[claim.member] = held.get(claim.member, 0) + claim.remaining
        members = tuple(
            MemberInfo(name=name, named=bool(named), seen_s=now - seen, held=held.get(name, 0))
            for name, named, seen in self._db.rows(text.MEMBERS, (team.id,))
        )
        idle = self._db.row(text.IDLE_SINCE, (team.id,))
        return GroupInfo(
            spec=team.spec,
            members=members,
            idle_s=None if idle is None or idle[0] is None else now - idle[0],
            steering=Steering(team.spec.mode),
        )
