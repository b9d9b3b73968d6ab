"""How an attempt runs under the effect ledger: claimed before its handler is called, completed as it is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import msgspec

from vagus.app.effects.ledger import Effects
from vagus.app.work.attempt import Attempt, Seat
from vagus.app.work.runner import Runner
from vagus.backend import Unit
from vagus.errors import BackendError, UnsupportedCapability
from vagus.reliability.effects import Free, Handled, claim, complete, judge, let_go
from vagus.reliability.verdict import Refused
from vagus.store import Append, Change


class EffectRunner(Runner):
    """Runs the attempts of a handler with `effects=True`.

    A claim is one more commit before the handler is called; those of one loop turn travel together.
    """

    def __init__(
        self, seat: Seat, provided: Mapping[Any, Any], executor: Callable[[], Executor], effects: Effects
    ) -> None:
        super().__init__(seat, provided, executor)
        self._bare = False
        self._keep_s = effects.keep_s

    async def run(self, attempt: Attempt) -> Unit:
        """Handle one delivery; a claim that was not completed goes with what settles it."""
        return _released(attempt, await super().run(attempt))

    async def run_batch(self, attempts: Sequence[Attempt]) -> list[Unit]:
        """Handle several deliveries in one call, without those that were handled before."""
        units = await super().run_batch(attempts)
        return [_released(attempt, unit) for attempt, unit in zip(attempts, units, strict=True)]

    async def _begin_batch(self, attempts: Sequence[Attempt]) -> list[Unit | None]:
        units = await super()._begin_batch(attempts)
        begun = [self._claimed(attempt) for attempt, unit in zip(attempts, units, strict=True) if unit is None]
        claimed = iter(await asyncio.gather(*begun))
        return [next(claimed) if unit is None else unit for unit in units]

    async def _handle(self, attempt: Attempt) -> Unit:
        return await self._claimed(attempt) or await super()._handle(attempt)

    def _done(self, attempt: Attempt, changes: Sequence[Change | Append] = ()) -> Unit:
        assert attempt.claim is not None, "an attempt is claimed before it is handled"
        mark = complete(attempt.identity, attempt.claim, self._keep_s)
        return super()._done(attempt, [*changes, mark])

    async def _claimed(self, attempt: Attempt) -> Unit | None:
        """Claim the event; return the unit that settles it where the handler is not to see it."""
        try:
            standing = await self._stand(attempt)
        except BackendError as error:
            return self.ending.failed(attempt, Refused(f"the effect ledger: {error}"))
        if isinstance(standing, Free):
            attempt.claim = standing.version + 1
            return None
        if isinstance(standing, Handled):
            return self.ending.repeated(attempt)
        return self.ending.failed(attempt, Refused("another copy of the event is being handled"))

    async def _stand(self, attempt: Attempt) -> object:
        """Claim the event if it is free, without a look where nobody has ever had it; return how it stood."""
        store, committer = self.seat.tools.store, self.seat.tools.committer
        if store is None:
            raise UnsupportedCapability("the effect ledger needs a store, which this backend has none of")
        identity, place = attempt.identity, "{}/{}".format(*attempt.origin)
        standing: object = Free(0)
        for _ in range(2):
            if not isinstance(standing, Free):
                break
            change = claim(identity, place, standing.version, self._keep_s)
            if (await committer.commit(Unit(changes=(change,)))).done:
                return standing
            standing = judge((await store.get([identity.key]))[0], place)
        return standing if isinstance(standing, Handled) else None


def _released(attempt: Attempt, unit: Unit) -> Unit:
    """Return the unit of an attempt; one that did not succeed gives up its claim with it."""
    if attempt.claim is None or attempt.result == "handled":
        return unit
    return msgspec.structs.replace(unit, changes=(*unit.changes, let_go(attempt.identity, attempt.claim)))
