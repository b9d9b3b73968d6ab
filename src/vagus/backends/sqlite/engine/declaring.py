"""What there is: logs, teams and their subscriptions, made, changed and removed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vagus.backend import After, End, First, GroupSpec, Inbox, Start, Steering, Topic, TopicSpec
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Cache, Log, News, Subscription, Team, hearing
from vagus.backends.sqlite.engine.reading import Reading, starting_point
from vagus.backends.sqlite.engine.settling import Settling
from vagus.errors import InvalidArgument
from vagus.ledger.log import log_name
from vagus.ledger.sql import text
from vagus.ledger.sql.place import LANES, floor
from vagus.ledger.steering import Kind, began, check_declared


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
        """Make those of the team's subscriptions that read on read `log`, or all read it no more, by its patterns."""
        if log.name.startswith("$"):
            return
        if not team.hears(log.name):
            for id in [id for id in team.subscriptions.values() if id in log.readers]:
                self._remove_log(self._cache.subscription(id), log)
            return
        self.hear(log)
        for subscription in self.readers(team):
            self._add_log(subscription, log, start, now)

    def hear(self, log: Log) -> None:
        """Note that somebody reads `log`, so that puts are not refused."""
        if not log.heard:
            log.heard = True
            self._write_log(log)

    def readers(self, team: Team) -> list[Subscription]:
        """Return the subscriptions that read the topics on, under the present steering."""
        return [self._cache.subscription(id) for id in team.of_kind(team.kind).values()]

    def topics_of(self, team: Team) -> list[Log]:
        """Return the topics that a team listens to."""
        return [log for log in self._cache.logs.values() if not log.name.startswith("$") and team.hears(log.name)]

    def _add_log(self, subscription: Subscription, log: Log, start: Start, now: float) -> None:
        for id in log.lane_ids():
            self._add_lane(subscription, log, id, start, now)

    def _add_lane(self, subscription: Subscription, log: Log, id: int, start: Start, now: float) -> None:
        log.readers.add(subscription.id)
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
            subscription.matched += reading.entered
            subscription.skipped += reading.ready
            self._db.execute(text.DROP_READING, (subscription.id, id))
        self._settling.offer_all(subscription)

    # --- teams -------------------------------------------------------------------------------------------------------

    def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec], now: float) -> None:
        """Make topics and groups exist; looks for conflicts before anything is written."""
        for wanted in groups:
            known = self._cache.teams.get(wanted.name)
            check_declared(wanted, known.spec if known else None, known.cuts if known else ())
        for spec in topics:
            self._declare_topic(spec, now)
        for wanted in groups:
            self._declare_group(wanted, now)

    def _declare_group(self, spec: GroupSpec, now: float) -> None:
        team = self._cache.teams.get(spec.name)
        if team is None:
            team = self._make_team(spec, now)
        elif not self._change_team(team, spec, now):
            return
        start = First() if spec.start == "first" else End()
        for log in list(self._cache.logs.values()):
            self._listen(team, log, start, now)
        self._cache.raise_catalogue()

    def _make_team(self, spec: GroupSpec, now: float) -> Team:
        patterns = msgspec.json.encode(spec.patterns).decode()
        values = (spec.start, spec.lease_s, spec.ordered, spec.forget_after_s, now)
        self._db.execute(text.ADD_TEAM, (spec.name, patterns, spec.mode, spec.pick, *values))
        id = self._db.connection.last_insert_rowid()
        team = Team(id, spec, hearing(spec.patterns), Steering(spec.mode, spec.pick))
        self._cache.teams[spec.name] = self._cache.teams_by_id[team.id] = team
        if f"$dead.{spec.name}" not in self._cache.logs:
            self.create_log(TopicSpec(name=f"$dead.{spec.name}"), heard=True)
        if team.kind != "own":
            self._add_log(self.subscribe(team, team.kind), self.inbox(team), First(), now)
        return team

    def _change_team(self, team: Team, spec: GroupSpec, now: float) -> bool:
        """Take a new declaration, in which mode and pick are left alone; return whether anything is new in it."""
        known = team.spec
        spec = msgspec.structs.replace(spec, mode=known.mode, pick=known.pick)
        if msgspec.structs.replace(known, start=spec.start) == spec:
            return False
        patterns = msgspec.json.encode(spec.patterns).decode()
        values = (patterns, spec.start, spec.lease_s, spec.ordered, spec.forget_after_s)
        self._db.execute(text.SET_TEAM, (*values, team.id))
        for id in team.subscriptions.values() if spec.ordered != known.ordered else ():
            self._settling.set_ordered(self._cache.subscription(id), spec.ordered, now)
            self._news.subscriptions.add(id)
        team.spec, team.hears = spec, hearing(spec.patterns)
        return True

    def subscribe(self, team: Team, kind: Kind, member: str | None = None) -> Subscription:
        """Make a subscription that reads nothing yet; `member` for those that are a member's."""
        self._db.execute(text.ADD_SUBSCRIPTION, (team.id, kind, member))
        subscription = self._cache.subscription(self._db.connection.last_insert_rowid())
        team.subscriptions[kind, member] = subscription.id
        self._cache.raise_catalogue()
        return subscription

    def subscribe_member(self, team: Team, kind: Kind, member: str, now: float) -> Subscription:
        """Make a member's own subscription, or its inbox, and let it read what is put there for it."""
        subscription = self.subscribe(team, kind, member)
        self._add_log(subscription, self.inbox(team, member, moved=kind == "inbox"), First(), now)
        return subscription

    def seat(self, team: Team, member: str, now: float, *, joins: bool = False) -> None:
        """Make what a member takes from under the present steering; one that `joins` an `all` starts now."""
        if team.kind == "own" and ("own", member) not in team.subscriptions:
            made = self.subscribe_member(team, "own", member, now)
            if joins:
                self.read_topics(team, made, now)
        if team.kind == "ingress" and ("inbox", member) not in team.subscriptions:
            self.subscribe_member(team, "inbox", member, now)

    def inbox(self, team: Team, member: str | None = None, *, moved: bool = False) -> Log:
        """Return the log of an inbox, made if need be; `moved`: of what was dispatched to the member."""
        name = _inbox_name(team, member, moved=moved)
        log = self._cache.logs.get(name) or self.create_log(TopicSpec(name=name), heard=True)
        self.hear(log)
        return log

    def read_topics(self, team: Team, subscription: Subscription, now: float) -> None:
        """Let a new member of `all` read as the group's `start` says; what is older than `all` itself is not for it."""
        cut = began(team.cuts, Steering(team.spec.mode, team.spec.pick))
        for log in self.topics_of(team):
            ends = cut.ends.get(log.name, ()) if cut else ()
            for number, id in enumerate(log.lane_ids()):
                first = After(ends[number]) if number < len(ends) else First()
                self._add_lane(subscription, log, id, first if team.spec.start == "first" else End(), now)
        self._cache.raise_catalogue()

    def team(self, name: str) -> Team:
        """Return the team of that name; raises `InvalidArgument` when there is none."""
        team = self._cache.teams.get(name)
        if team is None:
            raise InvalidArgument(f"no group {name!r} was declared", hint="declare it first, or see: vagus groups")
        return team

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
                self.unsubscribe(team, "own", target.member)
                self.clear_inbox(team, target.member)
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
        for kind, member in list(team.subscriptions):
            self.unsubscribe(team, kind, member)
        for name in (_inbox_name(team), f"$dead.{team.spec.name}"):
            if name in self._cache.logs:
                self._drop_log(self._cache.logs[name])
        for row in self._db.rows(text.MEMBERS, (team.id,)):
            self._db.execute(text.DROP_MEMBER, (team.id, row[0]))
        for sql in text.DROP_TEAM:
            self._db.execute(sql, (team.id,))
        self._cache.teams.pop(team.spec.name)
        self._cache.teams_by_id.pop(team.id)

    def unsubscribe(self, team: Team, kind: Kind, member: str | None) -> None:
        """Remove a subscription with all that it holds, and the inbox that it alone reads."""
        id = team.subscriptions.pop((kind, member), None)
        if id is None:
            return
        for sql in text.DROP_OWNED:
            self._db.execute(sql, (id,))
        self._db.execute(text.DROP_SUBSCRIPTION, (id,))
        self._cache.drop_subscription(id)
        inbox = self._cache.logs.get(_inbox_name(team, member, moved=kind == "inbox"))
        if member is not None and inbox is not None:
            self._drop_log(inbox)
        self._cache.raise_catalogue()
        self._news.everybody = True

    def is_empty(self, subscription: Subscription) -> bool:
        """Return whether nothing lies in an inbox, and nothing is to come that is known of."""
        if subscription.held or subscription.waiting or subscription.parked:
            return False
        return not (any(reading.ready for reading in subscription.readings.values()) or self.coming(subscription))

    def coming(self, subscription: Subscription) -> int:
        """Return how many events were put with a delay that is not over, and wait outside of their logs."""
        logs = {reading.lane.id // LANES for reading in subscription.readings.values()}
        return sum(self._db.number(text.SCHEDULED_IN, (log,)) + self._cache.pending_scheduled(log) for log in logs)

    def clear_inbox(self, team: Team, member: str) -> None:
        """Forget the inbox of a member that is not there, if it is empty; what it counted, the group has done."""
        id, ingress = team.subscriptions.get(("inbox", member)), team.subscriptions.get(("ingress", None))
        if id is None or ingress is None:
            return
        inbox, group = self._cache.subscription(id), self._cache.subscription(ingress)
        if not self.is_empty(inbox):
            return
        for name in ("acked", "dead", "discarded", "expired", "cancelled", "skipped", "moved", "lost"):
            setattr(group, name, getattr(group, name) + getattr(inbox, name))
        group.dirty = True
        self.unsubscribe(team, "inbox", member)


def _inbox_name(team: Team, member: str | None = None, *, moved: bool = False) -> str:
    name = log_name(Inbox(team.spec.name, member))
    return f"{name}/moved" if moved else name
