"""Rules 1 to 4 and 10: logs, topics, dedupe, bounds, and what is kept."""

from __future__ import annotations

import pytest

from tests.ledger.desk import GROUP, Desk, body_of
from vagus.backend import After, Ago, Dead, End, First, GroupSpec, Inbox, Member, Put, Start, Topic, TopicSpec, Unit
from vagus.errors import InvalidArgument
from vagus.ledger.log import log_name
from vagus.ledger.model import KEEP_S, Limits
from vagus.message import Envelope

FIRST = First()


def read(desk: Desk, start: Start = FIRST, limit: int = 100, topic: str = "t") -> str:
    return "".join(record.envelope.body.decode() for record in desk.ledger.read(topic, start, limit, desk.now))


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Topic("t.x"), "t.x"),
        (Inbox("g"), "$inbox.g"),
        (Inbox("g", "ann"), "$inbox.g/ann"),
        (Dead("g"), "$dead.g"),
        (Dead("g", "ann"), "$dead.g"),
    ],
)
def test_each_target_has_its_log(target: Topic | Inbox | Dead, name: str) -> None:
    assert log_name(target) == name


# --- rule 1: logs ----------------------------------------------------------------------------------------------------


@pytest.mark.contract("G9")
def test_positions_are_one_sequence_over_all_lanes() -> None:
    desk = Desk(lanes=10)
    for lane in (0, 9, 5, 42, -1):
        desk.put(str(lane), lane=lane)
    records = desk.ledger.read("t", First(), 10, desk.now)
    assert [(record.position, record.lane) for record in records] == [(1, 0), (2, 9), (3, 5), (4, 0), (5, 0)]


@pytest.mark.contract("G10")
def test_delayed_event_enters_its_log_when_due() -> None:
    desk = Desk()
    desk.put("late", after_s=5)
    desk.put("first")
    assert read(desk) == "first"
    assert desk.ledger.describe(desk.now).topics[0].scheduled == 1
    desk.now += 5
    assert desk.ledger.advance(desk.now) == {"t"}
    assert read(desk) == "firstlate"


@pytest.mark.contract("G14")
@pytest.mark.parametrize(
    ("start", "found"),
    [
        (First(), "abc"),
        (End(), ""),
        (After(1), "bc"),
        (After("2"), "c"),
        (After(99), ""),
        (Ago(15), "bc"),
        (Ago(0.5), ""),
        (Ago(1_000), "abc"),
    ],
)
def test_log_is_read_from_every_start(start: Start, found: str) -> None:
    desk = Desk()
    for body in "abc":
        desk.put(body)
        desk.now += 10
    desk.now -= 5
    assert read(desk, start) == found
    assert read(desk, start, limit=1) == found[:1]


def test_position_that_is_no_number_is_refused() -> None:
    desk = Desk()
    with pytest.raises(InvalidArgument, match="a whole number, got 'x'"):
        desk.ledger.read("t", After("x"), 1, desk.now)


def test_log_that_is_not_there_reads_as_empty() -> None:
    assert read(Desk(), topic="nowhere") == ""


# --- rule 2: topics --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "heard", "status"),
    [
        ("t", True, "stored"),
        ("nobody", True, "refused no group"),
        ("nobody", False, "unheard"),
        ("archive", True, "stored"),
        ("made.by.put", True, "stored"),
        ("made.by.put", False, "stored"),
    ],
)
def test_put_needs_a_listener_or_an_archive(topic: str, heard: bool, status: str) -> None:
    desk = Desk(patterns=("t", "made.#"))
    desk.declare(TopicSpec(name="archive", archive=True))
    assert desk.put("x", topic, heard=heard) == status


def test_topic_that_was_declared_and_is_not_heard_takes_no_put() -> None:
    desk = Desk()
    desk.declare(TopicSpec(name="silent"))
    assert desk.put("x", "silent") == "refused no group"
    assert desk.put("x", "silent", heard=False) == "unheard"
    assert [topic.unheard for topic in desk.ledger.describe(desk.now).topics] == [1, 0]


