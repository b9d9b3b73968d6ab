"""The file behaves as the model does, whatever is done to both."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.sqlite.rig import Rig
from vagus.backend import (
    After,
    Ago,
    Dead,
    Delivery,
    Done,
    End,
    Figures,
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
from vagus.backends.sqlite.engine.cache import Subscription
from vagus.backends.sqlite.engine.settling import Settling, Ticket
from vagus.ledger.model import Ledger
from vagus.message import Envelope
from vagus.store import Append, Change

TOPICS = (TopicSpec(name="t.one"), TopicSpec(name="t.wide", lanes=10), TopicSpec(name="t.small", max_events=4))
ORDERED = GroupSpec(name="ordered", patterns=("t.*",), lease_s=10)
LOOSE = GroupSpec(name="loose", patterns=("t.one", "t.wide"), ordered=False, lease_s=10, start="first")
EVERYONE = GroupSpec(name="everyone", patterns=("t.one",), mode="all", lease_s=10, forget_after_s=100)
MEMBERS = {
    "ordered": (Member("ann"), Member("bob")),
    "loose": (Member("cat"),),
    "everyone": (Member("dan", named=True), Member("eve")),
}
SEATS = tuple((group, member) for group, members in MEMBERS.items() for member in members)
TARGETS = (Topic("t.one"), Topic("t.wide"), Topic("t.small"), Topic("t.other"), Topic("unheard"))
INBOXES = (Inbox("ordered"), Inbox("loose"), Inbox("everyone", "dan"), Dead("ordered"), Dead("everyone", "dan"))

#: Settled is mostly what was taken not long ago: older tokens are spent or lost, and show little.
RECENT = 8

bodies = st.integers(0, 999).map(lambda number: Envelope(b"%d" % number))
to_topics = st.builds(
    Put,
    target=st.sampled_from(TARGETS),
    envelope=bodies,
    key=st.sampled_from((None, "k1", "k1", "k2")),
    lane=st.integers(0, 9),
    after_s=st.sampled_from((0.0, 0.0, 0.0, 4.0)),
    dedupe=st.sampled_from((None, None, "d1", "d2", "d3", "d4")),
    heard=st.booleans(),
    note=st.sampled_from((b"", b"put")),
)
to_inboxes = st.builds(
    Put,
    target=st.sampled_from(INBOXES),
    envelope=bodies,
    key=st.sampled_from((None, "k1", "k2")),
    entry=st.sampled_from(("redriven", "replayed", "discarded")),
    generation=st.integers(0, 2),
)
changes = st.one_of(
    st.builds(
        Change,
        key=st.sampled_from(("a", "b")),
        body=st.sampled_from((b"x", b"y", None)),
        expect=st.sampled_from((None, 0, 1, 2)),
        ttl_s=st.sampled_from((None, 6.0)),
        required=st.booleans(),
    ),
    st.builds(
        Append,
        stream=st.just("s"),
        producer=st.sampled_from(("p", "q")),
        epoch=st.integers(0, 2),
        number=st.integers(0, 3),
        parts=st.lists(st.sampled_from((b"1", b"2")), max_size=3),
        ttl_s=st.sampled_from((None, 6.0)),
        required=st.booleans(),
    ),
)
actions = st.one_of(
    st.sampled_from(("acked", "dead", "expired", "cancelled", "skipped")).map(Done),
    st.builds(Release, after_s=st.sampled_from((0.0, 3.0, 12.0)), note=st.sampled_from((None, b"", b"again"))),
)
starts = st.one_of(
    st.just(First()), st.just(End()), st.integers(0, 30).map(After), st.sampled_from((0.0, 3.0, 9.0)).map(Ago)
)


def told(delivery: Delivery) -> tuple[Any, ...]:
    """Everything of a delivery but its token."""
    return (
        delivery.topic,
        delivery.position,
        delivery.envelope.body,
        delivery.key,
        delivery.lane,
        delivery.generation,
        delivery.losses,
        delivery.note,
    )


def in_order(taken: Sequence[Delivery], lapsed: int) -> list[Delivery]:
    """The first `lapsed` deliveries sorted by where they lie, the others as they came."""
    back = sorted(taken[:lapsed], key=lambda delivery: (delivery.topic, delivery.position))
    return [*back, *taken[lapsed:]]


class Twins(RuleBasedStateMachine):
    """The model and the file, asked the same by a process that is alone with it."""

    alone = True
    groups = (ORDERED, LOOSE, EVERYONE)

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="vagus-twins-"))
        self.rig = Rig(self.folder)
        self.model = Ledger()
        self.now = 1_700_000_000.0
        self.tokens: list[tuple[Any, Any]] = []
        self.loosened = False

    def teardown(self) -> None:
        self.rig.close()
        shutil.rmtree(self.folder)

    @initialize()
    def declare(self) -> None:
        self.model.declare(TOPICS, self.groups, self.now)
        self.rig.do(lambda engine: engine.declaring.declare(TOPICS, self.groups, self.now), self.now)
        for group, member in SEATS:
            self.join(group, member)

    def join(self, group: str, member: Member) -> None:
        self.model.attach(group, member, self.now)
        self.rig.do(lambda engine: engine.members.attach(group, member, self.now), self.now)

    @rule(data=st.data(), anew=st.booleans())
    def commit(self, data: st.DataObject, anew: bool) -> None:
        mine, theirs = [], []
        for _ in range(data.draw(st.integers(1, 4))):
            puts = data.draw(st.lists(st.one_of(to_topics, to_topics, to_inboxes), max_size=3))
            writes = data.draw(st.lists(changes, max_size=2))
            chosen = data.draw(st.lists(st.sampled_from(self.tokens[-RECENT:]), max_size=2)) if self.tokens else []
            wanted = [data.draw(actions) for _ in chosen]
            model_settles = [Settle(held, action) for (held, _), action in zip(chosen, wanted, strict=True)]
            settles = [Settle(ticket, action) for (_, ticket), action in zip(chosen, wanted, strict=True)]
            mine.append(Unit(puts, settles, writes))
            theirs.append(Unit(puts, model_settles, writes))
        self.model.advance(self.now)
        expected = self.model.commit(theirs, self.now)[0]
        outcomes = self.rig.commit(mine, self.now, anew=anew and not self.alone)
        for ours, model in zip(outcomes, expected, strict=True):
            assert ours.done == model.done
            assert list(ours.puts) == list(model.puts)
            assert list(ours.settles) == list(model.settles)
            assert list(ours.changes) == list(model.changes)

    @rule(
        seat=st.sampled_from(SEATS),
        limit=st.integers(1, 6),
        credit=st.integers(1, 8),
        lanes=st.sampled_from(((), (), (), (9, 5, 0), (0,))),
    )
    def take(self, seat: tuple[str, Member], limit: int, credit: int, lanes: tuple[int, ...]) -> None:
        group, member = seat
        self.model.advance(self.now)
        lapsed = self.lapsed(group, member)
        if self.loosened and group == "ordered":
            lapsed, self.loosened = 1_000, False
        if lapsed > 1:  # in which order several events come back is promised by nobody: take all of them
            limit = credit = 1_000
        expected = in_order(self.model.take(Inbox(group), member, credit, limit, lanes, self.now), lapsed)
        taken = in_order(self.rig.take(group, member, limit, self.now, lanes=lanes, credit=credit), lapsed)
        assert list(map(told, taken)) == list(map(told, expected))
        self.tokens += [(theirs.token, ours.token) for theirs, ours in zip(expected, taken, strict=True)]

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), by_s=st.sampled_from((2.0, 30.0)))
    def extend(self, data: st.DataObject, by_s: float) -> None:
        chosen = data.draw(st.lists(st.sampled_from(self.tokens), min_size=1, max_size=4, unique_by=id))
        self.model.advance(self.now)
        lost = self.model.extend("ordered", Member("ann"), [held for held, _ in chosen], by_s, self.now)
        tickets = [ticket for _, ticket in chosen]
        ours = self.rig.do(lambda engine: engine.settling.extend(tickets, by_s, self.now), self.now)
        assert [any(held is one for one in lost) for held, _ in chosen] == [
            any(ticket is one for one in ours) for _, ticket in chosen
        ]
        self.rig.do(lambda engine: engine.members.seen("ordered", Member("ann"), self.now), self.now)
        self.model.attach("ordered", Member("ann"), self.now)

    @rule(by_s=st.sampled_from((0.5, 3.0, 11.0, 40.0)))
    def pass_time(self, by_s: float) -> None:
        self.now += by_s

    @rule(
        start=starts,
        group=st.sampled_from(tuple(MEMBERS)),
        one=st.booleans(),
        topic=st.sampled_from((None, None, "t.one")),
        least=st.sampled_from((1, 1, 5)),
        skip=st.booleans(),
    )
    def seek(self, start: Any, group: str, one: bool, topic: str | None, least: int, skip: bool) -> None:
        change = SeekTo(start, "dan" if one and group == "everyone" else None, topic, least, skip)
        self.model.advance(self.now)
        self.model.seek(group, change, self.now)
        self.rig.do(lambda engine: engine.declaring.seek(group, change, self.now), self.now, anew=not self.alone)

    @rule(seat=st.sampled_from(SEATS))
    def leave(self, seat: tuple[str, Member]) -> None:
        group, member = seat
        self.model.advance(self.now)
        if self.holds(group, member) > 1:
            return  # in which order several events come back is promised by nobody
        self.model.leave(Inbox(group), member, self.now)
        self.rig.do(lambda engine: engine.members.leave(group, member, self.now), self.now)

    def lapsed(self, group: str, member: Member) -> int:
        found = self.model.groups[group].sources(Inbox(group), member.name)
        return sum(held.claim.until <= self.now for one in found for held in one.held.values())

    def holds(self, group: str, member: Member) -> int:
        return sum(info.held for info in self.model.groups[group].info(self.now).members if info.name == member.name)

    @rule(ordered=st.booleans(), lanes=st.sampled_from((1, 10)), less=st.booleans())
    def declare_again(self, ordered: bool, lanes: int, less: bool) -> None:
        topic = TopicSpec(name="t.one", lanes=lanes)
        patterns = ("t.small",) if less else self.groups[0].patterns
        group = msgspec.structs.replace(ORDERED, patterns=patterns, ordered=ordered)
        self.model.advance(self.now)
        # What was parked comes back once no order is asked for, in whichever order.
        parked = sum(figures.parked for figures in self.model.stats("ordered", self.now))
        self.loosened = self.loosened or (not ordered and parked > 1)
        self.model.declare([topic], [group], self.now)
        self.rig.do(lambda engine: engine.declaring.declare([topic], [group], self.now), self.now)

    def figures(self, group: str) -> list[Figures]:
        return self.rig.do(lambda engine: engine.seeing.stats(engine.declaring.team(group), self.now), self.now)

    @invariant()
    def books_are_the_same(self) -> None:
        self.model.advance(self.now)
        for group in self.model.groups:
            expected = {figures.member: figures for figures in self.model.stats(group, self.now)}
            ours = self.figures(group)
            assert {figures.member: figures for figures in ours} == expected
            assert all(figures.entered == figures.accounted for figures in ours)

    @invariant()
    def logs_are_the_same(self) -> None:
        for name in ("t.one", "t.wide", "t.small", "t.other", "$dead.ordered"):
            expected = self.model.read(name, First(), 50, self.now)
            ours = self.rig.do(lambda engine, n=name: engine.seeing.read(n, First(), 50, self.now), self.now)
            assert ours == list(expected)
        expected_parts = self.model.state.follow("s", 0, 50, self.now)
        assert self.rig.engine.state.follow("s", 0, 50, self.now) == expected_parts
        for key in ("a", "b"):
            assert self.rig.engine.state.get(key, self.now) == self.model.state.get(key, self.now)

    @invariant()
    def the_catalogue_is_the_same(self) -> None:
        expected = self.model.describe(self.now)
        ours = self.rig.do(lambda engine: engine.seeing.describe(self.now), self.now)
        assert ours.topics == expected.topics
        assert [info.spec for info in ours.groups] == [info.spec for info in expected.groups]


class Neighbours(Twins):
    """As if other processes wrote in between: nothing is remembered from one transaction to the next.

    Which topic was served last is not kept in the file, so that each group has one topic here.
    """

    alone = False
    groups = (
        msgspec.structs.replace(ORDERED, patterns=("t.wide",)),
        msgspec.structs.replace(LOOSE, patterns=("t.small",)),
        EVERYONE,
    )


def compare(machine: type[Twins], examples: int, steps: int = 30) -> None:
    """Do at random what can be done, and compare after each step."""
    chosen = settings(max_examples=examples, stateful_step_count=steps, database=None)
    run_state_machine_as_test(machine, settings=chosen)


@pytest.mark.contract("G2", "G3", "G4", "G8", "G9", "G10", "G12", "G20")
@pytest.mark.parametrize("machine", [Twins, Neighbours])
def test_file_behaves_as_the_model_whatever_is_done(machine: type[Twins]) -> None:
    compare(machine, examples=40)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.contract("G2", "G3", "G4", "G8", "G9", "G10", "G12", "G20")
@pytest.mark.parametrize("machine", [Twins, Neighbours])
def test_file_behaves_as_the_model_in_long_histories(machine: type[Twins]) -> None:
    compare(machine, examples=500, steps=50)


def free_keys_of_waiting_events(self: Settling, subscription: Subscription, settles: list[Settle], now: float) -> Any:
    """Settle as it should be done, but let every key go, although some of the events come back."""
    settle_as_it_should_be(self, subscription, settles, now)
    return [settle.token.key for settle in settles if settle.token.key is not None]


def settle_with_any_claim(self: Settling, token: Ticket) -> bool:
    """Ask whether the event is held, but not whether it is this holder's."""
    return bool(self._held.get(token.subscription, {}).get(token.place))


settle_as_it_should_be = Settling._count
FAULTS = {"_count": free_keys_of_waiting_events, "_is_valid": settle_with_any_claim}


@pytest.mark.timeout(400)  # several hundred histories, as they come
@pytest.mark.parametrize("place", [pytest.param("_count", marks=pytest.mark.slow), "_is_valid"])
def test_planted_fault_is_found(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settling, place, FAULTS[place])

    # The same histories each time: what is found once is found always.
    chosen = settings(
        max_examples=600, stateful_step_count=30, phases=[Phase.generate], derandomize=True, database=None
    )
    with pytest.raises((AssertionError, LookupError, apsw.ConstraintError)):
        run_state_machine_as_test(Twins, settings=chosen)
