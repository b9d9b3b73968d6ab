"""Every kind of unit, cut before each of its writes: what is new is stored before what is old is let go.

A backend that is not atomic carries a unit out write by write. Wherever it dies, the event must still be held, or
all that was to replace it be stored; and once the next holder has done the same again, nothing tells of a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.simulation.bugs import SettlesFirst
from vagus.backend import (
    Delivery,
    Done,
    Figures,
    First,
    GroupSpec,
    Inbox,
    Member,
    Put,
    Release,
    Settle,
    Topic,
    Unit,
)
from vagus.backends.memory import Memory
from vagus.clock import LoopClock
from vagus.message import Envelope
from vagus.reliability.dead import DeadLetter, LetterState, bury, letter_put, open_letters
from vagus.reliability.decide import decide
from vagus.reliability.dedupe import output_id, published, retried
from vagus.reliability.note import Note, encode_note
from vagus.reliability.redrive import discard, redrive
from vagus.reliability.retry import DEFAULT, Reject
from vagus.reliability.verdict import GiveUp, Raised, RetryAt
from vagus.testing.loop import run
from vagus.testing.simulation import Piecemeal

GROUP, AFTER, LEASE_S, NOW = "walk.g", "walk.after", 5.0, 1_700_000_000.0
OUT = Topic("walk.out")
EVENT = b'{"specversion":"1.0","id":"e","source":"s","type":"walk.in","data":{}}'


class Crash(Exception):
    """The process dies here."""


# --- the kinds of unit, as the rooms that decide make them -----------------------------------------------------------


def output(delivery: Delivery, index: int) -> Put:
    id = output_id("e", delivery.generation, GROUP, None, index)
    return Put(OUT, Envelope(b'{"id":"%s"}' % id.encode()), dedupe=published("s", id), heard=False)


def handling(delivery: Delivery) -> Unit:
    return Unit([output(delivery, 0), output(delivery, 1)], [Settle(delivery.token, Done("acked"))])


def retry(delivery: Delivery) -> Unit:
    verdict = decide(Raised(TimeoutError("x")), delivery.note, DEFAULT, NOW, 0.5)
    assert isinstance(verdict, RetryAt)
    told = Put(OUT, Envelope(b'{"id":"error"}'), dedupe=f"error:{verdict.note.steps}", heard=False)
    return Unit([told], [Settle(delivery.token, Release(verdict.after_s, encode_note(verdict.note)))])


def retry_through_the_inbox(delivery: Delivery) -> Unit:
    note = Note(failures=1, steps=1)
    again = Put(
        Inbox(GROUP),
        delivery.envelope,
        entry="moved",
        note=encode_note(note),
        dedupe=retried("s", "e", delivery.generation, note.steps),
    )
    return Unit([again], [Settle(delivery.token, Done("moved"))])


def dispatch(delivery: Delivery) -> Unit:
    there = Put(Inbox(GROUP), delivery.envelope, entry="moved", dedupe="e:dispatch:1:ann")
    return Unit([there], [Settle(delivery.token, Done("moved"))])


def dead_letter(delivery: Delivery) -> Unit:
    verdict = decide(Raised(Reject("never")), delivery.note, DEFAULT, NOW, 0.5)
    assert isinstance(verdict, GiveUp)
    letter = letter_put(bury(verdict, delivery, GROUP, None, None, NOW))
    return Unit([letter, output(delivery, 0)], [Settle(delivery.token, Done("dead"))])


HELD: list[Callable[[Delivery], Unit]] = [handling, retry, retry_through_the_inbox, dispatch, dead_letter]
"""Units that let a held event go."""

PUBLISH = Unit([Put(OUT, Envelope(b'{"id":"%d"}' % n), dedupe=f"p{n}", heard=False) for n in range(3)])


class Seen(NamedTuple):
    """What lies there in the end: logs, books, and what a member is handed; nothing in it tells of a loss."""

    logs: tuple[tuple[bytes, ...], ...]
    books: tuple[int, ...]
    handed: tuple[tuple[bytes, int, bytes], ...]


class Walk:
    """One backend, one event in a member's hands, and a crash before write number `cut`."""

    def __init__(self, kind: type[Piecemeal], cut: int | None) -> None:
        self.memory = Memory("memory://", LoopClock())
        self.stepwise = kind(self.memory, self._between)
        self._cut = cut

    async def _between(self, number: int) -> None:
        if number == self._cut:
            self._cut = None
            raise Crash

    async def open(self) -> Delivery:
        """Return the event, held by a member that is about to die."""
        await self.memory.open()
        groups = [
            GroupSpec(name=GROUP, patterns=("walk.in",), lease_s=LEASE_S),
            GroupSpec(name=AFTER, patterns=(OUT.name,), lease_s=LEASE_S),
        ]
        await self.memory.declare((), groups)
        await self.memory.commit([Unit([Put(Topic("walk.in"), Envelope(EVENT))])])
        return await self.take("victim")

    async def take(self, member: str) -> Delivery:
        (delivery,) = await self.memory.attach(Inbox(GROUP), Member(member), 9).take(1, ())
        return delivery

    async def bodies(self, topic: str) -> tuple[bytes, ...]:
        """Return the bodies in a log; a letter tells how often its event was lost, which a crash may change."""
        records = await self.memory.read(topic, First(), 99)
        return tuple(record.envelope.body.replace(b'"losses":1', b'"losses":0') for record in records)

    async def figures(self) -> Figures:
        (figures,) = await self.memory.stats(GROUP)
        return figures

    async def seen(self) -> Seen:
        """Look at everything, and take what there is to take."""
        f = await self.figures()
        assert f.entered == f.accounted
        logs = [await self.bodies(topic) for topic in (OUT.name, f"$dead.{GROUP}")]
        handed: list[Delivery] = []
        feed = self.memory.attach(Inbox(GROUP), Member("last"), 9)
        while True:
            try:
                async with asyncio.timeout(LEASE_S - 1):
                    handed += await feed.take(9, ())
            except TimeoutError:
                break
        took = tuple((d.envelope.body, d.generation, d.note) for d in handed)
        return Seen(tuple(logs), (f.entered, f.acked, f.dead, f.discarded, f.redriven), took)


