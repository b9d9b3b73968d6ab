"""How a team is steered: cursors moved back and forth, and handed over from one kind of subscription to another."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vagus.backend import Cut, Position, SeekTo, Switch
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Cache, Log, News, Subscription, Team
from vagus.backends.sqlite.engine.declaring import Declaring
from vagus.backends.sqlite.engine.reading import Lane, Reading, starting_point
from vagus.backends.sqlite.engine.settling import Settling
from vagus.ledger.sql import text
from vagus.ledger.sql.place import LANES, POSITION_MASK, floor
from vagus.ledger.steering import KEPT_CUTS, Kind, reader_of, switched
from vagus.ledger.stretch import Point


class Switching:
    """Seeks and switches."""

    def __init__(self, db: Database, cache: Cache, declaring: Declaring, settling: Settling, news: News) -> None:
        self._db = db
        self._cache = cache
        self._declaring = declaring
        self._settling = settling
        self._news = news

    # --- moving ------------------------------------------------------------------------------------------------------

    def seek(self, group: str, change: SeekTo, now: float) -> None:
        """Move cursors that read on: back raises the generation of what lies between, forward skips it."""
        for subscription in self._declaring.readers(self._declaring.team(group)):
            if change.member is None or change.member == subscription.member:
                for reading in self._topics_of(subscription, change.topic):
                    at = starting_point(self._db, reading.lane, change.start, now)
                    replayed, skipped = reading.seek(at, change)
                    subscription.replayed += replayed
                    subscription.skipped += skipped
                self._settling.offer_all(subscription)
                self._news.subscriptions.add(subscription.id)

    def _topics_of(self, subscription: Subscription, only: str | None) -> list[Reading]:
        """Return the cursors on topics, or on `only`; the inbox is not replayed."""
        named = [(self._cache.logs_by_id[r.lane.id // LANES].name, r) for r in subscription.readings.values()]
        return [r for name, r in named if not name.startswith("$inbox.") and only in (None, name)]

    # --- switching ---------------------------------------------------------------------------------------------------

    def switch(self, group: str, change: Switch, now: float) -> Cut:
        """Change how a group delivers, and return where that cut its topics."""
        team = self._declaring.team(group)
        steering = switched(group, team.steering, change)
        before, kind = self._declaring.readers(team), reader_of(steering.mode, steering.pick)
        members = [row[0] for row in self._db.rows(text.MEMBERS, (team.id,))]
        # Where nobody is there yet to be handed everything, what is unread stays with those who shared it.
        leavers = before if kind != "own" or team.of_kind("own") or members else []
        topics = self._declaring.topics_of(team)
        points = {id: self._place(leavers, id) for log in topics for id in log.lane_ids()}
        ends = {log.name: self._ends(log, [points[id] for id in log.lane_ids()]) for log in topics}
        cut = Cut(steering.mode, steering.pick, steering.epoch, ends)
        moves = kind != team.kind
        self._steer(team, cut)
        self._seat(team, members, now)
        if moves:
            for log in topics:
                for id in log.lane_ids():
                    self._hand_over(log, id, points[id], before, self._declaring.readers(team))
        self._relay_inbox(team)
        self._cache.raise_catalogue()
        self._news.everybody = True
        return cut

    def _place(self, readers: Sequence[Subscription], id: int) -> Point:
        """Return the furthest place of those who read a lane; where nobody does, its end."""
        lane = self._cache.lane(id)
        return max((reader.readings[id].place for reader in readers), default=(lane.count, lane.newest))

    def _ends(self, log: Log, points: Sequence[Point]) -> tuple[Position, ...]:
        """Return the position up to which each lane is cut: right before the first event behind, else the newest."""
        lanes = [self._cache.lane(id) for id in log.lane_ids()]
        newest = max(lane.newest for lane in lanes)
        return tuple(self._end(lane, point, newest) for lane, point in zip(lanes, points, strict=True))

    def _end(self, lane: Lane, point: Point, newest: int) -> int:
        found = self._db.row(text.PLACE_AFTER, (floor(lane.id) + point[1], floor(lane.id + 1)))
        return newest if found is None or found[0] is None else (found[0] & POSITION_MASK) - 1

    def _steer(self, team: Team, cut: Cut) -> None:
        team.steering = msgspec.structs.replace(team.steering, mode=cut.mode, pick=cut.pick, epoch=cut.epoch)
        team.cuts = (*team.cuts, cut)[-KEPT_CUTS:]
        ends = msgspec.json.encode(cut.ends).decode()
        self._db.execute(text.STEER_TEAM, (cut.mode, cut.pick, cut.epoch, team.id))
        self._db.execute(text.ADD_CUT, (team.id, cut.mode, cut.pick, cut.epoch, ends))
        self._db.execute(text.DROP_CUTS, (team.id, cut.epoch - KEPT_CUTS))

    def _seat(self, team: Team, members: Sequence[str], now: float) -> None:
        """Make what the present steering needs: the subscription of all, or one for each member that is there."""
        one: Kind = "ingress" if team.kind == "ingress" else "shared"  # in `all` for the redrives of older epochs
        if (one, None) not in team.subscriptions:
            self._declaring.subscribe(team, one)
        for member in members:
            self._declaring.seat(team, member, now)

    def _hand_over(
        self, log: Log, id: int, at: Point, before: Sequence[Subscription], after: Sequence[Subscription]
    ) -> None:
        """Let `after` read a lane from `at` on, and `before` no further than that."""
        again = max((self._close(subscription, id, at) for subscription in before), default=0)
        generation = max((subscription.readings[id].generation for subscription in before), default=0)
        replayed = max((subscription.readings[id].replayed for subscription in before), default=0)
        for subscription in after:
            self._open(subscription, log, id, at, again).replay_as(generation, replayed)

    def _close(self, subscription: Subscription, id: int, at: Point) -> int:
        entered, again = subscription.readings[id].close(at)
        subscription.matched += entered
        subscription.replayed -= again
        subscription.dirty = True
        return again

    def _open(self, subscription: Subscription, log: Log, id: int, at: Point, again: int) -> Reading:
        reading = subscription.readings.get(id)
        if reading is None:
            reading = Reading(self._cache.lane(id), at[0], *at, until=at[0], until_position=at[1])
            subscription.readings[id] = reading
            log.readers.add(subscription.id)
        subscription.matched -= reading.reopen(at, again)
        subscription.replayed += again
        subscription.dirty = True
        return reading

    def _relay_inbox(self, team: Team) -> None:
        """Let the group's inbox be read by the ingress where there is a pick, else by what the members share."""
        pair: tuple[Kind, Kind] = ("ingress", "shared") if team.kind == "ingress" else ("shared", "ingress")
        reader = self._cache.subscription(team.subscriptions[pair[0], None])
        other = [self._cache.subscription(id) for id in team.of_kind(pair[1]).values()]
        log = self._declaring.inbox(team)
        id = log.lane_of(0)
        reading = reader.readings.get(id)
        if reading is not None and reading.is_open:
            return
        before = [one for one in other if id in one.readings]
        at = self._place(before, id) if before else (self._cache.lane(id).removed, 0)
        self._hand_over(log, id, at, before, [reader])
