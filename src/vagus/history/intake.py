"""Storing the events of JSON lines again: each once, however often it is done; a line that is no event is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from vagus.backend import Backend, Outcome, Put, Topic, TopicSpec, Unit
from vagus.delivery.lane import LANES
from vagus.errors import BackendError, DiskFull, TopicFull, VagusError
from vagus.history.line import put_of
from vagus.message import check_topic

BATCH = 500
"""Lines stored in one commit at most."""

LONGEST = 16 << 20
"""The longest line that is read, in bytes."""

TOLD = 100
"""How many bad lines are told of one by one; the others are counted."""


class BadLine(msgspec.Struct, frozen=True):
    """A line that was not stored: its number, from 1, and why."""

    number: int
    why: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the lines: stored, stored before, or not stored. `bad`: the first hundred of these, with reasons.

    `topics`: how many were stored, or had been, by topic.
    """

    stored: int
    duplicates: int
    failed: int
    bad: tuple[BadLine, ...]
    topics: dict[str, int]


class _Numbered(NamedTuple):
    number: int
    put: Put


class Intake:
    """An import into a backend.

    `prefix`: put before every topic. `keep_s`: topics that are new, or that nobody listens to, are made to keep events
    for so long; without it, only new ones are, for the backend's own time. Events enter as new ones: groups that
    listen to their topics get them.
    """

    def __init__(self, backend: Backend, *, prefix: str | None = None, keep_s: float | None = None) -> None:
        self._backend = backend
        self._prefix = None if prefix is None else check_topic(prefix)
        self._keep_s = keep_s
        self._specs: dict[str, TopicSpec] | None = None
        self._stored = self._duplicates = self._failed = 0
        self._bad: list[BadLine] = []
        self._topics: dict[str, int] = {}

    async def run(self, lines: Iterable[bytes], told: Callable[[int], object] = lambda count: None) -> Imported:
        """Store the events of `lines`, which are read as they are needed; empty ones are passed over.

        Lines that are no event, or whose topic takes none, are counted and named, and the others stored. Raises
        BackendError (TopicFull, DiskFull) where nothing more can be stored, naming the line; doing it again stores
        nothing twice within the window of the topic. `told` is told how many lines were dealt with.
        """
        batch: list[_Numbered] = []
        number = 0
        for number, text in enumerate(lines, 1):
            if len(text) > LONGEST:
                self._refuse(number, f"the line is longer than {LONGEST >> 20} MiB")
            elif text.strip():
                try:
                    batch.append(_Numbered(number, put_of(text, self._prefix)))
                except VagusError as error:
                    self._refuse(number, error.what)
            if len(batch) == BATCH:
                await self._store(batch)
                told(len(batch))
                batch = []
        if batch:
            await self._store(batch)
            told(len(batch))
        return Imported(
            stored=self._stored,
            duplicates=self._duplicates,
            failed=self._failed,
            bad=tuple(self._bad),
            topics=dict(sorted(self._topics.items())),
        )

    def _refuse(self, number: int, why: str) -> None:
        self._failed += 1
        if len(self._bad) < TOLD:
            self._bad.append(BadLine(number, why))

    async def _store(self, batch: Sequence[_Numbered]) -> None:
        await self._declare([numbered.put for numbered in batch])
        outcomes = await self._backend.commit([Unit((numbered.put,)) for numbered in batch])
        for (number, put), outcome in zip(batch, outcomes, strict=True):
            self._count(number, put, outcome)

    def _count(self, number: int, put: Put, outcome: Outcome) -> None:
        (told,) = outcome.puts
        topic = put.target.name if isinstance(put.target, Topic) else ""
        if told.status in ("stored", "duplicate"):
            self._stored += told.status == "stored"
            self._duplicates += told.status == "duplicate"
            self._topics[topic] = self._topics.get(topic, 0) + 1
        elif told.why == "no group":
            self._refuse(number, f"nobody listens to topic {topic!r}, and it keeps nothing (--keep TIME makes it)")
        else:
            kind = {"full": TopicFull, "disk": DiskFull}.get(told.why, BackendError)
            text = f"line {number} was not stored: {told.why or told.status}; {self._stored} events were"
            raise kind(text, hint="mend that and run it again: what is stored is not stored twice")

    async def _declare(self, puts: Sequence[Put]) -> None:
        """Make the topics that are new, and those lanes that they need."""
        if self._specs is None:
            self._specs = {info.spec.name: info.spec for info in (await self._backend.describe()).topics}
        wanted: dict[str, TopicSpec] = {}
        for put in puts:
            assert isinstance(put.target, Topic), "lines mean topics"
            name = put.target.name
            known = wanted.get(name) or self._specs.get(name)
            spec = known or TopicSpec(name=name, archive=True, keep_s=self._keep_s)
            if self._keep_s is not None and not spec.archive:
                spec = msgspec.structs.replace(spec, archive=True, keep_s=self._keep_s)
            if put.lane and spec.lanes == 1:
                spec = msgspec.structs.replace(spec, lanes=LANES)
            if spec is not known:
                wanted[name] = spec
        if wanted:
            await self._backend.declare(list(wanted.values()), ())
            self._specs |= wanted
