"""How a batch is carried out: in one transaction, or, if that fails, told apart from those who are not to blame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from vagus.backend import Outcome, PutOutcome, Unit
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.engine import Engine
from vagus.backends.sqlite.failures import is_disk_full, is_driver_failure, translate, unconfirmed
from vagus.backends.sqlite.request import Answer, Call, Commit, Future
from vagus.backends.sqlite.standing import Standing
from vagus.clock import Clock
from vagus.errors import DiskFull, VagusError


class Transactions:
    """Writes and looks, on the writer's thread."""

    def __init__(self, db: Database, engine: Engine, standing: Standing, path: Path, clock: Clock) -> None:
        self._db = db
        self._engine = engine
        self._standing = standing
        self._path = path
        self._clock = clock
        self._committing = False
        self.tidy = False

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, requests: Sequence[Commit | Call], *, fill: bool = True) -> list[Answer]:
        """Carry the requests out in one transaction, fill the takes that stand, and return the answers.

        Writers of other processes wait from here to the end of the commit; nothing in between can wait for anybody.
        The time is read once it is our turn: a stopped process may keep the others waiting for longer than a lease,
        and a lease counted from before that would be over when it is given.
        """
        self._committing = False
        try:
            with self._db.alone():
                self._db.check_place()
                now = self._clock.now()
                self._db.execute("BEGIN IMMEDIATE")
                answers = self._work(requests, now, fill=fill)
                self._committing = True
                self._db.execute("COMMIT")
        except Exception as failure:
            errno = self._db.connection.system_errno
            self._undo()
            return self._explain(requests, failure, errno, fill=fill)
        self._engine.settling.keep_renewals()
        self._standing.keep(now)
        self.tidy = False
        return answers

    def _work(self, requests: Sequence[Commit | Call], now: float, *, fill: bool) -> list[Answer]:
        engine = self._engine
        if engine.cache.refresh():
            self._standing.everything = True
        if engine.cache.scheduled_at <= now:
            engine.putting.enter_due(now)
        if self.tidy or any(type(request) is Call and request.tidy for request in requests):
            engine.tidy(now)
        answers: list[Answer] = []
        for kind, run in groupby(requests, key=type):
            if kind is Commit:
                answers += self._commit([request for request in run if type(request) is Commit], now)
            else:
                answers += [self._call(request, now) for request in run if type(request) is Call]
        if engine.keeping.wants_trim():
            engine.keeping.trim_grown(now)
        if fill and self._standing.demands:
            answers += self._standing.fill(now)
        engine.cache.flush()
        return answers

    def _commit(self, commits: list[Commit], now: float) -> list[Answer]:
        if len(commits) == 1:
            return [Answer(commits[0].future, self._engine.commit(commits[0].units, now))]
        outcomes = self._engine.commit([unit for commit in commits for unit in commit.units], now)
        answers = []
        first = 0
        for commit in commits:
            last = first + len(commit.units)
            answers.append(Answer(commit.future, outcomes[first:last]))
            first = last
        return answers

    def _call(self, call: Call, now: float) -> Answer:
        future = call.future or _NOBODY
        try:
            return Answer(future, call.work(self._engine, now))
        except VagusError as refusal:  # by rule raised before anything was written
            return Answer(future, error=refusal)

    def _undo(self) -> None:
        self._db.rollback()
        self._engine.settling.undo_renewals()
        self._engine.forget_news()
        self._engine.cache.forget()
        self._standing.undo()

    # --- failing -----------------------------------------------------------------------------------------------------

    def _explain(
        self, requests: Sequence[Commit | Call], failure: Exception, errno: int, *, fill: bool
    ) -> list[Answer]:
        """Answer for a transaction of which nothing was stored."""
        if is_disk_full(failure, errno):
            return [_refused(request, translate(failure, self._path, errno)) for request in requests]
        if is_driver_failure(failure):
            error = unconfirmed(failure, self._path) if self._committing else translate(failure, self._path, errno)
            error.__cause__ = failure
            waiting = self._standing.give_up(error) if not requests else []
            return [Answer(request.future or _NOBODY, error=error) for request in requests] + waiting
        return self._blame(requests, failure, fill=fill)

    def _blame(self, requests: Sequence[Commit | Call], failure: Exception, *, fill: bool) -> list[Answer]:
        """Find whose request it is that cannot be carried out, and carry out the others."""
        if not requests:
            return self._standing.give_up(self._told(failure))
        if len(requests) > 1 or fill:
            return [answer for request in requests for answer in self.write([request], fill=False)]
        request = requests[0]
        if type(request) is not Commit:
            return [Answer(request.future or _NOBODY, error=self._told(failure))]
        if len(request.units) == 1:
            return [Answer(request.future, [_impossible(request.units[0], self._told(failure))])]
        singly = [self.write([Commit(request.future, [unit])], fill=False)[0] for unit in request.units]
        error = next((answer.error for answer in singly if answer.error is not None), None)
        return [Answer(request.future, [outcome for answer in singly for outcome in answer.result or ()], error)]

    def _told(self, failure: Exception) -> VagusError:
        error = translate(failure, self._path)
        error.__cause__ = failure
        return error

    # --- looking -----------------------------------------------------------------------------------------------------

    def look(self, calls: Iterable[Call], now: float) -> list[Answer] | None:
        """Look without locking anybody out; None when there is something to be written, and nothing was answered."""
        calls = list(calls)
        self._db.execute("BEGIN")
        try:
            if self._engine.cache.refresh():
                self._standing.everything = True
            if self._has_work(calls, now):
                return None
            return [self._call(call, now) for call in calls]
        finally:
            self._db.rollback()

    def _has_work(self, calls: list[Call], now: float) -> bool:
        engine = self._engine
        if engine.cache.scheduled_at <= now or self._standing.is_wanted(now):
            return True
        return (self.tidy or any(call.tidy for call in calls)) and engine.is_untidy(now)

    def others_wrote(self) -> bool:
        """Return whether another process wrote since the last transaction here began."""
        return self._engine.cache.is_stale()


class _Nobody:
    """Where the answers go that nobody waits for."""


_NOBODY: Future = _Nobody()  # type: ignore[assignment]


def is_awaited(answer: Answer) -> bool:
    """Return whether somebody waits for this answer."""
    return answer.future is not _NOBODY


def _refused(request: Commit | Call, error: VagusError) -> Answer:
    if type(request) is Commit and isinstance(error, DiskFull):
        return Answer(request.future, [_full(unit) for unit in request.units])
    return Answer(request.future or _NOBODY, error=error)


def _full(unit: Unit) -> Outcome:
    return _nothing(unit, PutOutcome("refused", why="disk"))


def _impossible(unit: Unit, error: VagusError) -> Outcome:
    return _nothing(unit, PutOutcome("refused", why=f"invalid: {error.what}"))


def _nothing(unit: Unit, put: PutOutcome) -> Outcome:
    return Outcome(False, [put] * len(unit.puts), ["untried"] * len(unit.settles), [False] * len(unit.changes))