async def walk_held(kind: type[Piecemeal], make: Callable[[Delivery], Unit], cut: int | None) -> Seen:
    """Cut a unit that lets a held event go; the next holder does the same again."""
    walk = Walk(kind, cut)
    delivery = await walk.open()
    unit = make(delivery)
    try:
        await walk.stepwise.commit([unit])
    except Crash:
        stored = set(await walk.bodies(OUT.name)) | set(await walk.bodies(f"$dead.{GROUP}"))
        figures = await walk.figures()
        wanted = {put.envelope.body for put in unit.puts if not isinstance(put.target, Inbox)}
        assert figures.held or wanted <= stored, f"cut before write {cut}: neither held nor stored"
        await asyncio.sleep(LEASE_S)
        again = await walk.take("heir")
        await walk.stepwise.commit([make(again)])
    return await walk.seen()


async def walk_repeated(kind: type[Piecemeal], make: Callable[[DeadLetter], Unit], cut: int | None) -> Seen:
    """Cut a unit that settles nothing; whoever asked for it repeats it."""
    walk = Walk(kind, None)
    await walk.memory.commit([dead_letter(await walk.open())])
    (state,) = open_letters(await walk.memory.read(f"$dead.{GROUP}", First(), 99)).values()
    unit = make(state.letter)
    walk._cut = cut
    try:
        await walk.stepwise.commit([unit])
    except Crash:
        await walk.stepwise.commit([unit])
    return await walk.seen()


REPEATED: dict[str, Callable[[DeadLetter], Unit]] = {
    "publish": lambda letter: PUBLISH,
    "redrive": lambda letter: redrive(letter, NOW),
    "discard": lambda letter: discard(LetterState(letter), NOW),
}


@pytest.mark.contract("G2", "G4", "G5", "G6", "G12", "G20")
@pytest.mark.parametrize("make", HELD)
def test_unit_that_is_cut_anywhere_loses_and_doubles_nothing(make: Callable[[Delivery], Unit]) -> None:
    whole = run(walk_held(Piecemeal, make, None))
    for cut in range(4):
        assert run(walk_held(Piecemeal, make, cut)) == whole, f"cut before write {cut}"


@pytest.mark.contract("G1", "G7", "G12")
@pytest.mark.parametrize("make", REPEATED.values(), ids=REPEATED)
def test_unit_that_is_cut_and_repeated_is_carried_out_once(make: Callable[[DeadLetter], Unit]) -> None:
    whole = run(walk_repeated(Piecemeal, make, None))
    for cut in range(4):
        assert run(walk_repeated(Piecemeal, make, cut)) == whole, f"cut before write {cut}"


@pytest.mark.parametrize("make", HELD)
def test_opposite_order_is_caught(make: Callable[[Delivery], Unit]) -> None:
    async def walked(cut: int) -> Any:
        async with asyncio.timeout(1_000):  # an event that was let go too early never comes again
            return await walk_held(SettlesFirst, make, cut)

    whole = run(walk_held(Piecemeal, make, None))
    found = []
    for cut in range(4):
        try:
            found.append(run(walked(cut)) == whole)
        except (AssertionError, TimeoutError):
            found.append(False)
    assert not all(found)