def test_dead_letters_need_no_listener_and_an_inbox_needs_its_reader() -> None:
    desk = Desk()
    assert desk.put("x", Dead("elsewhere")) == "stored"
    assert desk.put("x", Dead("elsewhere"), entry="discarded") == "stored"
    assert desk.put("x", Inbox("elsewhere")) == "refused no group"
    assert desk.put("x", Inbox(GROUP)) == "stored"


def test_topic_that_a_later_group_hears_is_heard() -> None:
    desk = Desk()
    desk.put("lost", "later", heard=False)
    desk.declare(GroupSpec(name="late", patterns=("later",)))
    assert desk.put("kept", "later") == "stored"
    assert desk.bodies(group="late") == "kept"


@pytest.mark.parametrize(("start", "found"), [("first", "ab"), ("now", "b")])
def test_group_starts_where_it_says(start: str, found: str) -> None:
    desk = Desk()
    desk.put("a")
    desk.declare(GroupSpec(name="late", patterns=("t",), start=start))  # type: ignore[arg-type]
    desk.put("b")
    assert desk.bodies(group="late") == found


# --- rule 3: dedupe --------------------------------------------------------------------------------------------------


@pytest.mark.contract("G12")
def test_duplicate_changes_nothing() -> None:
    desk = Desk()
    assert [desk.put(body, dedupe="d") for body in "ab"] == ["stored", "duplicate"]
    assert desk.put("c") == desk.put("c") == "stored"
    assert read(desk) == "acc"
    assert desk.ledger.describe(desk.now).topics[0].duplicates == 1


@pytest.mark.contract("G12")
def test_scheduled_event_is_known_as_well() -> None:
    desk = Desk()
    desk.put("a", dedupe="d", after_s=5)
    put = Put(Topic("t"), Envelope(b"again"), dedupe="d")
    assert desk.commit(Unit([put]))[0].puts[0].position is None
    desk.now += 5
    desk.ledger.advance(desk.now)
    assert desk.commit(Unit([put]))[0].puts[0].position == 1


@pytest.mark.contract("G12")
def test_oldest_values_are_forgotten_but_those_of_unsettled_events() -> None:
    desk = Desk(limits=Limits(settled=0, dedupe=1))
    for body in "abc":
        desk.put(body, dedupe=body)
    first, _ = desk.take(2)
    desk.settle(first)
    desk.ledger.trim(desk.now)
    assert [desk.put("again", dedupe=body) for body in "abc"] == ["stored", "duplicate", "duplicate"]


@pytest.mark.contract("G12")
def test_value_of_a_scheduled_event_is_not_forgotten() -> None:
    desk = Desk(limits=Limits(settled=0, dedupe=0))
    desk.put("late", dedupe="late", after_s=60)
    desk.put("b", dedupe="b")
    desk.ledger.trim(desk.now)
    assert desk.put("again", dedupe="late") == "duplicate"


# --- rule 4: bounds --------------------------------------------------------------------------------------------------


@pytest.mark.contract("G13")
def test_full_topic_refuses_until_something_is_settled() -> None:
    desk = Desk(max_events=2)
    assert [desk.put(body, dedupe=body) for body in "abc"] == ["stored", "stored", "refused full"]
    assert desk.put("a", dedupe="a") == "duplicate"
    desk.settle(desk.take(1)[0])
    assert [desk.put("d"), desk.put("e")] == ["stored", "refused full"]


@pytest.mark.contract("G13")
def test_scheduled_events_and_a_replay_count_for_the_bound() -> None:
    desk = Desk(max_events=2)
    desk.put("late", after_s=60)
    desk.put("a")
    assert desk.put("b") == "refused full"
    desk.settle(desk.take()[0])
    assert desk.put("b") == "stored"
    desk.settle(desk.take()[0])
    desk.seek(First())
    assert desk.put("c") == "refused full"


