"""How an attempt runs in a transaction of the user's own database: effect, mark and outputs are committed together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from vagus.app.effects.database import Row, Transaction
from vagus.app.effects.relay import Ends, Relay, row_of
from vagus.app.run import done_with, ends_run
from vagus.app.work.attempt import Attempt, Seat
from vagus.app.work.ending import ACKED
from vagus.app.work.runner import Runner
from vagus.backend import Settle, Unit
from vagus.errors import BackendError
from vagus.reliability.verdict import Refused


class TransactionRunner(Runner):
    """Runs the attempts of a handler with `effects=SqlEffects(...)`: begin, look, handle, commit, then acknowledge."""

    def __init__(self, seat: Seat, provided: Mapping[Any, Any], executor: Callable[[], Executor], relay: Relay) -> None:
        super().__init__(seat, provided, executor)
        self._bare = False
        self._relay = relay

    async def _handle(self, attempt: Attempt) -> Unit:
        try:
            transaction = await self._relay.database.begin()
        except BackendError as error:
            return self.ending.failed(attempt, Refused(str(error)))
        try:
            return await self._within(transaction, attempt)
        finally:
            await transaction.roll_back()

    async def _within(self, transaction: Transaction, attempt: Attempt) -> Unit:
        if await transaction.handled(attempt.identity):
            return self.ending.repeated(attempt)
        lent = dict.fromkeys(self.seat.handler.signature.connection, transaction.connection)
        await self._called(attempt, self._arguments(attempt) | lent)
        rows = await self._rows(attempt)
        await self._end_stream(attempt)
        await transaction.commit(rows, attempt.identity, self.seat.tools.clock.now())
        self._relay.wake()
        return Unit((), (Settle(attempt.delivery.token, ACKED),))

    async def _rows(self, attempt: Attempt) -> Sequence[Row]:
        now, rows = self.seat.tools.clock.now(), []
        outputs = self.ending.outputs(attempt)
        puts = await self.seat.tools.bodies.kept_puts([put for put, _ in outputs])
        for put, (_, event) in zip(puts, outputs, strict=True):
            ends = None
            if ends_run(event, self._topics):
                ends = Ends(event.correlationid or event.id, done_with(event, put.envelope))
            rows.append(row_of(self._relay.app, event.id, put, now, ends))
        return rows

    async def _end_stream(self, attempt: Attempt) -> None:
        """Store the rest of the stream first: an output may end the run, and nobody reads a stream beyond that."""
        rest = [] if attempt.parts is None else attempt.parts.rest()
        if rest:
            await self.seat.tools.committer.commit(Unit(changes=rest))
