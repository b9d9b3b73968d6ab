"""One transaction's work over one connection: its parts joined, and the order in which a batch is carried out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from vagus.backend import Outcome, SettleOutcome, Unit
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Cache, News
from vagus.backends.sqlite.engine.declaring import Declaring
from vagus.backends.sqlite.engine.keeping import Keeping
from vagus.backends.sqlite.engine.members import Members
from vagus.backends.sqlite.engine.putting import UNTRIED, Planned, Putting, arrived
from vagus.backends.sqlite.engine.seeing import Seeing
from vagus.backends.sqlite.engine.settling import Settling
from vagus.backends.sqlite.engine.state import State
from vagus.backends.sqlite.engine.switching import Switching
from vagus.backends.sqlite.engine.taking import Taking

_SETTLED = Outcome(True, (), ("done",))
_LOST = Outcome(False, (), ("lost",))


class _Accepted(msgspec.Struct, gc=False):
    """A unit that is carried out."""

    unit: Unit
    plans: list[Planned]
    changes: list[bool]


_Verdict: TypeAlias = Outcome | _Accepted


class Engine:
    """The ledger's rules over SQL. A unit is looked at as a whole before anything of it is written."""

    def __init__(self, db: Database, keep_s: float) -> None:
        self.news = News()
        self.cache = Cache(db)
        self.settling = Settling(db, self.cache, self.news)
        self.keeping = Keeping(db, self.cache, keep_s)
        self.declaring = Declaring(db, self.cache, self.settling, self.news)
        self.putting = Putting(db, self.cache, self.declaring, self.keeping, self.news)
        self.switching = Switching(db, self.cache, self.declaring, self.settling, self.news)
        self.taking = Taking(db, self.cache, self.settling)
        self.members = Members(db, self.cache, self.declaring, self.settling)
        self.state = State(db, self.news)
        self.seeing = Seeing(db, self.cache, self.declaring)

    def commit(self, units: Sequence[Unit], now: float) -> list[Outcome]:
        """Carry out the units, in their order; one that is refused blocks no other."""
        self.settling.begin(units)
        self.putting.begin()
        verdicts = [self._consider(unit, now) for unit in units]
        # What is new is stored before what is old is let go.
        self.putting.store(now)
        for verdict in verdicts:
            if type(verdict) is _Accepted and verdict.plans and verdict.unit.settles:
                self.settling.keep_places(verdict.unit.settles, arrived(verdict.plans))
        self.settling.carry_out(now)
        return [verdict if type(verdict) is Outcome else _outcome(verdict) for verdict in verdicts]  # type: ignore[arg-type]

    def _consider(self, unit: Unit, now: float) -> _Verdict:
        if len(unit.settles) == 1 and not unit.puts and not unit.changes:  # most units are no more than that
            return _SETTLED if self.settling.accept_one(unit.settles[0]) else _LOST
        settles = self.settling.verdicts(unit.settles) if unit.settles else None
        puts = self.putting.refusals(unit.puts) if unit.puts else None
        changes = self.state.refuses(unit.changes, now) if unit.changes else False
        if settles is not None or puts is not None or changes:
            return Outcome(
                False,
                puts or [UNTRIED] * len(unit.puts),
                settles or ["untried"] * len(unit.settles),
                [False] * len(unit.changes),
            )
        if unit.settles:
            self.settling.accept(unit.settles)
        plans = self.putting.accept(unit.puts) if unit.puts else []
        return _Accepted(unit, plans, [self.state.apply(change, now) for change in unit.changes])

    def tidy(self, now: float) -> None:
        """Give up who is gone, forget what has outlived its time, and remove some of what is kept no longer."""
        self.members.expire(now)
        self.state.forget(now)
        self.keeping.trim_all(now)

    def is_untidy(self, now: float) -> bool:
        """Return whether `tidy` would find something; a look that writes nothing."""
        return self.members.wants_expiry(now) or self.state.wants_forgetting(now) or self.keeping.wants_any()

    def take_news(self) -> News:
        """Return what changed since this was asked last."""
        news = self.news
        told = News(
            news.logs.copy(), news.subscriptions.copy(), news.streams.copy(), news.settled.copy(), news.everybody
        )
        self.forget_news()
        return told

    def forget_news(self) -> None:
        """Start anew: a transaction was told of, or rolled back."""
        news = self.news
        news.logs.clear()
        news.subscriptions.clear()
        news.streams.clear()
        news.settled.clear()
        news.everybody = False


def _outcome(accepted: _Accepted) -> Outcome:
    settled: list[SettleOutcome] = ["done"] * len(accepted.unit.settles)
    return Outcome(True, [plan.outcome for plan in accepted.plans], settled, accepted.changes)
