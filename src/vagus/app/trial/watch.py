"""A backend as a trial sees it: all that passes the seam is written down, and who holds what is known at any time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec

from vagus.backend import (
    Backend,
    Capabilities,
    Catalogue,
    Cut,
    Delivery,
    Done,
    Ending,
    Feed,
    Figures,
    GroupSpec,
    Inbox,
    Lane,
    Member,
    Outcome,
    PutOutcome,
    Record,
    SeekTo,
    Settle,
    Source,
    Start,
    Switch,
    Token,
    Topic,
    TopicSpec,
    Unit,
)
from vagus.message import Envelope
from vagus.store import Store


class Holding(msgspec.Struct, frozen=True):
    """A delivery in a handler's hands; `number` is never used for another."""

    number: int
    group: str
    delivery: Delivery


class Ended(msgspec.Struct, frozen=True):
    """A delivery that a group let go of for good."""

    group: str
    ending: Ending
    delivery: Delivery


class Watch:
    """A backend that carries everything to another one and writes down what it sees; see `vagus.backend.Backend`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._stirred = asyncio.Event()
        self._handed = 0
        #: Grows with everything that happens.
        self.stirs = 0
        #: What is in the hands of handlers, by the identity of its token.
        self.held: dict[int, Holding] = {}
        #: What was published, by topic, in order; also what nobody listened to.
        self.put: list[tuple[str, Envelope]] = []
        self.ended: list[Ended] = []
        #: How many of the next settlings of a group are lost, as if their worker had died just before.
        self.to_lose: Counter[str] = Counter()

    # --- what a trial asks -------------------------------------------------------------------------------------------

    async def stir_after(self, seen: int) -> None:
        """Wait until more has happened than `seen`."""
        while self.stirs == seen:
            self._stirred.clear()
            await self._stirred.wait()

    def stir(self) -> None:
        """Note that something happened."""
        self.stirs += 1
        self._stirred.set()

    def handed(self, group: str, deliveries: Sequence[Delivery]) -> None:
        """Note what a feed handed out."""
        for delivery in deliveries:
            self._handed += 1
            self.held[id(delivery.token)] = Holding(self._handed, group, delivery)
        self.stir()

    def gone(self, tokens: Sequence[Token]) -> None:
        """Note that these are in nobody's hands any more."""
        for token in tokens:
            self.held.pop(id(token), None)
        self.stir()

    # --- what passes -------------------------------------------------------------------------------------------------

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """Carry the units on, but for those that are to be lost, and note what became of them."""
        lost = {index: _lost(unit) for index, unit in enumerate(units) if self._loses(unit)}
        carried = iter(await self._backend.commit([unit for index, unit in enumerate(units) if index not in lost]))
        outcomes = [lost[index] if index in lost else next(carried) for index in range(len(units))]
        for unit, outcome in zip(units, outcomes, strict=True):
            self._note(unit, outcome)
        return outcomes

    def _loses(self, unit: Unit) -> bool:
        for settle in unit.settles:
            holding = self.held.get(id(settle.token))
            if holding is not None and self.to_lose[holding.group] > 0:
                self.to_lose[holding.group] -= 1
                return True
        return False

    def _note(self, unit: Unit, outcome: Outcome) -> None:
        if outcome.done:
            for put, told in zip(unit.puts, outcome.puts, strict=True):
                if isinstance(put.target, Topic) and told.status in ("stored", "unheard"):
                    self.put.append((put.target.name, put.envelope))
            for settle in unit.settles:
                self._note_end(settle)
        self.gone([s.token for s, told in zip(unit.settles, outcome.settles, strict=True) if told in ("done", "lost")])

    def _note_end(self, settle: Settle) -> None:
        holding = self.held.get(id(settle.token))
        if holding is not None and isinstance(settle.action, Done):
            self.ended.append(Ended(holding.group, settle.action.ending, holding.delivery))

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        """Join a group with a feed that is watched too; what a dispatcher holds is in no handler's hands."""
        if source != Inbox(source.group):
            return self._backend.attach(source, member, credit)
        return WatchedFeed(self._backend.attach(source, member, credit), source.group, self)

    # --- what is carried on as it is ---------------------------------------------------------------------------------

    @property
    def store(self) -> Store | None:
        """The other backend's store."""
        return self._backend.store

    async def open(self) -> Capabilities:
        """Open the other backend."""
        return await self._backend.open()

    async def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> None:
        """Declare there."""
        await self._backend.declare(topics, groups)
        self.stir()

    async def steer(self, group: str, change: SeekTo | Switch) -> Cut | None:
        """Steer there."""
        cut = await self._backend.steer(group, change)
        self.stir()
        return cut

    async def read(self, topic: str, start: Start, limit: int, wait_s: float = 0.0) -> Sequence[Record]:
        """Read there."""
        return await self._backend.read(topic, start, limit, wait_s)

    async def stats(self, group: str) -> Sequence[Figures]:
        """Ask there."""
        return await self._backend.stats(group)

    async def describe(self) -> Catalogue:
        """Ask there."""
        return await self._backend.describe()

    async def drop(self, target: Topic | Inbox) -> None:
        """Drop there."""
        await self._backend.drop(target)
        self.stir()

    async def close(self) -> None:
        """Close the other backend."""
        await self._backend.close()


class WatchedFeed:
    """A feed whose deliveries are noted; see `vagus.backend.Feed`."""

    def __init__(self, feed: Feed, group: str, watch: Watch) -> None:
        self._feed = feed
        self._group = group
        self._watch = watch

    async def take(self, limit: int, lanes: Sequence[Lane]) -> Sequence[Delivery]:
        """Take from the other feed and note what came."""
        deliveries = await self._feed.take(limit, lanes)
        self._watch.handed(self._group, deliveries)
        return deliveries

    async def extend(self, tokens: Sequence[Token], by_s: float) -> Sequence[Token]:
        """Extend there; what is lost is in nobody's hands."""
        lost = await self._feed.extend(tokens, by_s)
        self._watch.gone(lost)
        return lost

    async def leave(self) -> None:
        """Leave there."""
        await self._feed.leave()


def _lost(unit: Unit) -> Outcome:
    """Return the outcome of a unit that never reached the backend."""
    puts = [PutOutcome("untried")] * len(unit.puts)
    return Outcome(False, puts, ["lost"] * len(unit.settles), [False] * len(unit.changes))
