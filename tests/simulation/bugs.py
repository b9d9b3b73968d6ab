"""Backends that look right and are wrong in one point each: what the simulation must find."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from vagus.backend import Backend, Outcome, Put, Release, Settle, Unit
from vagus.backends.memory import Memory
from vagus.ledger.subscription import Held, Subscription
from vagus.testing.simulation import Bug, Passing, Piecemeal


class SettlesFirst(Piecemeal):
    """The opposite order: what is old is let go before what is new is stored."""

    def writes(self, unit: Unit) -> list[Unit]:
        return sorted(super().writes(unit), key=lambda write: not write.settles)


def pauses(chance: random.Random) -> Callable[[int], Awaitable[None]]:
    """Return what gives a crash the time to come between two writes."""

    async def between(number: int) -> None:
        if number:
            await asyncio.sleep(chance.random() * 0.05)

    return between


class NotAtomic(Bug):
    """No bug: a backend that is not atomic, in the right order."""

    def in_client(self, backend: Backend, chance: random.Random) -> Backend:
        return Piecemeal(backend, pauses(chance))


class DoneBeforePut(Bug):
    """What is old is let go before what is new is stored."""

    def in_client(self, backend: Backend, chance: random.Random) -> Backend:
        return SettlesFirst(backend, pauses(chance))


class _Unfenced(Passing):
    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        return await self.inner.commit([self._newest(unit) for unit in units])

    def _newest(self, unit: Unit) -> Unit:
        settles = [Settle(self._holder(settle.token), settle.action) for settle in unit.settles]
        return msgspec.structs.replace(unit, settles=settles)

    @staticmethod
    def _holder(held: Held) -> Held:
        return held.subscription.held.get(held.row, held)


class UnfencedSettle(Bug):
    """Whoever settles an event settles it, whether it is still theirs or not."""

    def in_backend(self, memory: Memory, chance: random.Random) -> Backend:
        return _Unfenced(memory)


class _Hasty(Passing):
    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        outcomes = await self.inner.commit(units)
        for unit, outcome in zip(units, outcomes, strict=True):
            for settle in unit.settles:
                if outcome.done and isinstance(settle.action, Release):
                    self._free(settle.token.subscription, settle.token)
        return outcomes

    @staticmethod
    def _free(subscription: Subscription, held: Held) -> None:
        key = held.row.put.key
        if key is not None and subscription.ordered:
            subscription._free_key(key)


class KeyFreedTooEarly(Bug):
    """A key is free while its event waits for its retry."""

    def in_backend(self, memory: Memory, chance: random.Random) -> Backend:
        return _Hasty(memory)


class LostDoorbell(Bug):
    """One in five calls to those who wait is not heard; the safety check of a lease later finds what is there."""

    def in_backend(self, memory: Memory, chance: random.Random) -> Backend:
        return _Deaf(memory, chance)


class _Deaf(Passing):
    def __init__(self, inner: Memory, chance: random.Random) -> None:
        super().__init__(inner)
        self._memory = inner
        self._chance = chance

    async def open(self) -> Any:
        capabilities = await self.inner.open()
        place = self._memory._open_place()
        wake = place.wake

        def sometimes(*args: Any, **options: Any) -> None:
            if self._chance.random() >= 0.2:
                wake(*args, **options)

        place.wake = sometimes  # type: ignore[method-assign]
        return capabilities


class _Forgetful(Passing):
    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        return await self.inner.commit([self._plain(unit) for unit in units])

    def _plain(self, unit: Unit) -> Unit:
        return msgspec.structs.replace(unit, puts=[self._without(put) for put in unit.puts])

    @staticmethod
    def _without(put: Put) -> Put:
        if put.dedupe is None:
            return put
        return msgspec.structs.replace(put, dedupe=msgspec.json.decode(put.envelope.body)["id"])


class DedupeWithoutGeneration(Bug):
    """An event is known by its id alone: what is redriven a second time is swallowed as a duplicate."""

    def in_backend(self, memory: Memory, chance: random.Random) -> Backend:
        return _Forgetful(memory)