@pytest.mark.contract("G13")
def test_unit_that_finds_no_room_for_all_stores_none() -> None:
    desk = Desk(max_events=1)
    puts = [Put(Topic("t"), Envelope(b"a")), Put(Topic("t"), Envelope(b"b"))]
    (outcome,) = desk.commit(Unit(puts))
    assert [put.status for put in outcome.puts] == ["untried", "refused"]
    assert read(desk) == ""


@pytest.mark.contract("G13")
def test_every_reader_counts_for_the_bound() -> None:
    desk = Desk(max_events=1)
    desk.declare(GroupSpec(name="other", patterns=("t",)))
    desk.put("a")
    desk.settle(desk.take()[0])
    assert desk.put("b") == "refused full"
    desk.settle(desk.take(group="other")[0])
    assert desk.put("b") == "stored"


# --- rule 10: what is kept -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age_s", "kept"), [(KEEP_S - 1, "ab"), (KEEP_S + 1, "")])
def test_settled_events_are_kept_for_a_week(age_s: float, kept: str) -> None:
    desk = Desk()
    for body in "ab":
        desk.put(body, key=body)
    for delivery in desk.take():
        desk.settle(delivery)
    desk.now += age_s
    desk.ledger.trim(desk.now)
    assert read(desk) == kept


def test_unsettled_event_is_never_removed() -> None:
    desk = Desk()
    for body in "abc":
        desk.put(body)
    first, second, _ = desk.take()
    desk.settle(second)
    desk.now += 2 * KEEP_S
    desk.ledger.trim(desk.now)
    assert read(desk) == "abc"
    assert desk.settle(first) == "done"
    desk.ledger.trim(desk.now)
    assert read(desk) == "c"
    assert [body_of(delivery) for delivery in desk.take()] == ["c"]


def test_topic_says_how_long_it_keeps_and_dead_letters_stay() -> None:
    desk = Desk()
    desk.declare(TopicSpec(name="t", keep_s=5))
    desk.put("a")
    desk.put("dead", Dead(GROUP))
    desk.settle(desk.take()[0])
    desk.now += KEEP_S * 2
    desk.ledger.trim(desk.now)
    assert (read(desk), read(desk, topic="$dead.g")) == ("", "dead")


def test_old_events_are_removed_while_others_are_put() -> None:
    desk = Desk(limits=Limits(settled=10))
    for _ in range(60):
        for delivery in desk.take():
            desk.settle(delivery)
        desk.commit(*(Unit([Put(Topic("t"), Envelope(b"x"))]) for _ in range(10)))
    assert desk.ledger.describe(desk.now).topics[0].kept < 120


def test_keys_of_removed_events_are_forgotten_lane_by_lane() -> None:
    desk = Desk(lanes=10, limits=Limits(settled=0))
    for body, lane in (("a", 0), ("b", 9), ("c", 9)):
        desk.put(body, key="k", lane=lane)
    for expected in "abc":
        (delivery,) = desk.take()
        assert body_of(delivery) == expected
        desk.settle(delivery)
        desk.ledger.trim(desk.now)
    assert desk.ledger.logs["t"]._by_key == {}


def test_dropped_topic_is_gone_and_its_unread_events_are_skipped() -> None:
    desk = Desk()
    for body in "ab":
        desk.put(body)
    (held,) = desk.take(1)
    desk.ledger.drop(Topic("t"), desk.now)
    desk.ledger.drop(Topic("$inbox.g"), desk.now)
    assert desk.figures().skipped == 1
    assert desk.settle(held) == "done"
    assert desk.put("c") == "stored"
    assert desk.bodies() == "c"


def test_member_who_takes_after_everything_was_dropped_learns_it() -> None:
    desk = Desk()
    desk.ledger.drop(Inbox(GROUP), desk.now)
    desk.ledger.drop(Inbox(GROUP), desk.now)
    desk.ledger.drop(Inbox("never", "ann"), desk.now)
    assert desk.ledger.next_due(Inbox(GROUP), Member("ann")) is None
    with pytest.raises(InvalidArgument, match="no group 'g' was declared"):
        desk.take()
