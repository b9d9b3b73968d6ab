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
    Ingress,
    Member,
    Mode,
    Put,
    Release,
    SeekTo,
    Settle,
    Source,
    Switch,
    Topic,
    TopicSpec,
    Unit,
)
from vagus.backends.sqlite.engine.cache import Subscription
from vagus.backends.sqlite.engine.reading import Reading
from vagus.backends.sqlite.engine.settling import Settling, Ticket
from vagus.errors import GroupConflict
from vagus.ledger.model import Ledger
from vagus.ledger.subscription import Held
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
JOINED = tuple((Inbox(group), member) for group, members in MEMBERS.items() for member in members)
DISPATCHERS = tuple((Ingress(group), Member("dispatcher")) for group in MEMBERS)
EMPTIERS = tuple((Inbox(seat.group, member.name), Member("emptier")) for seat, member in JOINED)
SEATS = JOINED + DISPATCHERS + EMPTIERS
WAYS: tuple[tuple[Mode, str], ...] = (("once", ""), ("all", ""), ("once", "in turn"), ("once", "by lot"))
TARGETS = (Topic("t.one"), Topic("t.wide"), Topic("t.small"), Topic("t.other"), Topic("unheard"))
INBOXES = (
    Inbox("ordered"),
    Inbox("ordered", "ann"),
    Inbox("loose"),
    Inbox("everyone"),
    Inbox("everyone", "dan"),
    Dead("ordered"),
    Dead("everyone"),
    Dead("everyone", "dan"),
)

COUNTED = ("matched", "redriven", "replayed", "acked", "held", "waiting", "parked", "ready")

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
    epoch=st.sampled_from((0, 0, 1)),
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
        delivery.member,
        delivery.epoch,
    )


def in_order(taken: Sequence[Delivery], lapsed: int) -> list[Delivery]:
    """Deliveries as they came; where several of them were lost, sorted by where they lie."""
    if lapsed < 2:
        return list(taken)
    return sorted(taken, key=lambda delivery: (delivery.member or "", delivery.topic, delivery.position))


