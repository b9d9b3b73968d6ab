"""What can be seen: records, books, the catalogue. Nothing here writes."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import islice

from vagus.backend import Catalogue, End, Figures, GroupInfo, Inbox, MemberInfo, Record, Start, TopicInfo
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Cache, Log, Subscription, Team
from vagus.backends.sqlite.engine.declaring import Declaring
from vagus.backends.sqlite.engine.reading import Reading, starting_point
from vagus.ledger.log import log_name
from vagus.ledger.sql import text
from vagus.ledger.sql.place import LANES, POSITION_BITS, POSITION_MASK, floor, unpack_extra
from vagus.message import Envelope

_COUNTED = (
    "replayed", "acked", "dead", "discarded", "expired", "cancelled", "skipped", "trimmed", "held", "waiting", "parked",
    "lost",
)  # fmt: skip


class Seeing:
    """Looks at what is there."""

    def __init__(self, db: Database, cache: Cache, declaring: Declaring) -> None:
        self._db = db
        self._cache = cache
        self._declaring = declaring

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
        """Return the books of a group: of what is shared, and of each member."""
        members: dict[str | None, list[Subscription]] = {}
        for (_, member), id in team.subscriptions.items():
            members.setdefault(member, []).append(self._cache.subscription(id))
        return [self._figures(team, mine, now) for mine in members.values()]

    def _figures(self, team: Team, subscriptions: Sequence[Subscription], now: float) -> Figures:
        """Return the books of subscriptions as one."""
        member = subscriptions[0].member
        inbox = self._cache.logs.get(log_name(Inbox(team.spec.name, member)))
        moved, redriven, replayed = (self._db.row(text.ENTRIES, (inbox.id,)) if inbox else None) or (0, 0, 0)
        readings = [reading for one in subscriptions for reading in one.readings.values()]
        entered = sum(_entered(one) for one in subscriptions if one.kind != "inbox")
        oldest = [at for reading in readings if reading.ready and (at := self._first_at(reading)) is not None]
        counts = {name: sum(getattr(one, name) for one in subscriptions) for name in _COUNTED}
        counts["dead"] -= counts["discarded"]
        counts["replayed"] += replayed
        counts["waiting"] += sum(self._declaring.coming(one) for one in subscriptions if one.kind == "inbox")
        return Figures(
            group=team.spec.name,
            member=member,
            matched=entered - redriven - replayed - moved,
            redriven=redriven,
            ready=sum(reading.ready for reading in readings),
            oldest_s=now - min(oldest) if oldest else None,
            **counts,
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
        for (kind, _), id in team.subscriptions.items():
            for claim in self._cache.subscription(id).claims.values() if kind != "ingress" else ():
                held[claim.member] = held.get(claim.member, 0) + claim.remaining
        members = tuple(
            MemberInfo(name=name, named=bool(named), seen_s=now - seen, held=held.get(name, 0))
            for name, named, seen in self._db.rows(text.MEMBERS, (team.id,))
        )
        there = {member.name for member in members}
        orphans = [member for member in team.of_kind("inbox") if member and member not in there]
        idle = self._db.row(text.IDLE_SINCE, (team.id,))
        return GroupInfo(
            spec=team.spec,
            members=members,
            idle_s=None if idle is None or idle[0] is None else now - idle[0],
            steering=team.steering,
            cuts=team.cuts,
            orphans=tuple(sorted(name for name in orphans if not self._is_empty(team, name))),
        )

    def _is_empty(self, team: Team, member: str) -> bool:
        return self._declaring.is_empty(self._cache.subscription(team.subscriptions["inbox", member]))


def _entered(subscription: Subscription) -> int:
    """Return how many events its logs gave out positions for, for it to read."""
    return subscription.matched + sum(reading.entered for reading in subscription.readings.values())
