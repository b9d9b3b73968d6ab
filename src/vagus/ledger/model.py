"""The ledger as a Python model: the engine of the memory backend, and the oracle that the others are tested against.

Every call is given `now`, in seconds; nothing here waits. What may have become available to whom is returned, so
that the caller can wake those who wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from vagus.backend import (
    Catalogue,
    Dead,
    Delivery,
    End,
    Figures,
    First,
    GroupSpec,
    Inbox,
    Member,
    Outcome,
    Put,
    PutOutcome,
    Record,
    SeekTo,
    Settle,
    SettleOutcome,
    Start,
    Target,
    Topic,
    TopicInfo,
    TopicSpec,
    Unit,
)
from vagus.errors import GroupConflict, InvalidArgument
from vagus.ledger.group import Attached, Group
from vagus.ledger.log import Log, Row, log_name
from vagus.ledger.state import State
from vagus.ledger.subscription import Held, Subscription

KEEP_S = 7 * 86_400.0
"""How long settled events are kept where a topic does not say, in seconds."""

MISSED_LEASES = 3
"""A member that was not heard of for this many leases is gone."""

_TRIM_EVERY = 512
_DONE = Outcome(True, (), ("done",))
_LOST = Outcome(False, (), ("lost",))
_UNTRIED = PutOutcome("untried")


class Limits(msgspec.Struct, frozen=True):
    """How much of what is settled a ledger keeps: settled events per lane, dedupe values per log."""

    settled: int = 1_000_000_000
    dedupe: int = 1_000_000_000


class Ledger:
    """Logs, groups and state of one place."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.state = State()
        self.logs: dict[str, Log] = {}
        self.groups: dict[str, Group] = {}
        self._since_trim = 0

    # --- what there is -----------------------------------------------------------------------------------------------

    def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec], now: float) -> None:
        """Make topics and groups exist (rules 2 and 5)."""
        for spec in topics:
            log = self.logs.get(spec.name)
            if log is None:
                self._create_topic(spec, now)
            else:
                log.widen(spec)
                log.heard = log.heard or spec.archive
                for group in self.groups.values():
                    self._listen(group, log, First(), now)
        for wanted in groups:
            self._declare_group(wanted, now)

    def _log(self, name: str) -> Log:
        """Return the log of that name, made as one that is heard if it is new."""
        log = self.logs.get(name)
        if log is None:
            log = self.logs[name] = Log(TopicSpec(name=name), heard=True)
        return log

    def _create_topic(self, spec: TopicSpec, now: float) -> Log:
        listeners = [group for group in self.groups.values() if group.hears(spec.name)]
        log = self.logs[spec.name] = Log(spec, heard=bool(listeners) or spec.archive)
        for group in listeners:
            self._listen(group, log, First(), now)
        return log

    def _declare_group(self, spec: GroupSpec, now: float) -> None:
        known = self.groups.get(spec.name)
        if known is not None and known.spec.mode != spec.mode:
            raise GroupConflict(
                f"group {spec.name!r} delivers {known.spec.mode!r}, it cannot be declared to deliver {spec.mode!r}",
                hint=f"declare it with deliver={known.spec.mode!r}, or: vagus groups drop {spec.name}",
            )
        group = self.groups[spec.name] = known or Group(spec, now)
        self._log(f"$dead.{spec.name}")
        if known is not None:
            known.change(spec, now)
        elif spec.mode == "once":
            self._subscribe(group, None, now)
        for log in list(self.logs.values()):
            self._listen(group, log, First() if spec.start == "first" else End(), now)

    def _listen(self, group: Group, log: Log, start: Start, now: float) -> None:
        """Make the group's subscriptions read `log`, or read it no more, as its patterns say."""
        if log.name.startswith("$"):
            return
        heard = group.hears(log.name)
        log.heard = log.heard or heard
        for subscription in group.subscriptions.values():
            if heard:
                subscription.add_log(log, start, now)
            else:
                subscription.remove_log(log.name)

    def _subscribe(self, group: Group, member: str | None, now: float) -> Subscription:
        spec = group.spec
        subscription = Subscription(spec.name, member, lease_s=spec.lease_s, ordered=spec.ordered)
        group.subscriptions[member] = subscription
        subscription.add_log(self._log(log_name(Inbox(spec.name, member))), First(), now)
        for log in self.logs.values():
            if not log.name.startswith("$") and group.hears(log.name):
                subscription.add_log(log, First() if spec.start == "first" else End(), now)
        return subscription

    def drop(self, target: Topic | Inbox, now: float) -> None:
        """Remove a topic, a group or a member's subscription with all that it holds; an inbox goes with its reader."""
        if isinstance(target, Topic):
            if target.name.startswith("$inbox."):
                return
            self.logs.pop(target.name, None)
            for group in self.groups.values():
                for subscription in group.subscriptions.values():
                    subscription.remove_log(target.name)
        elif target.member is None:
            known = self.groups.pop(target.group, None)
            for member, subscription in known.subscriptions.items() if known else ():
                subscription.end()
                self.logs.pop(log_name(Inbox(target.group, member)), None)
            self.logs.pop(f"$dead.{target.group}", None)
        elif target.group in self.groups:
            self._forget_member(self.groups[target.group], target.member)
            self.groups[target.group].attached.pop(target.member, None)

    def _forget_member(self, group: Group, member: str) -> None:
        gone = group.subscriptions.pop(member, None)
        if gone is not None:
            gone.end()
            self.logs.pop(log_name(Inbox(group.spec.name, member)), None)
        group.away_since.pop(member, None)

    # --- members -----------------------------------------------------------------------------------------------------

    def attach(self, group_name: str, member: Member, now: float) -> None:
        """Let `member` join the group (rule 11)."""
        group = self._group(group_name)
        self._expire_members(now)  # a member that was away too long starts anew, however late that is noticed
        group.attached[member.name] = Attached(member, now)
        group.away_since.pop(member.name, None)
        group.idle_since = None
        if group.spec.mode == "all" and member.name not in group.subscriptions:
            self._subscribe(group, member.name, now)

    def _group(self, name: str) -> Group:
        group = self.groups.get(name)
        if group is None:
            raise InvalidArgument(f"no group {name!r} was declared", hint="declare it first, or see: vagus groups")
        return group

    def leave(self, group_name: str, member: Member, now: float) -> bool:
        """End a membership; return whether something it held came back."""
        group = self.groups.get(group_name)
        if group is None or group.attached.pop(member.name, None) is None:
            return False
        group.idle_since = None if group.attached else now
        subscription = group.subscription(member)
        if group.spec.mode == "all" and not member.named:
            self._forget_member(group, member.name)
            return False
        if group.spec.mode == "all":
            group.away_since[member.name] = now
        return subscription.hand_back(member.name, now) if subscription else False

    def _expire_members(self, now: float) -> None:
        for group in self.groups.values():
            patience = MISSED_LEASES * group.spec.lease_s
            for gone in [a for a in group.attached.values() if a.seen + patience <= now]:
                self._give_up(group, gone.member, gone.seen, now)
            forgotten = [name for name, since in group.away_since.items() if since + group.spec.forget_after_s <= now]
            for name in forgotten:
                self._forget_member(group, name)

    def _give_up(self, group: Group, member: Member, seen: float, now: float) -> None:
        del group.attached[member.name]
        group.idle_since = None if group.attached else now
        if group.spec.mode == "all":
            group.away_since[member.name] = seen
            if not member.named:
                self._forget_member(group, member.name)

    # --- putting and settling ----------------------------------------------------------------------------------------

    def commit(self, units: Sequence[Unit], now: float) -> tuple[list[Outcome], set[str], set[Subscription]]:
        """Carry out the units; return their outcomes, the logs that grew and the subscriptions that gained."""
        grown: set[str] = set()
        gained: set[Subscription] = set()
        outcomes = [
            self._settle_one(unit.settles[0], now, gained)
            if len(unit.settles) == 1 and not unit.puts and not unit.changes
            else self._carry_out(unit, now, grown, gained)
            for unit in units
        ]
        if self._since_trim > _TRIM_EVERY:
            self.trim(now)
        return outcomes, grown, gained

    def _settle_one(self, settle: Settle, now: float, gained: set[Subscription]) -> Outcome:
        """Carry out the most frequent of units: one settle and nothing else."""
        held: Held = settle.token
        subscription = held.subscription
        if subscription.held.get(held.row) is not held:
            return _LOST
        if subscription.settle(held, settle.action, now):
            gained.add(subscription)
        return _DONE

    def _carry_out(self, unit: Unit, now: float, grown: set[str], gained: set[Subscription]) -> Outcome:
        logs = [self.logs.get(log_name(put.target)) for put in unit.puts]
        refusal = self._refusal(unit, logs, now)
        if refusal is not None:
            return refusal
        # What is new is stored before what is old is let go.
        puts = [self._put(put, log, now, grown) for put, log in zip(unit.puts, logs, strict=True)]
        changes = [self.state.apply(change, now) for change in unit.changes]
        for settle in unit.settles:
            held: Held = settle.token
            if held.subscription.settle(held, settle.action, now):
                gained.add(held.subscription)
        return Outcome(True, puts, ["done"] * len(unit.settles), changes)

    def _refusal(self, unit: Unit, logs: Sequence[Log | None], now: float) -> Outcome | None:
        """Look before anything is written: what in this unit cannot be carried out, if anything?"""
        settles = self._settle_verdicts(unit) if unit.settles else None
        puts = self._put_verdicts(unit.puts, logs)
        if settles is None and puts is None and (not unit.changes or self.state.fit(unit.changes, now)):
            return None
        return Outcome(
            False,
            puts or [_UNTRIED] * len(unit.puts),
            settles or ["untried"] * len(unit.settles),
            [False] * len(unit.changes),
        )

    def _settle_verdicts(self, unit: Unit) -> list[SettleOutcome] | None:
        """Return what stands against these settles; None when nothing does."""
        tokens: list[Held] = [settle.token for settle in unit.settles]
        if all(held.subscription.holds(held) for held in tokens) and len({id(held) for held in tokens}) == len(tokens):
            return None
        return ["untried" if held.subscription.holds(held) else "lost" for held in tokens]

    def _put_verdicts(self, puts: Sequence[Put], logs: Sequence[Log | None]) -> list[PutOutcome] | None:
        """Return which of these puts are refused; None when none is."""
        refused: dict[int, PutOutcome] = {}
        room: dict[str, int] = {}
        for index, (put, log) in enumerate(zip(puts, logs, strict=True)):
            if log is None or not log.heard:
                if put.heard and not self._has_reader(put.target):
                    refused[index] = PutOutcome("refused", why="no group")
            elif log.spec.max_events is not None and not log.seen(put)[0]:
                if log.name not in room:
                    room[log.name] = log.spec.max_events - log.unsettled(self._settled_by_all(log.name))
                room[log.name] -= 1
                if room[log.name] < 0:
                    refused[index] = PutOutcome("refused", why="full")
        return [refused.get(index, _UNTRIED) for index in range(len(puts))] if refused else None

    def _has_reader(self, target: Target) -> bool:
        """Return whether a log that is not there yet, or was not heard so far, would be read by somebody."""
        if isinstance(target, Topic):
            return any(group.hears(target.name) for group in self.groups.values())
        return isinstance(target, Dead)

    def _put(self, put: Put, log: Log | None, now: float, grown: set[str]) -> PutOutcome:
        if log is None or not log.heard:
            log = self._log_of(put.target, now)
        if not log.heard:
            log.unheard += 1
            return PutOutcome("unheard")
        duplicate, position = log.seen(put)
        if duplicate:
            log.duplicates += 1
            return PutOutcome("duplicate", position)
        if put.after_s > 0:
            log.schedule(put, now + put.after_s)
            return PutOutcome("stored")
        row = log.append(put, now)
        grown.add(log.name)
        self._since_trim += 1
        if put.entry == "discarded" and isinstance(put.target, Dead):
            self._count_discarded(put.target)
        return PutOutcome("stored", row.position)

    def _log_of(self, target: Target, now: float) -> Log:
        """Return the log of a target that was missing or not heard so far: made, where it is its first put."""
        name = log_name(target)
        log = self.logs.get(name)
        if log is None and isinstance(target, Topic):
            return self._create_topic(TopicSpec(name=name), now)
        return log or self._log(name)

    def _count_discarded(self, target: Dead) -> None:
        group = self.groups.get(target.group)
        subscription = group.subscriptions.get(target.member) if group else None
        if subscription is not None:
            subscription.discarded += 1

    # --- taking ------------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> set[str]:
        """Let what is due enter its log; return the logs that grew. Forgets members and state past their time."""
        grown = {log.name for log in self.logs.values() if log.scheduled and log.enter_due(now)}
        self._expire_members(now)
        self.state.forget(now)
        return grown

    def next_due(self, group_name: str, member: Member) -> float | None:
        """Return the next instant at which something becomes available to `member` by itself."""
        group = self.groups.get(group_name)
        subscription = group.subscription(member) if group else None
        if subscription is None:
            return None
        if member.name in subscription.starved:
            return subscription.next_due(member.name)
        dues = [cursor.log.scheduled[0][0] for cursor in subscription.cursors.values() if cursor.log.scheduled]
        due = subscription.next_due(member.name)
        return min(dues, default=None) if due is None else min([due, *dues])

    def take(
        self, group_name: str, member: Member, credit: int, limit: int, lanes: Sequence[int], now: float
    ) -> Sequence[Delivery]:
        """Hand at most `limit` events to `member`, which may hold `credit` in all (rule 6)."""
        group = self._group(group_name)
        subscription = group.subscription(member)
        if member.name not in group.attached or subscription is None:
            self.attach(group_name, member, now)  # it was not heard of for long, or dropped: it joins anew
            subscription = group.subscription(member)
        group.attached[member.name].seen = now
        return subscription.take(member.name, credit, limit, lanes, now) if subscription else ()

    def extend(
        self, group_name: str, member: Member, tokens: Sequence[Held], by_s: float, now: float
    ) -> Sequence[Held]:
        """Extend leases; return the lost ones."""
        group = self._group(group_name)
        if member.name in group.attached:
            group.attached[member.name].seen = now
        lost: list[Held] = []
        for subscription in {held.subscription for held in tokens}:
            lost += subscription.extend([held for held in tokens if held.subscription is subscription], by_s, now)
        return lost

    def seek(self, group_name: str, change: SeekTo, now: float) -> None:
        """Move the cursors of a group, or of one member of it."""
        group = self._group(group_name)
        for member, subscription in group.subscriptions.items():
            if change.member is None or change.member == member:
                subscription.seek(change, now)

    # --- keeping -----------------------------------------------------------------------------------------------------

    def trim(self, now: float) -> None:
        """Remove settled events and dedupe values beyond what is kept (rule 10)."""
        self._since_trim = 0
        for log in self.logs.values():
            if log.name.startswith("$dead."):
                continue
            keep_s = KEEP_S if log.spec.keep_s is None else log.spec.keep_s
            log.trim(self._settled_by_all(log.name), now - keep_s, self.limits.settled)
            oldest = min((lane.rows[0].position for lane in log.lanes if lane.rows), default=log.next_position)
            log.forget_dedupe(self.limits.dedupe, oldest)

    def _settled_by_all(self, log: str) -> Callable[[Row, int], bool]:
        readers = [s for g in self.groups.values() for s in g.subscriptions.values() if (log, 0) in s.cursors]
        if len(readers) == 1:
            return readers[0].settled
        return lambda row, lane: all(reader.settled(row, lane) for reader in readers)

    # --- seeing ------------------------------------------------------------------------------------------------------

    def read(self, topic: str, start: Start, limit: int, now: float) -> Sequence[Record]:
        """Look at stored events without consuming them."""
        log = self.logs.get(topic)
        rows = log.rows_from(start, limit, now) if log else ()
        return [
            Record(
                row.position,
                row.put.envelope,
                now - row.at,
                row.put.key,
                row.lane,
                row.put.entry,
                row.put.generation,
            )
            for row in rows
        ]

    def stats(self, group_name: str, now: float) -> Sequence[Figures]:
        """Return the books of a group (rule 12)."""
        group = self._group(group_name)
        return [subscription.figures(now) for subscription in group.subscriptions.values()]

    def describe(self, now: float) -> Catalogue:
        """Return all topics and groups."""
        topics = [self._topic_info(log) for name, log in sorted(self.logs.items()) if not name.startswith("$")]
        groups = [group.info(now) for _, group in sorted(self.groups.items())]
        return Catalogue(tuple(topics), tuple(groups))

    def _topic_info(self, log: Log) -> TopicInfo:
        return TopicInfo(
            spec=log.spec,
            kept=log.kept,
            scheduled=len(log.scheduled),
            stored=log.next_position - 1,
            duplicates=log.duplicates,
            unheard=log.unheard,
            groups=tuple(sorted(name for name, group in self.groups.items() if group.hears(log.name))),
        )
