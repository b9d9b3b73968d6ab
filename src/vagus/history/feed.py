"""Putting what a replay means into inboxes, at a rate, in steps that are stored together with how far they came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from vagus.backend import Backend, Inbox, Outcome, Put, Unit
from vagus.clock import Clock
from vagus.errors import BackendError, DiskFull
from vagus.history.course import Course, Log
from vagus.history.filter import Filter
from vagus.history.reading import Found, Reader
from vagus.reliability.dedupe import replayed
from vagus.reliability.note import Note, encode_note

BATCH = 100
"""Events put in one step at most."""

_TICK_S = 0.1


async def pause(clock: Clock, for_s: float) -> None:
    """Wait for so many seconds of that clock."""
    over = asyncio.Event()
    timer = clock.call_later(for_s, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


class Feeder:
    """Carries out one course into the inboxes of one group.

    `rate`: events a second at most; None means as fast as they are taken. `room`: waited for before each step.
    `told`: is told after each step how many events it put.
    """

    def __init__(
        self,
        backend: Backend,
        reader: Reader,
        clock: Clock,
        log: Log,
        targets: Sequence[Inbox],
        *,
        only: Filter,
        rate: float | None = None,
        room: Callable[[], Awaitable[None]] | None = None,
        told: Callable[[int], object] = lambda count: None,
    ) -> None:
        self._backend = backend
        self._reader = reader
        self._clock = clock
        self._log = log
        self._targets = targets
        self._only = only
        self._rate = rate
        self._room = room
        self._told = told
        self._size = BATCH if rate is None else max(1, min(BATCH, int(rate * _TICK_S)))

    async def run(self, course: Course) -> Course:
        """Put what is left of `course`; return it as it is then.

        Raises ReplayConflict where another process carries it out too, and BackendError where a step was refused:
        what was put stays, and running it again goes on behind it.
        """
        batch: list[Found] = []
        reached = dict(course.reached)
        async for found in self._reader.found(course.stretches, course.reached):
            reached[found.topic] = found.record.position
            if self._reader.fits(self._only, found):
                batch.append(found)
            if len(batch) == self._size:
                course = await self._step(course, batch, reached)
                batch = []
        return await self._step(course, batch, reached)

    async def _step(self, course: Course, batch: Sequence[Found], reached: dict[str, int | str]) -> Course:
        if self._room is not None:
            await self._room()
        began = self._clock.monotonic()
        puts = [self._put(found, target, course.generation) for found in batch for target in self._targets]
        next_course = msgspec.structs.replace(course, reached=dict(reached), put=course.put + len(batch))
        (outcome,) = await self._backend.commit([Unit(puts, (), (self._log.step(next_course),))])
        if not outcome.done:
            raise self._refusal(outcome, course)
        self._log.stepped(next_course)
        self._told(len(batch))
        if self._rate is not None and batch:
            left_s = len(batch) / self._rate - (self._clock.monotonic() - began)
            if left_s > 0:
                await pause(self._clock, left_s)
        return next_course

    @staticmethod
    def _put(found: Found, target: Inbox, generation: int) -> Put:
        record = found.record
        return Put(
            target,
            record.envelope,
            key=record.key,
            lane=record.lane,
            dedupe=replayed(found.topic, record.position, record.generation + generation),
            entry="replayed",
            generation=record.generation + generation,
            note=encode_note(Note(origin=(found.topic, record.position))),
        )

    def _refusal(self, outcome: Outcome, course: Course) -> Exception:
        refused = [put for put in outcome.puts if put.status in ("refused", "unknown")]
        if not refused:
            return self._log.conflict()
        why = refused[0].why or refused[0].status
        text = f"the replay stopped after {course.put} of {course.count} events: {why}"
        kind = DiskFull if why == "disk" else BackendError
        return kind(text, hint="run the same command again: it goes on where it stopped")
