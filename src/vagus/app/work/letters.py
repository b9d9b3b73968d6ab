"""The dead letters of an app's groups: looked at, sent again, closed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vagus.backend import After, Backend, First, Record, Unit
from vagus.clock import Clock
from vagus.errors import BackendError
from vagus.message import dead_topic
from vagus.reliability.dead import DeadFilter, DeadLetter, LetterState, open_letters
from vagus.reliability.redrive import discard, plan_redrive

_PAGE = 500
_BATCH = 100


class Letters:
    """The open dead letters of groups, by the full names of these."""

    def __init__(self, backend: Backend, clock: Clock, by: str) -> None:
        self._backend = backend
        self._clock = clock
        self._by = by

    async def open(self, groups: Iterable[str]) -> list[DeadLetter]:
        """Return those that wait, oldest first within a group."""
        return [state.letter for group in groups for state in await self._states(group)]

    async def redrive(self, group: str, ids: Sequence[str] | None, rate: float | None) -> int:
        """Send letters again to their group, `rate` a second at most; return how many."""
        plan = plan_redrive(await self._states(group), self._clock.now(), only=_only(ids), rate=rate, by=self._by)
        return await self._commit(plan.units)

    async def discard(self, group: str, ids: Sequence[str] | None) -> int:
        """Close letters for good; return how many."""
        now, only = self._clock.now(), _only(ids)
        meant = [state for state in await self._states(group) if only.matches(state.letter, now)]
        return await self._commit([discard(state, now, self._by) for state in meant])

    async def _states(self, group: str) -> list[LetterState]:
        topic = dead_topic(group)
        records: list[Record] = list(await self._backend.read(topic, First(), _PAGE))
        page: Sequence[Record] = records
        while len(page) == _PAGE:
            page = await self._backend.read(topic, After(page[-1].position), _PAGE)
            records += page
        return list(open_letters(records).values())

    async def _commit(self, units: Sequence[Unit]) -> int:
        done = 0
        for start in range(0, len(units), _BATCH):
            outcomes = await self._backend.commit(units[start : start + _BATCH])
            done += sum(outcome.done for outcome in outcomes)
            why = [put.why or put.status for one in outcomes if not one.done for put in one.puts if put.why]
            if why:
                raise BackendError(f"{why[0]}: {done} of {len(units)} were done", hint="call it again: it goes on")
        return done


def _only(ids: Sequence[str] | None) -> DeadFilter:
    return DeadFilter() if ids is None else DeadFilter(ids=frozenset(ids))