def joined(units: Sequence[Unit]) -> Unit:
    """One unit with all that these have."""
    return Unit([put for unit in units for put in unit.puts], [each for unit in units for each in unit.settles])


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
        self.moves = 0
        self.whole = True  # nothing was moved onto a twin of itself, which the books cannot know

    def teardown(self) -> None:
        self.rig.close()
        shutil.rmtree(self.folder)

    @initialize()
    def declare(self) -> None:
        self.model.declare(TOPICS, self.groups, self.now)
        self.rig.do(lambda engine: engine.declaring.declare(TOPICS, self.groups, self.now), self.now)
        for seat, member in JOINED:
            self.join(seat.group, member)

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
        seat=st.one_of(st.sampled_from(JOINED), st.sampled_from(SEATS)),
        limit=st.integers(1, 6),
        credit=st.integers(1, 8),
        lanes=st.sampled_from(((), (), (), (9, 5, 0), (0,))),
    )
    def take(self, seat: tuple[Source, Member], limit: int, credit: int, lanes: tuple[int, ...]) -> None:
        source, member = seat
        self.model.advance(self.now)
        lapsed = self.lapsed(source, member)
        if lapsed > 1:  # in which order several events come back is promised by nobody: take all of them
            limit = credit = 1_000
        expected = in_order(self.model.take(source, member, credit, limit, lanes, self.now), lapsed)
        taken = in_order(self.rig.take(source, member, limit, self.now, lanes=lanes, credit=credit), lapsed)
        mine, theirs = list(map(told, taken)), list(map(told, expected))
        assert mine == theirs, f"{mine} instead of {theirs}"
        self.tokens += [(theirs.token, ours.token) for theirs, ours in zip(expected, taken, strict=True)]
        emptied = self.rig.do(lambda engine: engine.members.is_emptied(source), self.now)
        assert emptied == self.model.is_emptied(source)

    @rule(
        seat=st.sampled_from(DISPATCHERS + DISPATCHERS + EMPTIERS),
        limit=st.integers(1, 3),
        to=st.sampled_from(("ann", "bob", "cat", "dan", "eve", None)),
        twin=st.booleans(),
        split=st.booleans(),
    )
    def dispatch(self, seat: tuple[Source, Member], limit: int, to: str | None, twin: bool, split: bool) -> None:
        """Take from an ingress or an inbox that is emptied, and move what comes on: in one unit, or one for each."""
        before = len(self.tokens)
        self.take(seat, limit, 100, ())
        mine, theirs = [], []
        for held, ticket in self.tokens[before:]:
            self.moves += 1
            put = held.row.put
            moved = Put(
                Inbox(seat[0].group, to),
                put.envelope,
                key=put.key,
                entry="moved",
                dedupe=f"move {0 if twin else self.moves}",
                losses=held.losses,
                after_s=4.0 if put.lane == 5 and to else 0.0,
                epoch=self.moves % 3,
            )
            theirs.append(Unit([moved], [Settle(held, Done("moved"))]))
            mine.append(Unit([moved], [Settle(ticket, Done("moved"))]))
        if not split and mine:
            mine, theirs = [joined(mine)], [joined(theirs)]
        self.model.advance(self.now)
        expected = self.model.commit(theirs, self.now)[0]
        outcomes = self.rig.commit(mine, self.now, anew=not self.alone)
        assert [(list(one.puts), list(one.settles)) for one in outcomes] == [
            (list(one.puts), list(one.settles)) for one in expected
        ]
        self.whole = self.whole and not any(put.status == "duplicate" for one in expected for put in one.puts)

    @rule(group=st.sampled_from(tuple(MEMBERS)), way=st.sampled_from(WAYS), stale=st.booleans())
    def switch(self, group: str, way: tuple[Mode, str], stale: bool) -> None:
        self.model.advance(self.now)
        epoch = self.model.groups[group].steering.epoch
        if stale:
            with pytest.raises(GroupConflict):
                self.rig.engine.switching.switch(group, Switch(*way, epoch), self.now)
        change = Switch(*way, epoch + 1)
        expected = self.model.switch(group, change, self.now)
        ours = self.rig.do(lambda engine: engine.switching.switch(group, change, self.now), self.now)
        assert ours == expected

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
        self.rig.do(lambda engine: engine.switching.seek(group, change, self.now), self.now, anew=not self.alone)

    @rule(seat=st.sampled_from(SEATS))
    def leave(self, seat: tuple[Source, Member]) -> None:
        source, member = seat
        self.model.advance(self.now)
        if self.holds(source, member) > 1:
            return  # in which order several events come back is promised by nobody
        self.model.leave(source, member, self.now)
        self.rig.do(lambda engine: engine.members.leave(source, member, self.now), self.now)

    def held(self, source: Source, member: Member) -> list[Held]:
        found = self.model.groups[source.group].sources(source, member.name)
        return [held for one in found for held in one.held.values()]

    def lapsed(self, source: Source, member: Member) -> int:
        return sum(held.claim.until <= self.now for held in self.held(source, member))

    def holds(self, source: Source, member: Member) -> int:
        return sum(held.claim.member == member.name for held in self.held(source, member))

    @rule(ordered=st.booleans(), lanes=st.sampled_from((1, 10)), less=st.booleans())
    def declare_again(self, ordered: bool, lanes: int, less: bool) -> None:
        topic = TopicSpec(name="t.one", lanes=lanes)
        patterns = ("t.small",) if less else self.groups[0].patterns
        group = msgspec.structs.replace(ORDERED, patterns=patterns, ordered=ordered)
        self.model.advance(self.now)
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
            if self.whole:
                assert sum(figures.entered for figures in ours) == sum(figures.accounted for figures in ours)
            assert all(getattr(figures, name) >= 0 for figures in ours for name in COUNTED)

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
        for mine, theirs in zip(ours.groups, expected.groups, strict=True):
            assert (mine.spec, mine.steering, mine.cuts) == (theirs.spec, theirs.steering, theirs.cuts)
            assert (mine.orphans, mine.idle_s) == (theirs.orphans, theirs.idle_s)
            assert {each.name: each.held for each in mine.members} == {each.name: each.held for each in theirs.members}


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


