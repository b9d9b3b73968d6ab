"""Whatever is asked of the memory backend through its seam, in whatever order: the witness sees no promise broken."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.simulation import bugs
from vagus.backend import (
    After,
    Ago,
    Delivery,
    Done,
    Feed,
    First,
    GroupSpec,
    Inbox,
    Member,
    Put,
    Release,
    SeekTo,
    Settle,
    Topic,
    TopicSpec,
    Unit,
)
from vagus.backends.memory import Memory
from vagus.clock import LoopClock
from vagus.message import Envelope
from vagus.testing.loop import DeterministicLoop
from vagus.testing.simulation import Bug
from vagus.testing.simulation.history import History
from vagus.testing.simulation.witness import Witness

LEASE_S = 5.0
GROUPS = (
    GroupSpec(name="ordered", patterns=("m.#",), lease_s=LEASE_S),
    GroupSpec(name="loose", patterns=("m.*",), lease_s=LEASE_S, ordered=False),
    GroupSpec(name="each", patterns=("m.wide",), lease_s=LEASE_S, mode="all"),
)
SEATS = (
    ("ordered", Member("ann")),
    ("ordered", Member("bob")),
    ("loose", Member("cat")),
    ("each", Member("dan", named=True)),
    ("each", Member("eve", named=True)),
)

puts = st.builds(
    Put,
    target=st.sampled_from((Topic("m.wide"), Topic("m.plain"), Inbox("ordered"), Inbox("loose"), Inbox("each", "dan"))),
    envelope=st.integers(0, 99).map(lambda number: Envelope(b'{"id":"%d"}' % number)),
    key=st.sampled_from((None, "k", "l")),
    lane=st.integers(0, 9),
    after_s=st.sampled_from((0.0, 0.0, 3.0)),
    dedupe=st.sampled_from((None, "d1", "d2")),
    note=st.sampled_from((b"", b"n")),
)
actions = st.one_of(
    st.sampled_from(("acked", "dead", "expired", "cancelled", "skipped")).map(Done),
    st.builds(Release, after_s=st.sampled_from((0.0, 2.0, 9.0)), note=st.sampled_from((None, b"again"))),
)


class Memories(RuleBasedStateMachine):
    """A memory backend on a loop of its own, with a witness before it."""

    bug = Bug()

    def __init__(self) -> None:
        super().__init__()
        self.loop = DeterministicLoop(0)  # type: ignore[abstract]
        self.history = History(self.loop.time)
        backend = self.bug.in_backend(Memory("memory://", LoopClock()), random.Random(0))
        self.witness = Witness(backend, self.history, lambda who, since: False)
        self.feeds: dict[int, Feed] = {}
        self.deliveries: list[Delivery] = []

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def open(self) -> None:
        self.do(self.witness.open())
        self.do(self.witness.declare([TopicSpec(name="m.wide", lanes=10), TopicSpec(name="m.plain")], GROUPS))
        for number in range(len(SEATS)):
            self.join(number)

    def join(self, number: int) -> Feed:
        if number not in self.feeds:
            self.feeds[number] = self.do(self.attach(number, 4))
        return self.feeds[number]

    async def attach(self, number: int, credit: int) -> Feed:
        """Attach in a process of the member's own, by whose name the witness knows it."""
        group, member = SEATS[number]

        async def attach() -> Feed:
            return self.witness.attach(Inbox(group), member, credit)

        return await self.loop.process(member.name).spawn(attach())

    async def take_at_once(self, feed: Feed, limit: int, lanes: tuple[int, ...] = ()) -> list[Delivery]:
        try:
            async with asyncio.timeout(0.001):
                return list(await feed.take(limit, lanes))
        except TimeoutError:
            return []

    @rule(data=st.data(), wanted=st.lists(st.lists(puts, max_size=3), min_size=1, max_size=3))
    def commit(self, data: st.DataObject, wanted: list[list[Put]]) -> None:
        units = []
        for some in wanted:
            tokens = data.draw(st.lists(st.sampled_from(self.deliveries), max_size=2)) if self.deliveries else []
            units.append(Unit(some, [Settle(delivery.token, data.draw(actions)) for delivery in tokens]))
        outcomes = self.do(self.witness.commit(units))
        for unit, outcome in zip(units, outcomes, strict=True):
            assert outcome.done == all(told == "done" for told in outcome.settles)
            assert outcome.done or {put.status for put in outcome.puts} <= {"untried"}
            assert len(unit.puts) == len(outcome.puts)

    @rule(number=st.integers(0, 4), limit=st.integers(1, 5), lanes=st.sampled_from(((), (9, 0), (5,))))
    def take(self, number: int, limit: int, lanes: tuple[int, ...]) -> None:
        taken = self.do(self.take_at_once(self.join(number), limit, lanes))
        assert len(taken) <= min(limit, 4)
        self.deliveries += taken

    @precondition(lambda self: self.deliveries)
    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        delivery = data.draw(st.sampled_from(self.deliveries))
        self.do(self.join(0).extend([delivery.token], LEASE_S))

    @rule(number=st.integers(0, 4))
    def leave(self, number: int) -> None:
        if number in self.feeds:
            self.do(self.feeds.pop(number).leave())

    @rule(by_s=st.sampled_from((0.5, 3.0, 6.0)))
    def pass_time(self, by_s: float) -> None:
        self.do(asyncio.sleep(by_s))

    @rule(group=st.sampled_from(("ordered", "loose", "each")), start=st.sampled_from((First(), After(2), Ago(2.0))))
    def seek(self, group: str, start: Any) -> None:
        self.do(self.witness.steer(group, SeekTo(start)))

    @invariant()
    def witness_sees_nothing_wrong(self) -> None:
        assert not self.history.violations

    @invariant()
    def books_balance(self) -> None:
        for group in ("ordered", "loose", "each"):
            for figures in self.do(self.witness.stats(group)) if self.feeds else ():
                assert figures.entered == figures.accounted
                seen = self.witness.endings.get((group, figures.member), {})
                assert figures.acked == seen.get("acked", 0)

    def teardown(self) -> None:
        """Everything that is there can be taken and settled in the end: nothing is stuck, nothing lost."""
        if self.feeds:
            self.do(self.drain())
        assert not self.history.violations
        self.loop.close()

    async def drain(self) -> None:
        feeds = [await self.attach(number, 50) for number in range(len(SEATS))]
        idle = 0
        while idle < 4:
            await asyncio.sleep(LEASE_S)
            taken = [delivery for feed in feeds for delivery in await self.take_at_once(feed, 50)]
            await self.witness.commit([Unit((), [Settle(delivery.token, Done("acked"))]) for delivery in taken])
            idle = 0 if taken else idle + 1
        for group, _ in SEATS:
            for figures in await self.witness.stats(group):
                assert figures.held + figures.waiting + figures.parked + figures.ready == 0, figures


@pytest.mark.contract("G2", "G3", "G4", "G8", "G9", "G10", "G12", "G14", "G20")
def test_memory_keeps_its_promises_whatever_is_asked() -> None:
    Memories.TestCase.settings = settings(max_examples=80, stateful_step_count=30)
    Memories.TestCase().runTest()


@pytest.mark.parametrize(
    "planted", [bugs.UnfencedSettle(), bugs.KeyFreedTooEarly()], ids=lambda bug: type(bug).__name__
)
def test_planted_bug_is_found_by_the_machine(planted: Bug) -> None:
    class Wrong(Memories):
        bug = planted

    Wrong.TestCase.settings = settings(
        max_examples=300, stateful_step_count=30, database=None, phases=(Phase.generate,), derandomize=True
    )
    with pytest.raises(AssertionError):
        Wrong.TestCase().runTest()
