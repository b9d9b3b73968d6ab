"""A client of a backend without atomic units: what is new is stored, write by write, before what is old is let go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from vagus.backend import Backend, Outcome, PutOutcome, SettleOutcome, Unit
from vagus.testing.simulation.passing import Passing


class Piecemeal(Passing):
    """Carries out each unit one write at a time, and stops at the first that is refused.

    `between` is awaited before each write, with its number from 0: there a crash may come, or time pass.
    """

    def __init__(self, inner: Backend, between: Callable[[int], Awaitable[None]]) -> None:
        super().__init__(inner)
        self._between = between

    def writes(self, unit: Unit) -> list[Unit]:
        """Return the writes of `unit`, each a unit of its own, in the order that no crash may break."""
        changes = [Unit(changes=unit.changes)] if unit.changes else []
        settles = [Unit((), [settle]) for settle in unit.settles]
        return [*(Unit([put]) for put in unit.puts), *changes, *settles]

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """Carry the units out one after the other."""
        return [await self._carry_out(unit) for unit in units]

    async def _carry_out(self, unit: Unit) -> Outcome:
        outcomes: list[Outcome] = []
        for number, write in enumerate(self.writes(unit)):
            await self._between(number)
            (outcome,) = await self.inner.commit([write])
            outcomes.append(outcome)
            if not outcome.done:
                break
        puts = [put for outcome in outcomes for put in outcome.puts]
        settles: list[SettleOutcome] = [settle for outcome in outcomes for settle in outcome.settles]
        settles += ["untried"] * (len(unit.settles) - len(settles))
        changes = [change for outcome in outcomes for change in outcome.changes]
        return Outcome(
            all(outcome.done for outcome in outcomes),
            puts + [PutOutcome("untried")] * (len(unit.puts) - len(puts)),
            settles,
            changes + [False] * (len(unit.changes) - len(changes)),
        )