class Steered(Twins):
    """Little but what is steered: keyed events, takes, moves and settles, with switches and replays in between."""

    groups = (
        msgspec.structs.replace(ORDERED, patterns=("t.one", "t.wide"), pick="in turn"),
        LOOSE,
        msgspec.structs.replace(EVERYONE, patterns=("t.one", "t.wide"), start="first"),
    )
    commit = extend = declare_again = logs_are_the_same = None  # type: ignore[assignment]

    def take(self, *what: Any) -> None:
        Twins.take(self, *what)

    def dispatch(self, *what: Any) -> None:
        Twins.dispatch(self, *what)

    def switch(self, *what: Any) -> None:
        Twins.switch(self, *what)

    def seek(self, *what: Any) -> None:
        Twins.seek(self, *what)

    @rule(
        topic=st.sampled_from(("t.one", "t.one", "t.wide")),
        keys=st.lists(st.sampled_from((None, "k1", "k1", "k2")), min_size=1, max_size=4),
        lane=st.sampled_from((0, 0, 5)),
    )
    def publish(self, topic: str, keys: list[str | None], lane: int) -> None:
        puts = [Put(Topic(topic), Envelope(b"%d" % number), key=key, lane=lane) for number, key in enumerate(keys)]
        self.model.commit([Unit(puts)], self.now)
        self.rig.commit([Unit(puts)], self.now)

    @rule(seat=st.sampled_from(tuple(seat for seat in JOINED if seat[0].group != "loose")), back=st.booleans())
    def work(self, seat: tuple[Source, Member], back: bool) -> None:
        """Take what there is; settle all of it, or give the first one back and keep the rest."""
        before = len(self.tokens)
        self.take(seat, 3, 100, ())
        self.settle([Release(0.0) if back else Done("acked")] * (1 if back else 3), self.tokens[before:])

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), action=st.sampled_from((Done("acked"), Done("acked"), Done("dead"), Release(3.0))))
    def settle_one(self, data: st.DataObject, action: Done | Release) -> None:
        self.settle([action], [data.draw(st.sampled_from(self.tokens[-RECENT:]))])

    def settle(self, actions: list[Done | Release], tokens: list[tuple[Any, Any]]) -> None:
        chosen = list(zip(tokens, actions, strict=False))
        self.model.advance(self.now)
        expected = self.model.commit([Unit((), [Settle(held, action)]) for (held, _), action in chosen], self.now)[0]
        ours = self.rig.commit([Unit((), [Settle(ticket, action)]) for (_, ticket), action in chosen], self.now)
        assert [list(one.settles) for one in ours] == [list(one.settles) for one in expected]

    @rule(
        seat=st.sampled_from(((Ingress("ordered"), Member("dispatcher")),) * 4 + EMPTIERS[:2]),
        limit=st.integers(1, 4),
        to=st.sampled_from(("ann", "ann", "bob", "bob", None)),
        twin=st.sampled_from((False, False, False, True)),
        split=st.booleans(),
    )
    def move_on(self, seat: tuple[Source, Member], limit: int, to: str | None, twin: bool, split: bool) -> None:
        self.dispatch(seat, limit, to, twin, split)

    @rule(group=st.sampled_from(("ordered", "ordered", "everyone")), way=st.sampled_from(WAYS), start=starts)
    def turn(self, group: str, way: tuple[Mode, str], start: Any) -> None:
        """Switch, or now and then replay, or keep the order of keys from now on or no longer."""
        if way != ("once", "by lot"):
            self.switch(group, way, False)
        elif isinstance(start, First | Ago):
            self.seek(start, group, False, None, 1, True)
        elif isinstance(start, After):
            declared = msgspec.structs.replace(self.groups[0], ordered=int(start.position) % 3 > 0)
            self.model.advance(self.now)
            self.model.declare([], [declared], self.now)
            self.rig.do(lambda engine: engine.declaring.declare([], [declared], self.now), self.now)


def compare(machine: type[Twins], examples: int, steps: int = 30) -> None:
    """Do at random what can be done, and compare after each step."""
    chosen = settings(max_examples=examples, stateful_step_count=steps, database=None)
    run_state_machine_as_test(machine, settings=chosen)


@pytest.mark.contract("G2", "G3", "G4", "G8", "G9", "G10", "G12", "G15", "G20")
@pytest.mark.parametrize("machine", [Twins, Neighbours, Steered])
def test_file_behaves_as_the_model_whatever_is_done(machine: type[Twins]) -> None:
    compare(machine, examples=40)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.contract("G2", "G3", "G4", "G8", "G9", "G10", "G12", "G15", "G20")
@pytest.mark.parametrize("machine", [Twins, Neighbours, Steered])
def test_file_behaves_as_the_model_in_long_histories(machine: type[Twins]) -> None:
    compare(machine, examples=500, steps=50)


def free_keys_of_waiting_events(self: Settling, subscription: Subscription, settles: list[Settle], now: float) -> Any:
    """Settle as it should be done, but let every key go, although some of the events come back."""
    settle_as_it_should_be(self, subscription, settles, now)
    return [settle.token.key for settle in settles if settle.token.key is not None]


def settle_with_any_claim(self: Settling, token: Ticket) -> bool:
    """Ask whether the event is held, but not whether it is this holder's."""
    return bool(self._held.get(token.subscription, {}).get(token.place))


def hand_a_replay_out_as_new(self: Reading, generation: int, replayed: int) -> None:
    """Forget at a switch that what is read from here on comes again."""


def free_the_keys_of_moved_events(self: Settling, settles: Any, arrived: Any) -> None:
    """Let every key go that a moved event had, although it lies in an inbox now."""


settle_as_it_should_be = Settling._count
FAULTS = {
    "free_keys_of_waiting_events": (Steered, Settling, "_count", free_keys_of_waiting_events),
    "settle_with_any_claim": (Twins, Settling, "_is_valid", settle_with_any_claim),
    "hand_a_replay_out_as_new": (Steered, Reading, "replay_as", hand_a_replay_out_as_new),
    "free_the_keys_of_moved_events": (Steered, Settling, "keep_places", free_the_keys_of_moved_events),
}


@pytest.mark.timeout(400)  # several hundred histories, as they come
@pytest.mark.parametrize(
    "fault",
    [
        "free_keys_of_waiting_events",
        "settle_with_any_claim",
        "free_the_keys_of_moved_events",
        pytest.param("hand_a_replay_out_as_new", marks=pytest.mark.slow),
    ],
)
def test_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, owner, name, wrong = FAULTS[fault]
    monkeypatch.setattr(owner, name, wrong)

    # The same histories each time: what is found once is found always.
    chosen = settings(
        max_examples=2_000, stateful_step_count=40, phases=[Phase.generate], derandomize=True, database=None
    )
    with pytest.raises((AssertionError, LookupError, apsw.ConstraintError)):
        run_state_machine_as_test(machine, settings=chosen)
