"""A backend as a side group sees it: its own deliveries are real, and nothing that it does reaches anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from vagus.backend import (
    Backend,
    Capabilities,
    Catalogue,
    Cut,
    Done,
    Feed,
    Figures,
    GroupSpec,
    Inbox,
    Member,
    Outcome,
    Put,
    PutOutcome,
    Record,
    SeekTo,
    Source,
    Start,
    Switch,
    Topic,
    TopicSpec,
    Unit,
)
from vagus.store import Append, Change, Store

Rename = Callable[[str], str]

_WITHHELD = PutOutcome("unheard")


class Withheld:
    """Carries to another backend what belongs to a side group itself, and withholds the rest; see `Backend`.

    Withheld are events put to topics (outputs, errors, whatever a handler publishes) and changes of runs (their
    streams, their ends). `rename` gives outputs a topic of their own instead, which is made to keep them. The other
    backend stays open.
    """

    def __init__(self, backend: Backend, rename: Rename | None = None) -> None:
        self._backend = backend
        self._rename = rename
        self._made: set[str] = set()
        #: How many events were put to topics, and withheld.
        self.withheld = 0
        #: How many deliveries were let go for good since this was made, and what tells of the next one.
        self.settled = 0
        self.stirred = asyncio.Event()

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """Carry on what is left of the units; what is withheld counts as carried out."""
        if self._rename is not None:
            await self._make([put.target.name for u in units for put in u.puts if isinstance(put.target, Topic)])
        left = [self._left_of(unit) for unit in units]
        meant = [unit for unit in left if unit.puts or unit.settles or unit.changes]
        carried = iter(await self._backend.commit(meant) if meant else ())
        outcomes = []
        for unit, rest in zip(units, left, strict=True):
            known = next(carried) if rest.puts or rest.settles or rest.changes else Outcome(True)
            outcomes.append(self._whole(unit, known))
            self._count(unit, known)
        return outcomes

    async def _make(self, topics: Sequence[str]) -> None:
        assert self._rename is not None, "only outputs that go somewhere need a topic"
        new = {self._rename(topic) for topic in topics} - self._made
        if new:
            await self._backend.declare([TopicSpec(name=name, archive=True) for name in sorted(new)], ())
            self._made |= new

    def _left_of(self, unit: Unit) -> Unit:
        puts = [self._moved(put) for put in unit.puts if self._goes(put)]
        return Unit(puts, unit.settles, [change for change in unit.changes if not _of_a_run(change)])

    def _goes(self, put: Put) -> bool:
        return self._rename is not None or not isinstance(put.target, Topic)

    def _moved(self, put: Put) -> Put:
        if self._rename is None or not isinstance(put.target, Topic):
            return put
        return msgspec.structs.replace(put, target=Topic(self._rename(put.target.name)))

    def _whole(self, unit: Unit, known: Outcome) -> Outcome:
        """Return the outcome of a whole unit from that of what was left of it."""
        puts, changes = iter(known.puts), iter(known.changes)
        return Outcome(
            known.done,
            [next(puts) if self._goes(put) else _WITHHELD for put in unit.puts],
            known.settles,
            [known.done if _of_a_run(change) else next(changes) for change in unit.changes],
        )

    def _count(self, unit: Unit, known: Outcome) -> None:
        if known.done:
            self.withheld += sum(not self._goes(put) for put in unit.puts)
            self.settled += sum(isinstance(settle.action, Done) for settle in unit.settles)
            self.stirred.set()

    async def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> None:
        """Declare the groups; topics stay as they are, since a replay may run other code than those who use them."""
        await self._backend.declare((), groups)

    async def close(self) -> None:
        """Nothing: the other backend belongs to somebody else."""

    # --- what is carried on as it is ---------------------------------------------------------------------------------

    @property
    def store(self) -> Store | None:
        """The other backend's store."""
        return self._backend.store

    async def open(self) -> Capabilities:
        """Open the other backend, if it is not."""
        return await self._backend.open()

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        """Join a group there."""
        return self._backend.attach(source, member, credit)

    async def steer(self, group: str, change: SeekTo | Switch) -> Cut | None:
        """Steer there."""
        return await self._backend.steer(group, change)

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


def _of_a_run(change: Change | Append) -> bool:
    name = change.key if isinstance(change, Change) else change.stream
    return name.startswith("run/")
