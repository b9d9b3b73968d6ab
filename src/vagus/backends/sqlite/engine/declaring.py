"""What there is: logs, teams and their subscriptions, made, changed and removed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vagus.backend import End, First, GroupSpec, Inbox, SeekTo, Start, Topic, TopicSpec
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Cache, Log, Reading, Subscription, Team, hearing
from vagus.backends.sqlite.engine.news import News
from vagus.backends.sqlite.engine.settling import Settling
from vagus.backends.sqlite.engine.start import starting_point
from vagus.errors import GroupConflict, InvalidArgument
from vagus.ledger.sql import text
from vagus.ledger.sql.place import LANES, floor


class Declaring:
    """Changes of the catalogue; each raises its number, so that other processes look again."""

    def __init__(self, db: Database, cache: Cache, settling: Settling, news: News) -> None:
        self._db = db
        self._cache = cache
        self._settling = settling
        self._news = news

    # --- logs --------------------------------------------------------------------------------------------------------

    def hearers(self, topic: str) -> list[Team]:
        """Return the teams whose patterns match `topic`."""
        if topic.startswith("$"):
            return []
        return [team for team in self._cache.teams.values() if team.hears(topic)]

    def create_log(self, spec: TopicSpec, *, heard: bool, now: float = 0.0) -> Log:
        """Make a log; teams that were there before it read it from its beginning."""
        listeners = self.hearers(spec.name)
        heard = heard or bool(listeners) or spec.archive
        row = (spec.name, spec.lanes, spec.keep_s, spec.archive, spec.max_events, heard)
        self._db.execute(text.ADD_LOG, row)
        log = Log(self._db.connection.last_insert_rowid(), spec, heard, set())
        self._cache.logs[spec.name] = self._cache.logs_by_id[log.id] = log
        for lane in log.lane_ids():
            self._cache.lane(lane)
        for team in listeners:
            self._listen(team, log, First(), now)
        self._cache.raise_catalogue()
        return log

    def _declare_topic(self, spec: TopicSpec, now: float) -> None:
        log = self._cache.logs.get(spec.name)
        if log is None:
            self.create_log(spec, heard=False, now=now)
            return
        lanes = max(spec.lanes, log.spec.lanes)  # lanes are only ever added, so that nothing in one is stranded
        wanted, heard = msgspec.structs.replace(spec, lanes=lanes), log.heard or spec.archive
        if (wanted, heard) == (log.spec, log.heard):
            return
        if lanes > log.spec.lanes == 1:
            self._db.execute(text.INDEX_KEYS, (floor(log.lane_of(0)), floor(log.lane_of(0) + 1)))
        log.spec, log.heard = wanted, heard
        for lane in log.lane_ids():
            self._cache.lane(lane)
        self._write_log(log)
        for team in self.hearers(log.name):
            self._listen(team, log, First(), now)

    def _write_log(self, log: Log) -> None:
        spec = log.spec
        self._db.execute(text.SET_LOG, (spec.lanes, spec.keep_s, spec.archive, spec.max_events, log.heard, log.id))
        self._cache.raise_catalogue()

    def _listen(self, team: Team, log: Log, start: Start, now: float) -> None:
        """Make the team's subscriptions read `log`, or read it no more, as its patterns say."""
        if log.name.startswith("$"):
            return
        heard = team.hears(log.name)
        if heard and not log.heard:
            log.heard = True
            self._write_log(log)
        for id in team.subscriptions.values():
            if heard:
                self._add_log(self._cache.subscription(id), log, start, now)
            elif id in log.readers:
                self._remove_log(self._cache.subscription(id), log)

    def _add_log(self, subscription: Subscription, log: Log, start: Start, now: float) -> None:
        log.readers.add(subscription.id)
        for id in log.lane_ids():
            if id not in subscription.readings:
                lane = self._cache.lane(id)
                passed, position = starting_point(self._db, lane, start, now)
                subscription.readings[id] = Reading(lane, passed, passed, position, dirty=True)
                subscription.dirty = True
                self._news.subscriptions.add(subscription.id)

    def _remove_log(self, subscription: Subscription, log: Log) -> None:
        """Stop reading: what was unread is skipped, what was handed out stays where it is."""
        log.readers.discard(subscription.id)
        for id in [id for id in subscription.readings if id // LANES == log.id]:
            reading = subscription.readings.pop(id)
            subscription.matched += reading.lane.count - reading.start
            subscription.skipped += reading.ready
            self._db.execute(text.DROP_READING, (subscription.id, id))
        self._settling.offer_all(subscription)

    # --- teams -------------------------------------------------------------------------------------------------------

    def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec], now: float) -> None:
        """Make topics and groups exist; looks for conflicts before anything is written."""
        for wanted in groups:
            known = self._cache.teams.get(wanted.name)
            if known is not None and known.spec.mode != wanted.mode:
                raise GroupConflict(
                    f"group {wanted.name!r} delivers {known.spec.mode!r},"
                    f" it cannot be declared to deliver {wanted.mode!r}",
                    hint=f"declare it with deliver={known.spec.mode!r}, or: vagus groups drop {wanted.name}",
                )
        for spec in topics:
            self._declare_topic(spec, now)
        for wanted in groups:
            self._declare_group(wanted, now)

    def _declare_group(self, spec: GroupSpec, now: float) -> None:
        team = self._cache.teams.get(spec.name)
        if team is not None and msgspec.structs.replace(team.spec, start=spec.start) == spec:
            return
        values = (spec.lease_s, spec.ordered, spec.forget_after_s)
        patterns = msgspec.json.encode(spec.patterns).decode()
        if team is None:
            self._db.execute(text.ADD_TEAM, (spec.name, patterns, spec.mode, spec.start, *values, now))
            team = Team(self._db.connection.last_insert_rowid(), spec, hearing(spec.patterns), {})
            self._cache.teams[spec.name] = self._cache.teams_by_id[team.id] = team
        else:
            self._db.execute(text.SET_TEAM, (patterns, spec.start, *values, team.id))
            for id in team.subscriptions.values() if spec.ordered != team.spec.ordered else ():
                self._settling.set_ordered(self._cache.subscription(id), spec.ordered, now)
                self._news.subscriptions.add(id)
            team.spec, team.hears = spec, hearing(spec.patterns)
        for name in (f"$inbox.{spec.name}", f"$dead.{spec.name}"):
            if name not in self._cache.logs:
                self.create_log(TopicSpec(name=name), heard=True)
        if spec.mode == "once" and not team.subscriptions:
            self.subscribe(team, None, now)
        start = First() if spec.start == "first" else End()
        for log in list(self._cache.logs.values()):
            self._listen(team, log, start, now)
        self._cache.raise_catalogue()

    def subscribe(self, team: Team, member: str | None, now: float) -> Subscription:
        """Make the subscription of a team, or of a member of it."""
        self._db.execute(text.ADD_SUBSCRIPTION, (team.id, member))
        subscription = self._cache.subscription(self._db.connection.last_insert_rowid())
        team.subscriptions[member] = subscription.id
        inbox = Inbox(team.spec.name, member)
        name = f"$inbox.{inbox.group}" if member is None else f"$inbox.{inbox.group}/{member}"
        log = self._cache.logs.get(name) or self.create_log(TopicSpec(name=name), heard=True)
        self._add_log(subscription, log, First(), now)
        start = First() if team.spec.start == "first" else End()
        for log in self._cache.logs.values():
            if not log.name.startswith("$") and team.hears(log.name):
                self._add_log(subscription, log, start, now)
        self._cache.raise_catalogue()
        return subscription

    def team(self, name: str) -> Team:
        """Return the team of that name; raises `InvalidArgument` when there is none."""
        team = self._cache.teams.get(name)
        if team is None:
            raise InvalidArgument(f"no group {name!r} was declared", hint="declare it first, or see: vagus groups")
        return team

    # --- moving ------------------------------------------------------------------------------------------------------

    def seek(self, group: str, change: SeekTo, now: float) -> None:
        """Move cursors: back raises the generation of what lies between, forward skips it."""
        team = self.team(group)
        for member, id in team.subscriptions.items():
            if change.member is None or change.member == member:
                subscription = self._cache.subscription(id)
                for reading in self._topics_of(subscription, change.topic):
                    self._move(subscription, reading, change, now)
                self._settling.offer_all(subscription)
                self._news.subscriptions.add(id)

    def _topics_of(self, subscription: Subscription, only: str | None) -> list[Reading]:
        """Return the cursors on topics, or on `only`; the inbox is not replayed."""
        named = [(self._cache.logs_by_id[r.lane.id // LANES].name, r) for r in subscription.readings.values()]
        return [r for name, r in named if not name.startswith("$inbox.") and only in (None, name)]

    def _move(self, subscription: Subscription, reading: Reading, change: SeekTo, now: float) -> None:
        passed, position = starting_point(self._db, reading.lane, change.start, now)
        if passed > reading.passed and not change.skip:
            return
        if passed < reading.passed:
            subscription.replayed += reading.passed - passed
            reading.replayed = max(reading.replayed, reading.position)
            reading.generation = max(reading.generation + 1, change.generation)
        else:
            subscription.skipped += passed - reading.passed
        reading.passed, reading.position, reading.dirty = passed, position, True

    # --- removing ----------------------------------------------------------------------------------------------------

    def drop(self, target: Topic | Inbox) -> None:
        """Remove a topic, a group or a member's subscription; the events themselves go in small steps later."""
        if isinstance(target, Topic):
            self._drop_topic(target.name)
        elif target.group in self._cache.teams:
            team = self._cache.teams[target.group]
            if target.member is None:
                self._drop_team(team)
            else:
                self._db.execute(text.DROP_MEMBER, (team.id, target.member))
                self.unsubscribe(team, target.member)
        self._cache.raise_catalogue()
        self._news.everybody = True

    def _drop_topic(self, name: str) -> None:
        log = self._cache.logs.get(name)
        if log is None or name.startswith("$inbox."):
            return
        for id in sorted(log.readers):
            subscription = self._cache.subscription(id)
            self._let_go(subscription, log)
            self._remove_log(subscription, log)
        self._drop_log(log)

    def _drop_log(self, log: Log) -> None:
        self._db.execute(text.DROP_SCHEDULED_OF, (log.id,))
        self._db.execute(text.DROP_LOG, (log.id,))
        self._cache.logs.pop(log.name)
        self._cache.logs_by_id.pop(log.id)
        self._cache.scheduled_at = None

    def _let_go(self, subscription: Subscription, log: Log) -> None:
        """Forget what a subscription holds of a log that goes away; the books count it as trimmed."""
        span = (subscription.id, floor(log.id * LANES), floor((log.id + 1) * LANES))
        keys = {row[0] for row in self._db.rows(text.ASIDE_OF_LOG, span)}
        for claim, count in self._db.rows(text.CLAIMS_BETWEEN, span):
            self._settling.reduce_claim(subscription, claim, count)
        for table, sql in text.DROP_ASIDE.items():
            self._db.execute(sql, span)
            gone = self._db.changes
            setattr(subscription, table, getattr(subscription, table) - gone)
            if table == "freed":  # a freed event is counted as parked until it is handed out
                subscription.parked -= gone
            subscription.trimmed += gone
            subscription.dirty = True
        for key in sorted(keys):
            self._settling.free_key(subscription, key)

    def _drop_team(self, team: Team) -> None:
        for member in list(team.subscriptions):
            self.unsubscribe(team, member)
        for name in (f"$inbox.{team.spec.name}", f"$dead.{team.spec.name}"):
            if name in self._cache.logs:
                self._drop_log(self._cache.logs[name])
        for row in self._db.rows(text.MEMBERS, (team.id,)):
            self._db.execute(text.DROP_MEMBER, (team.id, row[0]))
        self._db.execute(text.DROP_TEAM, (team.id,))
        self._cache.teams.pop(team.spec.name)
        self._cache.teams_by_id.pop(team.id)

    def unsubscribe(self, team: Team, member: str | None) -> None:
        """Remove a subscription with all that it holds, and a member's own inbox."""
        id = team.subscriptions.pop(member, None)
        if id is None:
            return
        for sql in text.DROP_OWNED:
            self._db.execute(sql, (id,))
        self._db.execute(text.DROP_SUBSCRIPTION, (id,))
        self._cache.drop_subscription(id)
        inbox = self._cache.logs.get(f"$inbox.{team.spec.name}/{member}")
        if member is not None and inbox is not None:
            self._drop_log(inbox)
        self._cache.raise_catalogue()
        self._news.everybody = True
