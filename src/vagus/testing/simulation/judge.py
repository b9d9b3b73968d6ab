"""Judges a whole run from what its publishers and handlers wrote down, the records of the seam, and the books.

An unknown outcome was repeated until it was known, so every job that was confirmed must be handled: by each group, in
`all` by each named member. What is doubled must be explained by a hand-out, and each handling has one output.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from vagus.backend import Backend, Figures, First
from vagus.reliability.dead import DeadLetter, read_entry
from vagus.testing.simulation.flow import (
    ATTEMPTS,
    COLLECT,
    JOBS,
    LOOSE,
    NAMED,
    ORDERED,
    RESULTS,
    SLOTS,
    TELLERS,
    WATCH,
    Result,
)
from vagus.testing.simulation.history import Handling, History
from vagus.testing.simulation.node import Node
from vagus.testing.simulation.witness import ROUNDING_S, Reader, Witness

ALL_RECORDS = 100_000

READERS: tuple[Reader, ...] = ((ORDERED, None), (LOOSE, None), *((NAMED, f"m{slot}") for slot in range(SLOTS)))
"""Who must have handled every job in the end."""


class _Stored(msgspec.Struct):
    id: str
    data: Result


_stored = msgspec.json.Decoder(_Stored)


class Judge:
    """See the module."""

    def __init__(self, history: History, witness: Witness, backend: Backend) -> None:
        self._history = history
        self._witness = witness
        self._backend = backend

    # --- while it runs -----------------------------------------------------------------------------------------------

    async def books(self) -> list[Figures]:
        """Check the books of every group as they stand (G20); return them."""
        found = [figures for group in (ORDERED, LOOSE, NAMED, WATCH, COLLECT) for figures in await self._books(group)]
        self._history.note("judge", "books", "all groups", f"{sum(figures.accounted for figures in found)} accounted")
        return found

    async def _books(self, group: str) -> Sequence[Figures]:
        found = await self._backend.stats(group)
        for figures in found:
            about = f"{group} {figures.member or ''}".rstrip()
            if figures.entered != figures.accounted:
                how = f"{figures.entered} entered and {figures.accounted} are accounted for"
                self._history.broken("conservation", about, how)
            if group == WATCH:
                continue  # an anonymous member that was away too long starts anew, and so do its books
            seen = self._witness.endings.get((group, figures.member), Counter())
            told = {"acked": figures.acked, "dead": figures.dead + figures.discarded}
            for ending, count in told.items():
                if count != seen[ending]:
                    self._history.broken("conservation", about, f"{count} {ending} are told, {seen[ending]} were seen")
        return found

    # --- at the end --------------------------------------------------------------------------------------------------

    async def whole(self, nodes: Sequence[Node]) -> None:
        """Judge the whole run, after everything was drained; `nodes` are those that lived to its end."""
        self._judge_loss()
        self._judge_handlings()
        self._judge_watchers(nodes)
        await self._judge_outputs()
        await self._judge_letters()
        for figures in await self.books():
            topic = RESULTS if figures.group == COLLECT else JOBS
            if figures.member is None and figures.matched != self._witness.entered[topic]:
                how = f"{figures.matched} matched, {self._witness.entered[topic]} were stored"
                self._history.broken("conservation", figures.group, how)

    def _judge_loss(self) -> None:
        handled: dict[Reader, set[str]] = defaultdict(set)
        for group, member, event, _ in self._history.ended:
            handled[group, member].add(event)
        for group, member in READERS:
            for event in self._history.confirmed.keys() - handled[group, member]:
                self._history.broken("loss", event, f"{group} {member or ''} never handled it")
        for where, place in self._witness.acked.items():
            if (where.group, where.member, place.event, place.generation) not in self._history.ended:
                self._history.broken("loss", place.event, f"it was acked at {where} and never handled")

    def _judge_handlings(self) -> None:
        """No handler is called without a hand-out, for an event that nobody published, or before its time."""
        for handling, begun in self._history.begun.items():
            group, _, event, generation = handling
            handed = self._witness.handed[handling]
            if len(begun) > handed:
                how = f"{group} was called {len(begun)} times for generation {generation}, handed out {handed} times"
                self._history.broken("duplicate", event, how)
            if group == COLLECT:
                continue
            if event not in self._history.asked:
                self._history.broken("phantom", event, f"{group} handled it, and nobody published it")
                continue
            asked_at, after_s = self._history.asked[event]
            if (early_s := asked_at + after_s - begun[0][0]) > ROUNDING_S:
                self._history.broken("early", event, f"{group} had it {early_s:.3f} s early")

    def _judge_watchers(self, nodes: Sequence[Node]) -> None:
        """A member that was there all the time got every event since it came."""
        ended: dict[str, set[str]] = defaultdict(set)
        for (group, _, event, _), times in self._history.ended.items():
            if group == WATCH:
                for _, who in times:
                    ended[who].add(event)
        for node in nodes:
            if node.harmed_at > self._history.time():
                due = {event for event, (at, _) in self._history.asked.items() if at > node.started_at}
                for event in sorted(due - ended[node.name]):
                    self._history.broken("loss", event, f"{node.name}, a member all along, did not get it")

    async def _judge_outputs(self) -> None:
        """Each handling that was acked has stored its output, once."""
        records = await self._backend.read(RESULTS, First(), ALL_RECORDS)
        collected = {event for group, _, event, _ in self._history.ended if group == COLLECT}
        found: Counter[Handling] = Counter()
        for record in records:
            stored = _stored.decode(record.envelope.body)
            data = stored.data
            found[data.group, data.member, data.cause, data.generation] += 1
            if stored.id not in collected:
                self._history.broken("loss", stored.id, f"an output of {data.group} for {data.cause} was not handled")
        for handling, count in found.items():
            if count > 1:
                self._history.broken("duplicate", handling[2], f"{count} outputs of {handling[0]} {handling[1] or ''}")
            if handling not in self._history.ended:
                self._history.broken("phantom", handling[2], f"an output of {handling[0]}, which did not handle it")
        for where, place in self._witness.acked.items():
            wanted = where.group, where.member, place.event, place.generation
            if where.group in TELLERS and wanted not in found:
                how = f"{where} was acked in generation {place.generation}, and its output is not there"
                self._history.broken("loss", place.event, how)

    async def _judge_letters(self) -> None:
        """A letter that says that the attempts are spent has spent them."""
        for group in (ORDERED, LOOSE, NAMED, COLLECT):
            for record in await self._backend.read(f"$dead.{group}", First(), ALL_RECORDS):
                letter = read_entry(record.envelope)
                if isinstance(letter, DeadLetter) and letter.reason == "attempts" and letter.attempts != ATTEMPTS:
                    self._history.broken("attempts", letter.event_id, f"{group} gave up after {letter.attempts}")
