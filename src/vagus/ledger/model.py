"""The ledger as a Python model: the engine of the memory backend, and the oracle that the others are tested against.

Every call is given `now`, in seconds; nothing here waits. What may have become available to whom is returned, so
that the caller can wake those who wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from vagus.backend import (
    After,
    Catalogue,
    Cut,
    Dead,
    Delivery,
    Done,
    End,
    Figures,
    First,
    GroupSpec,
    Inbox,
    Ingress,
    Member,
    Outcome,
    Position,
    Put,
    PutOutcome,
    Record,
    SeekTo,
    Settle,
    SettleOutcome,
    Source,
    Start,
    Steering,
    Switch,
    Target,
    Topic,
    TopicInfo,
    TopicSpec,
    Unit,
)
from vagus.errors import InvalidArgument
from vagus.ledger.group import Attached, Group
from vagus.ledger.log import Log, Row, log_name, log_of
from vagus.ledger.state import State
from vagus.ledger.steering import Kind, began, check_declared, reader_of, switched
from vagus.ledger.subscription import Held, Subscription

KEEP_S = 7 * 86_400.0
"""How long settled events are kept where a topic does not say, in seconds."""

MISSED_LEASES = 3
"""A member that was not heard of for this many leases is gone."""

_TRIM_EVERY = 512
_DONE = Outcome(True, (), ("done",))
_LOST = Outcome(False, (), ("lost",))
_UNTRIED = PutOutcome("untried")
_MOVED = Done("moved")


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
        """Make topics and groups exist (rules 2 and 5); looks for conflicts before anything is written."""
        for wanted in groups:
            known = self.groups.get(wanted.name)
            check_declared(wanted, known.spec if known else None, known.cuts if known else ())
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
        group = self.groups[spec.name] = known or Group(spec, now)
        self._log(f"$dead.{spec.name}")
        if known is not None:
            known.change(spec, now)
        elif group.kind != "own":
            group.add(group.kind)
            self._relay_inbox(group)
        for log in list(self.logs.values()):
            self._listen(group, log, First() if spec.start == "first" else End(), now)

    def _listen(self, group: Group, log: Log, start: Start, now: float) -> None:
        """Make those of the group's subscriptions that read on read `log`, or all read it no more, by its patterns."""
        if log.name.startswith("$"):
            return
        heard = group.hears(log.name)
        log.heard = log.heard or heard
        for subscription in group.readers() if heard else group.subscriptions():
            if heard:
                subscription.add_log(log, start, now)
            else:
                subscription.remove_log(log.name)

    def _topics_of(self, group: Group) -> list[Log]:
        return [log for log in self.logs.values() if not log.name.startswith("$") and group.hears(log.name)]

    def _subscribe(self, group: Group, kind: Kind, member: str, now: float) -> Subscription:
        """Make a member's own subscription, or its inbox, and let it read what is put there for it."""
        subscription = group.add(kind, member)
        inbox = log_name(Inbox(group.spec.name, member))
        subscription.add_log(self._log(inbox if kind == "own" else f"{inbox}/moved"), First(), now)
        return subscription

    def _read_topics(self, group: Group, subscription: Subscription, now: float) -> None:
        """Let a new member of `all` read as the group's `start` says; what is older than `all` itself is not for it."""
        cut = began(group.cuts, Steering(group.spec.mode, group.spec.pick))
        for log in self._topics_of(group):
            ends = cut.ends.get(log.name, ()) if cut else ()
            for number in range(len(log.lanes)):
                first = After(ends[number]) if number < len(ends) else First()
                subscription.add_lane(log, number, first if group.spec.start == "first" else End(), now)

    def drop(self, target: Topic | Inbox, now: float) -> None:
        """Remove a topic, a group or a member's subscription with all that it holds; an inbox goes with its reader."""
        if isinstance(target, Topic):
            if target.name.startswith("$inbox."):
                return
            self.logs.pop(target.name, None)
            for group in self.groups.values():
                for subscription in group.subscriptions():
                    subscription.remove_log(target.name)
        elif target.member is None:
            known = self.groups.pop(target.group, None)
            for subscription in known.subscriptions() if known else ():
                subscription.end()
                for name in {name for name, _ in subscription.cursors if name.startswith("$inbox.")}:
                    self.logs.pop(name, None)
            self.logs.pop(f"$dead.{target.group}", None)
        elif target.group in self.groups:
            group = self.groups[target.group]
            group.attached.pop(target.member, None)
            self._forget_member(group, target.member)
            self._clear_inbox(group, target.member)

    def _forget_member(self, group: Group, member: str) -> None:
        gone = group.remove("own", member)
        if gone is not None:
            gone.end()
            self.logs.pop(log_name(Inbox(group.spec.name, member)), None)
        group.away_since.pop(member, None)

    def _clear_inbox(self, group: Group, member: str) -> None:
        """Forget the inbox of a member that is not there, if it is empty; what it counted, the group has done."""
        inbox = group.inboxes.get(member)
        if inbox is not None and inbox.is_empty and group.ingress is not None:
            group.ingress.absorb(inbox)
            group.remove("inbox", member)
            self.logs.pop(f"{log_name(Inbox(group.spec.name, member))}/moved", None)

    # --- members -----------------------------------------------------------------------------------------------------

    def attach(self, group_name: str, member: Member, now: float) -> None:
        """Let `member` join the group (rule 11)."""
        group = self._group(group_name)
        self._expire_members(now)  # a member that was away too long starts anew, however late that is noticed
        group.attached[member.name] = Attached(member, now)
        group.away_since.pop(member.name, None)
        group.idle_since = None
        if group.kind == "own" and member.name not in group.own:
            self._read_topics(group, self._subscribe(group, "own", member.name, now), now)
        if group.kind == "ingress" and member.name not in group.inboxes:
            self._subscribe(group, "inbox", member.name, now)

    def _group(self, name: str) -> Group:
        group = self.groups.get(name)
        if group is None:
            raise InvalidArgument(f"no group {name!r} was declared", hint="declare it first, or see: vagus groups")
        return group

    def leave(self, source: Source, member: Member, now: float) -> bool:
        """Give up a seat; return whether something that was held there came back."""
        group = self.groups.get(source.group)
        if group is None:
            return False
        if source != Inbox(source.group):
            return self._hand_back(group.sources(source, member.name), member, now)
        if group.attached.pop(member.name, None) is None:
            return False
        group.idle_since = None if group.attached else now
        if not member.named:
            self._forget_member(group, member.name)
        elif member.name in group.own:
            group.away_since[member.name] = now
        came_back = self._hand_back(group.sources(source, member.name), member, now)
        self._clear_inbox(group, member.name)
        return came_back

    @staticmethod
    def _hand_back(subscriptions: Sequence[Subscription], member: Member, now: float) -> bool:
        came_back = [subscription.hand_back(member.name, now) for subscription in subscriptions]
        return any(came_back)

    def _expire_members(self, now: float) -> None:
        for group in self.groups.values():
            patience = MISSED_LEASES * group.spec.lease_s
            for gone in [a for a in group.attached.values() if a.seen + patience <= now]:
                self._give_up(group, gone.member, gone.seen, now)
            forgotten = [name for name, since in group.away_since.items() if since + group.spec.forget_after_s <= now]
            for name in forgotten:
                self._forget_member(group, name)
            for name in [name for name in group.inboxes if name not in group.attached]:
                self._clear_inbox(group, name)

    def _give_up(self, group: Group, member: Member, seen: float, now: float) -> None:
        del group.attached[member.name]
        group.idle_since = None if group.attached else now
        if not member.named:
            self._forget_member(group, member.name)
        elif member.name in group.own:
            group.away_since[member.name] = seen

    # --- steering ----------------------------------------------------------------------------------------------------

    def switch(self, group_name: str, change: Switch, now: float) -> Cut:
        """Change how a group delivers, and return where that cut its topics (rule 13)."""
        group = self._group(group_name)
        steering = switched(group_name, group.steering, change)
        self._expire_members(now)
        before, kind = group.readers(), reader_of(steering.mode, steering.pick)
        topics = self._topics_of(group)
        # Where nobody is there yet to be handed everything, what is unread stays with those who shared it.
        leavers = before if kind != "own" or group.own or group.attached else []
        places = {
            (log.name, number): _place(leavers, log, number) for log in topics for number in range(len(log.lanes))
        }
        ends: dict[str, tuple[Position, ...]] = {
            log.name: tuple(log.end_before(number, places[log.name, number]) for number in range(len(log.lanes)))
            for log in topics
        }
        cut = Cut(steering.mode, steering.pick, steering.epoch, ends)
        moves = kind != group.kind
        group.steer(steering, cut)
        self._seat(group, now)
        if moves:
            for log in topics:
                for number in range(len(log.lanes)):
                    _hand_over(log, number, places[log.name, number], before, group.readers())
        self._relay_inbox(group)
        return cut

    def _seat(self, group: Group, now: float) -> None:
        """Make what the present steering needs: the subscription of all, or one for each member that is there."""
        kind = group.kind
        if kind == "ingress" and group.ingress is None:
            group.add("ingress")
        if kind != "ingress" and group.shared is None:
            group.add("shared")  # in `all` too: it reads the redrives of older epochs
        for member in group.attached:
            if kind == "own" and member not in group.own:
                self._subscribe(group, "own", member, now)
            if kind == "ingress" and member not in group.inboxes:
                self._subscribe(group, "inbox", member, now)

    def _relay_inbox(self, group: Group) -> None:
        """Let the group's inbox be read by the ingress where there is a pick, else by what the members share."""
        reader, other = group.shared, group.ingress
        if group.kind == "ingress":
            reader, other = other, reader
        assert reader is not None, "it is made before"
        log = self._log(log_name(Inbox(group.spec.name)))
        cursor = reader.cursors.get((log.name, 0))
        if cursor is not None and cursor.open:
            return
        before = [] if other is None or (log.name, 0) not in other.cursors else [other]
        at = _place(before, log, 0) if before else log.lanes[0].base
        _hand_over(log, 0, at, before, [reader])

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
        if held.row.put.entry == "moved":
            self._let_place_go(held, settle, gained)
        return _DONE

    def _settle(self, settle: Settle, now: float, gained: set[Subscription], *, moves: bool) -> None:
        held: Held = settle.token
        if held.subscription.settle(held, settle.action, now, moves=moves):
            gained.add(held.subscription)
        if held.row.put.entry == "moved" and not moves:
            self._let_place_go(held, settle, gained)

    def _let_place_go(self, held: Held, settle: Settle, gained: set[Subscription]) -> None:
        """Free the key of an event that was moved, where it came from, once it is done."""
        key = held.row.put.key
        if key is not None and isinstance(settle.action, Done):
            offering = self.groups[held.subscription.group].let_place_go(key)
            if offering is not None:
                gained.add(offering)

    def _carry_out(self, unit: Unit, now: float, grown: set[str], gained: set[Subscription]) -> Outcome:
        logs = [self.logs.get(log_of(put)) for put in unit.puts]
        refusal = self._refusal(unit, logs, now)
        if refusal is not None:
            return refusal
        # What is new is stored before what is old is let go.
        puts = [self._put(put, log, now, grown) for put, log in zip(unit.puts, logs, strict=True)]
        changes = [self.state.apply(change, now) for change in unit.changes]
        if unit.settles:
            self._settle_all(unit, puts, now, gained)
        return Outcome(True, puts, ["done"] * len(unit.settles), changes)

    def _settle_all(self, unit: Unit, puts: Sequence[PutOutcome], now: float, gained: set[Subscription]) -> None:
        """Settle what a unit settles; an event that it moved into an inbox keeps its key's place."""
        arrived = [
            (put.target.group, put.key)
            for put, told in zip(unit.puts, puts, strict=True)
            if put.entry == "moved" and told.status == "stored" and isinstance(put.target, Inbox)
        ]
        for settle in unit.settles:
            held: Held = settle.token
            seat = (held.subscription.group, held.row.put.key)
            moves = bool(arrived) and settle.action == _MOVED and seat in arrived
            if moves:
                arrived.remove(seat)
            self._settle(settle, now, gained, moves=moves)

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
            log = self._log_of(put, now)
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

    def _log_of(self, put: Put, now: float) -> Log:
        """Return the log of a put that was missing or not heard so far: made, where it is its first put."""
        name, target = log_of(put), put.target
        log = self.logs.get(name)
        if log is None and isinstance(target, Topic):
            return self._create_topic(TopicSpec(name=name), now)
        return log or self._log(name)

    def _count_discarded(self, target: Dead) -> None:
        """Count a letter as discarded where it was counted as dead: who it was dispatched to is not known any more."""
        group = self.groups.get(target.group)
        if group is None:
            return
        if target.member is None:
            inboxes = (group.inboxes[member] for member in sorted(group.inboxes))
            candidates = [one for one in (group.shared, group.ingress, *inboxes) if one is not None]
        else:
            candidates = [group.own[target.member]] if target.member in group.own else []
        for one in candidates:
            if one.counts["dead"] > one.discarded or one is candidates[-1]:
                one.discarded += 1
                return

    # --- taking ------------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> set[str]:
        """Let what is due enter its log; return the logs that grew. Forgets members and state past their time."""
        grown = {log.name for log in self.logs.values() if log.scheduled and log.enter_due(now)}
        self._expire_members(now)
        self.state.forget(now)
        return grown

    def next_due(self, source: Source, member: Member) -> float | None:
        """Return the next instant at which something becomes available to `member` by itself."""
        group = self.groups.get(source.group)
        dues: list[float] = []
        for subscription in group.sources(source, member.name) if group else ():
            due = subscription.next_due(member.name)
            if due is not None:
                dues.append(due)
            if member.name not in subscription.starved:
                cursors = subscription.cursors.values()
                dues += [cursor.log.scheduled[0][0] for cursor in cursors if cursor.log.scheduled]
        return min(dues, default=None)

    def take(
        self, source: Source, member: Member, credit: int, limit: int, lanes: Sequence[int], now: float
    ) -> Sequence[Delivery]:
        """Hand at most `limit` events to `member`, which may hold `credit` on this seat in all (rule 6)."""
        group = self._group(source.group)
        if source == Inbox(source.group):
            if member.name not in group.attached or not group.sources(source, member.name):
                self.attach(source.group, member, now)  # it was not heard of for long, or dropped: it joins anew
            group.attached[member.name].seen = now
        subscriptions = group.sources(source, member.name)
        held = 0
        for subscription in subscriptions:
            subscription.lapse(now)
            held += subscription.holding[member.name]
        room = min(limit, credit - held)
        for subscription in subscriptions:
            if room > 0:
                subscription.starved.discard(member.name)
            else:
                subscription.starved.add(member.name)
        out: list[Delivery] = []
        for subscription in subscriptions:
            if len(out) < room:
                out += subscription.take(member.name, room - len(out), lanes, now)
        return out

    def is_emptied(self, source: Source) -> bool:
        """Return whether this is the seat of whoever empties an inbox, its member is gone, and nothing is left."""
        group = self.groups.get(source.group)
        if group is None or isinstance(source, Ingress) or source.member is None or source.member in group.attached:
            return False
        inbox = group.inboxes.get(source.member)
        return inbox is None or inbox.is_empty

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
        """Move the cursors of a group, or of one member of it, that read on."""
        for subscription in self._group(group_name).readers():
            if change.member is None or change.member == subscription.member:
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
        readers = [s for g in self.groups.values() for s in g.subscriptions() if (log, 0) in s.cursors]
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
        return self._group(group_name).figures(self.logs, now)

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


def _place(readers: Sequence[Subscription], log: Log, lane: int) -> int:
    """Return the furthest place of those who read a lane; where nobody does, its end."""
    return max((reader.cursors[log.name, lane].place for reader in readers), default=log.lanes[lane].count)


def _hand_over(log: Log, lane: int, at: int, before: Sequence[Subscription], after: Sequence[Subscription]) -> None:
    """Let `after` read a lane from `at` on, and `before` no further than that."""
    again = max((subscription.close(log, lane, at) for subscription in before), default=0)
    cursors = [subscription.cursors[log.name, lane] for subscription in before]
    for subscription in after:
        subscription.open(log, lane, at, again, cursors)
