"""What the records of a run say together: each event's handlings in order, and when a process's hold was in doubt."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, TypeVar

import msgspec

from vagus.testing.faults.plan import Plan
from vagus.testing.faults.record import (
    Base,
    Begin,
    Books,
    Confirmed,
    Drained,
    Effect,
    End,
    Fell,
    Healed,
    Intent,
    Letter,
    Outcome,
    Pause,
    Pulse,
    Record,
    Struck,
)

Some = TypeVar("Some", bound=Base)

Why: TypeAlias = Literal["killed", "stopped", "restarted", "paused", "stalled"]
"""Why a delivery may have been lost to its holder: what befell its process, or (stalled) that nobody could store."""

Span: TypeAlias = tuple[float, float]


class Handling(msgspec.Struct, frozen=True):
    """One call of the handler, and how it ended if that was written down."""

    begin: Begin
    end: End | None = None

    @property
    def t(self) -> float:
        """When it began."""
        return self.begin.t

    @property
    def pid(self) -> int:
        """Where it ran."""
        return self.begin.pid

    @property
    def ended_at(self) -> float:
        """When it ended; never, if that was not written down."""
        return math.inf if self.end is None else self.end.t

    @property
    def outcome(self) -> Outcome | None:
        """How it ended."""
        return None if self.end is None else self.end.outcome


class Doubt:
    """Says when a process may have lost what it held.

    `slack_s`, a third of the lease: how long after a fault its hold stays in doubt, and how long after its end a
    handling may be unsettled. When storing takes longer than that, a pulse shows it; and since leases are extended
    that often, what is shorter loses none.
    """

    def __init__(self, records: Sequence[Record], plan: Plan) -> None:
        self.slack_s = plan.lease_s / 3
        self._kills: dict[int, list[Span]] = defaultdict(list)
        self._stops: dict[int, list[Span]] = defaultdict(list)
        self._restarts: dict[int, list[Span]] = defaultdict(list)
        self._pauses: dict[int, list[Span]] = defaultdict(list)
        self.stalls = [(p.since, p.t) for p in _of(records, Pulse) if p.t - p.since > self.slack_s]
        for pause in _of(records, Pause):
            self._pauses[pause.pid].append((pause.since, pause.t))
        self._strikes(records)

    def _strikes(self, records: Sequence[Record]) -> None:
        healed = _of(records, Healed)
        for fell in _of(records, Fell):
            self._kills[fell.victim].append((-math.inf, math.inf))
        for struck in _of(records, Struck):
            if struck.blow == "stop":
                until = (heal.t for heal in healed if heal.victim == struck.victim and heal.t >= struck.t)
                self._stops[struck.victim].append((struck.t, min(until, default=math.inf)))
            else:
                spans = self._kills if struck.blow == "kill" else self._restarts
                spans[struck.victim].append((struck.t, math.inf))

    def why(self, pid: int, since: float, until: float) -> Why | None:
        """Return why a process may have lost something that it held between `since` and `until`, None if it did not."""
        found: tuple[tuple[Why, Iterable[Span]], ...] = (
            ("killed", self._kills[pid]),
            ("stopped", self._stops[pid]),
            ("paused", self._pauses[pid]),
            ("stalled", self.stalls),
        )
        return next((why for why, spans in found if _meet(spans, since, until)), None)

    def lost(self, handling: Handling) -> Why | None:
        """Return why the delivery of a handling may have gone to another before it was settled."""
        since, until = handling.t - self.slack_s, handling.ended_at + self.slack_s
        why = self.why(handling.pid, since, until)
        if why is None and handling.outcome != "done" and _meet(self._restarts[handling.pid], since, until):
            return "restarted"  # whoever is told to end settles what it has done
        return why

    def stale(self, handling: Handling) -> bool:
        """Whether its process may have lost the delivery before the handling began, and not have known."""
        return self.may_have_lost(handling.pid, handling.t) is not None

    def may_have_lost(self, pid: int, t: float) -> Why | None:
        """Return why a process may have lost what it held just before `t`."""
        return self.why(pid, t - self.slack_s, t)


class History:
    """The records of a run, sorted by what they are about."""

    def __init__(self, records: Sequence[Record], plan: Plan) -> None:
        self.plan = plan
        self.doubt = Doubt(records, plan)
        self.intents: dict[str, Intent] = {}
        for intent in _of(records, Intent):
            self.intents.setdefault(intent.id, intent)  # the first one: from then on it may be stored
        self.confirmed = {record.id for record in _of(records, Confirmed)}
        ends = {record.nonce: record for record in _of(records, End)}
        self.handlings: Mapping[str, list[Handling]] = defaultdict(list)
        for begin in sorted(_of(records, Begin), key=lambda begin: begin.t):
            self.handlings[begin.id].append(Handling(begin, ends.get(begin.nonce)))
        self.effects: Mapping[str, list[Effect]] = defaultdict(list)
        for effect in _of(records, Effect):
            self.effects[effect.id].append(effect)
        self.letters = _of(records, Letter)
        self.books = {record.group: record for record in _of(records, Books)}
        self.struck = _of(records, Struck)
        self.fell = _of(records, Fell)
        self.drained_at = min((record.t for record in _of(records, Drained)), default=math.inf)
        blows = [record.t for record in records if isinstance(record, Struck | Healed)]
        self.healed_at = max(blows, default=-math.inf)

    def finished_at(self, id: str) -> float:
        """Return when an event was first handled to its end, well or for the last time; infinite if it never was."""
        ends = [handling.ended_at for handling in self.handlings.get(id, ()) if self.is_final(handling)]
        return min(ends, default=math.inf)

    def is_final(self, handling: Handling) -> bool:
        """Whether nothing is to come after a handling, once it is settled."""
        spent = handling.outcome == "failed" and handling.begin.attempt >= self.plan.attempts
        return handling.outcome == "done" or spent


def _of(records: Iterable[Record], kind: type[Some]) -> list[Some]:
    return [record for record in records if isinstance(record, kind)]


def _meet(spans: Iterable[Span], since: float, until: float) -> bool:
    return any(start <= until and since <= end for start, end in spans)
