"""The stream of a run: parts written by attempts, read by whoever follows, re-joinable after any cut (G18).

Parts of one attempt are numbered from 1 under an epoch that is higher with every new attempt at the same event, so
that a store can refuse what a superseded attempt still writes. They are sent at most 20 ms after they were emitted,
and kept here until a commit has confirmed them; an append that is repeated changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import msgspec

from vagus.app.work.committer import Committer
from vagus.app.work.context import DONE
from vagus.backend import Delivery, Outcome, Unit
from vagus.clock import Clock, Timer
from vagus.errors import VagusError
from vagus.message import CloudEvent
from vagus.reliability.note import decode_note
from vagus.store import Append

COALESCE_S = 0.02
"""How long a part may wait for others before it is sent."""

UNSENT = 1_000
"""How many unconfirmed parts make `await ctx.emit(...)` wait."""

KEEP_S = 86_400.0
"""How long a run's stream is kept after its newest part, in seconds."""

_LOSSES = 1_000
_GENERATIONS = 1_000_000_000


def stream_name(run_id: str) -> str:
    """Return the name of a run's stream in the store."""
    return f"run/{run_id}"


def epoch_of(delivery: Delivery) -> int:
    """Return the epoch of an attempt: higher than that of every earlier attempt at the event."""
    return 1 + delivery.generation * _GENERATIONS + delivery.losses * _LOSSES + decode_note(delivery.note).steps


class PartWriter:
    """Writes the parts of one attempt."""

    def __init__(
        self,
        event: CloudEvent,
        delivery: Delivery,
        producer: str,
        committer: Committer,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._stream = stream_name(event.correlationid or event.id)
        self._producer = f"{producer}/{event.id}"
        self._epoch = epoch_of(delivery)
        self._committer = committer
        self._clock = clock
        self._loop = loop
        self._unsent: list[bytes] = []
        self._confirmed = 0
        self._sending = 0
        self._timer: Timer | None = None
        self._room: asyncio.Future[None] | None = None

    @property
    def used(self) -> bool:
        """Whether anything was ever emitted."""
        return bool(self._confirmed or self._unsent)

    def emit(self, part: Any) -> Awaitable[None]:
        """Add a part; callable from a handler's thread too."""
        body = msgspec.msgpack.encode(part)
        if not self._is_here():
            self._loop.call_soon_threadsafe(self._add, body)
            return DONE
        self._add(body)
        if len(self._unsent) < UNSENT:
            return DONE
        if self._room is None or self._room.done():
            self._room = self._loop.create_future()
        return self._room

    def _is_here(self) -> bool:
        """Whether this is called on the loop, and not in a thread: the first part may come from either."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def _add(self, body: bytes) -> None:
        self._unsent.append(body)
        self._plan()

    def _plan(self) -> None:
        """See to it that what is unsent will be: in a moment, or at once where somebody waits for room."""
        if len(self._unsent) >= UNSENT:
            self._send()
        elif self._timer is None:
            self._timer = self._clock.call_later(COALESCE_S, self._send)

    def rest(self) -> list[Append]:
        """Return the append of all that is not confirmed yet, to travel with the settling; nothing is sent after."""
        if self._timer is not None:
            self._timer.cancel()
        return [self._append()] if self._unsent else []

    def _append(self) -> Append:
        first = self._confirmed + 1
        return Append(self._stream, self._producer, self._epoch, first, tuple(self._unsent), KEEP_S)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._unsent and not self._sending:
            self._sending = len(self._unsent)
            self._committer.submit(Unit(changes=[self._append()]), self._sent)

    def _sent(self, about: object, unit: Unit, outcome: Outcome | VagusError) -> None:
        count, self._sending = self._sending, 0
        if isinstance(outcome, Outcome):
            # A refused append was superseded by a newer attempt: nobody wants these parts any more.
            del self._unsent[:count]
            self._confirmed += count
        if self._room is not None and not self._room.done() and len(self._unsent) < UNSENT:
            self._room.set_result(None)
        if self._unsent:
            self._plan()
