"""Rules 5 to 8 and 12: subscriptions, takes, keys, settles, books."""

from __future__ import annotations

import pytest

from tests.ledger.desk import ANN, BOB, GROUP, LEASE_S, Desk, body_of
from vagus.backend import (
    After,
    Ago,
    Dead,
    Done,
    End,
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
from vagus.errors import GroupConflict, InvalidArgument

# --- rule 5: subscriptions -------------------------------------------------------------------------------------------


@pytest.mark.contract("G2")
def test_members_of_a_once_group_share_what_there_is() -> None:
    desk = Desk()
    for body in "abc":
        desk.put(body)
    assert (desk.bodies(2, ANN), desk.bodies(2, BOB), desk.bodies(2, ANN)) == ("ab", "c", "")


@pytest.mark.contract("G3")
def test_each_member_of_all_has_its_own_cursor_and_inbox() -> None:
    desk = Desk(mode="all")
    desk.ledger.attach(GROUP, ANN, desk.now)
    desk.put("a")
    desk.ledger.attach(GROUP, BOB, desk.now)
    desk.put("b")
    desk.inbox("x", "ann")
    assert (desk.bodies(member=ANN), desk.bodies(member=BOB)) == ("xab", "b")


def test_mode_of_a_group_stays_as_it_was_declared() -> None:
    with pytest.raises(GroupConflict, match="delivers 'once', it cannot be declared to deliver 'all'"):
        Desk().declare(GroupSpec(name=GROUP, patterns=("t",), mode="all"))


def test_group_that_reads_a_topic_no_more_skips_what_was_unread() -> None:
    desk = Desk()
    desk.put("a")
    desk.declare(GroupSpec(name=GROUP, patterns=("u",)))
    desk.put("b", heard=False)
    assert desk.put("c", "u") == "stored"
    assert desk.bodies() == "c"
    assert desk.figures().skipped == 1


def test_lanes_that_are_added_are_read_too() -> None:
    desk = Desk()
    desk.put("a", key="k")
    desk.declare(TopicSpec(name="t", lanes=10))
    desk.put("b", key="k", lane=9)
    desk.put("c", lane=9)
    assert desk.bodies() == "ca"  # the order of a key beats priority: b waits for a


# --- rule 6: takes ---------------------------------------------------------------------------------------------------


@pytest.mark.contract("G4", "G5")
def test_take_gives_the_lost_then_the_due_then_the_log() -> None:
    desk = Desk()
    for body in "abc":
        desk.put(body)
    lost, given_back = desk.take(2)
    desk.settle(given_back, Release(LEASE_S))
    desk.now += LEASE_S
    assert [(body_of(d), d.losses) for d in desk.take()] == [("a", 1), ("b", 0), ("c", 0)]
    assert desk.settle(lost) == "lost"


def test_take_gives_no_more_than_the_limit_of_each_kind() -> None:
    desk = Desk()
    for body in "abcdef":
        desk.put(body)
    for delivery in desk.take(4)[2:]:
        desk.settle(delivery, Release())
    desk.now += LEASE_S
    assert [desk.bodies(1, BOB) for _ in range(6)] == list("abcdef")


@pytest.mark.contract("G13")
def test_member_holds_no_more_than_its_credit() -> None:
    desk = Desk()
    for body in "abc":
        desk.put(body)
    held = desk.take(credit=2)
    assert len(held) == 2
    assert desk.bodies(credit=2) == ""
    (_, _, gained) = desk.ledger.commit([Unit((), [Settle(held[0].token, Done("acked"))])], desk.now)
    assert gained == {desk.subscription}
    assert desk.bodies(credit=2) == "c"


def test_starved_member_waits_for_a_lease_alone() -> None:
    desk = Desk()
    desk.put("a")
    desk.put("late", after_s=3)
    assert desk.ledger.next_due(Inbox(GROUP), ANN) == desk.now + 3
    desk.take(1, credit=1)
    desk.take(1, credit=1)
    assert desk.ledger.next_due(Inbox(GROUP), ANN) == desk.now + LEASE_S
    assert desk.ledger.next_due(Inbox(GROUP), BOB) == desk.now + 3


def test_next_due_is_the_earliest_of_lease_wait_and_schedule() -> None:
    desk = Desk()
    assert desk.ledger.next_due(Inbox(GROUP), ANN) is None
    desk.put("a")
    (delivery,) = desk.take()
    assert desk.ledger.next_due(Inbox(GROUP), ANN) == desk.now + LEASE_S
    desk.settle(delivery, Release(4))
    assert desk.ledger.next_due(Inbox(GROUP), ANN) == desk.now + 4


@pytest.mark.contract("G9")
@pytest.mark.parametrize(("lanes", "found"), [((), "975"), ((5, 9), "59"), ((7,), "7"), ((1,), "")])
def test_lanes_are_taken_in_the_order_given(lanes: tuple[int, ...], found: str) -> None:
    desk = Desk(lanes=10)
    for lane in (5, 9, 7):
        desk.put(str(lane), lane=lane)
    assert desk.bodies(lanes=lanes) == found


def test_inbox_goes_first_then_the_topic_that_waited_longest() -> None:
    desk = Desk(patterns=("t", "u"))
    for topic in ("t", "u"):
        for number in (1, 2):
            desk.put(f"{topic}{number} ", topic)
    desk.inbox("x ")
    assert [desk.bodies(1) for _ in range(5)] == ["x ", "t1 ", "u1 ", "t2 ", "u2 "]


# --- rule 7: keys ----------------------------------------------------------------------------------------------------


@pytest.mark.contract("G8")
def test_busy_key_is_parked_and_the_take_goes_on_behind_it() -> None:
    desk = Desk()
    for body, key in (("a", "k"), ("b", "k"), ("c", "m"), ("d", None)):
        desk.put(body, key=key)
    first, *others = desk.take()
    assert "".join(map(body_of, others)) == "cd"
    assert desk.figures().parked == 1
    desk.settle(first, Release(5))
    assert desk.bodies() == ""
    desk.now += 5
    (again,) = desk.take()
    desk.settle(again)
    assert desk.bodies() == "b"


@pytest.mark.contract("G8")
@pytest.mark.parametrize("ending", ["acked", "dead", "expired", "cancelled", "skipped", "moved"])
def test_every_ending_frees_the_key(ending: str) -> None:
    desk = Desk()
    desk.put("a", key="k")
    desk.put("b", key="k")
    desk.settle(desk.take()[0], ending)
    assert desk.bodies() == "b"


def test_freed_key_goes_to_the_quicker_take_only_once() -> None:
    desk = Desk()
    for body in "abc":
        desk.put(body, key="k")
    desk.settle(desk.take()[0])
    assert (desk.bodies(member=ANN), desk.bodies(member=BOB)) == ("b", "")


def test_freed_events_come_within_the_limit() -> None:
    desk = Desk()
    for body, key in (("a", "k"), ("b", "m"), ("c", "k"), ("d", "m")):
        desk.put(body, key=key)
    for delivery in desk.take():
        desk.settle(delivery)
    assert (desk.bodies(1), desk.bodies(1)) == ("c", "d")


@pytest.mark.contract("G8", "G9")
def test_order_of_a_key_beats_the_order_of_lanes() -> None:
    desk = Desk(lanes=10)
    desk.put("a", key="k", lane=0)
    desk.put("b", key="k", lane=9)
    desk.put("c", key="k", lane=5)
    found = ""
    for _ in range(3):
        (delivery,) = desk.take()
        found += body_of(delivery)
        desk.settle(delivery)
    assert found == "abc"


def test_parked_events_of_a_key_lie_in_the_order_of_their_log() -> None:
    desk = Desk(lanes=10)
    for body, lane in (("a", 0), ("b", 5), ("c", 9)):
        desk.put(body, key="k", lane=lane)
    (first,) = desk.take()
    assert body_of(first) == "a"
    desk.settle(first)
    assert [(delivery.position, body_of(delivery)) for delivery in desk.take()] == [(2, "b")]


def test_inbox_entry_holds_the_place_of_its_key() -> None:
    desk = Desk()
    desk.inbox("x", key="k")
    desk.put("a", key="k")
    (entry,) = desk.take()
    assert body_of(entry) == "x"
    desk.put("b", key="k")
    desk.inbox("y", key="k")
    assert desk.bodies() == ""
    desk.settle(entry)
    (second,) = desk.take()
    assert body_of(second) == "a"
    desk.settle(second)
    third, *_ = desk.take()
    assert body_of(third) in ("b", "y")


def test_parked_event_of_another_log_lets_nobody_pass_it() -> None:
    desk = Desk(patterns=("t", "u"))
    desk.put("a", "t", key="k")
    desk.put("b", "u", key="k")
    desk.put("c", "t", key="k")
    found = ""
    for _ in range(3):
        (delivery,) = desk.take()
        found += body_of(delivery)
        desk.settle(delivery)
    assert sorted(found) == ["a", "b", "c"]
    assert found.index("a") < found.index("c")


def test_order_can_be_given_up_and_asked_for_again() -> None:
    desk = Desk()
    for body in "abcd":
        desk.put(body, key="k")
    (a,) = desk.take(2)
    desk.declare(GroupSpec(name=GROUP, patterns=("t",), ordered=False))
    b, c, d = desk.take()
    desk.settle(d, Release())
    desk.declare(GroupSpec(name=GROUP, patterns=("t",), ordered=True))
    desk.declare(GroupSpec(name=GROUP, patterns=("t",), ordered=True))
    desk.put("e", key="k")
    assert desk.bodies() == "d"
    for delivery in (a, b, c):
        assert desk.settle(delivery) == "done"
        assert desk.bodies() == ""
    desk.now += LEASE_S * 10
    (d,) = desk.take()
    desk.settle(d)
    assert desk.bodies() == "e"


def test_events_without_a_key_go_on_when_order_is_asked_for() -> None:
    desk = Desk(ordered=False)
    desk.put("a")
    desk.put("b", key="k")
    a, b = desk.take()
    desk.declare(GroupSpec(name=GROUP, patterns=("t",), ordered=True))
    assert [desk.settle(a), desk.settle(b)] == ["done", "done"]
    desk.put("c", key="k")
    assert desk.bodies() == "c"


def test_parked_event_of_a_dropped_topic_still_comes() -> None:
    desk = Desk(patterns=("t", "u"))
    desk.put("a", "t", key="k")
    desk.put("b", "u", key="k")
    (first,) = desk.take()
    desk.ledger.drop(Topic("u"), desk.now)
    desk.settle(first)
    assert desk.bodies() == "b"


def test_freed_event_whose_key_was_taken_again_waits_for_it() -> None:
    desk = Desk(patterns=("t", "u"))
    desk.inbox("x", key="k")
    desk.put("a", "u", key="k")
    (first,) = desk.take()
    desk.ledger.drop(Topic("u"), desk.now)
    desk.declare(TopicSpec(name="u", lanes=10))  # a topic of the same name, which counts from 1 again
    desk.settle(first)
    desk.put("b", "u", key="k", lane=5)
    (second,) = desk.take()
    assert body_of(second) == "b"
    desk.settle(second)
    assert desk.bodies() == "a"


# --- rule 8: settles -------------------------------------------------------------------------------------------------


@pytest.mark.contract("G4")
def test_claim_that_was_taken_by_another_is_lost() -> None:
    desk = Desk()
    desk.put("a")
    (old,) = desk.take(member=ANN)
    desk.now += LEASE_S
    (new,) = desk.take(member=BOB)
    assert (desk.settle(old), desk.settle(new), desk.settle(new)) == ("lost", "done", "lost")
    assert desk.figures().lost == 1


@pytest.mark.contract("G4")
def test_lapsed_claim_that_nobody_took_is_still_valid() -> None:
    desk = Desk()
    desk.put("a")
    (delivery,) = desk.take()
    desk.now += LEASE_S * 2
    desk.ledger.groups[GROUP].shared.lapse(desk.now)
    assert desk.settle(delivery) == "done"
    assert desk.bodies(member=BOB) == ""
    assert desk.figures().lost == 0


@pytest.mark.contract("G4")
def test_extended_lease_does_not_lapse_and_a_lost_one_is_named() -> None:
    desk = Desk()
    desk.put("a")
    desk.put("b")
    a, b = desk.take(member=ANN)
    desk.now += LEASE_S - 1
    assert desk.ledger.extend(GROUP, ANN, [a.token], LEASE_S, desk.now) == []
    desk.now += 2
    assert desk.bodies(member=BOB) == "b"
    assert desk.ledger.extend(GROUP, ANN, [a.token, b.token], LEASE_S, desk.now) == [b.token]
    assert desk.ledger.extend(GROUP, Member("gone"), [], LEASE_S, desk.now) == []
    assert desk.settle(a) == "done"


def test_lapsed_lease_that_is_extended_is_held_again() -> None:
    desk = Desk()
    desk.put("a")
    (a,) = desk.take(member=ANN)
    desk.now += LEASE_S
    desk.subscription.lapse(desk.now)
    assert desk.ledger.extend(GROUP, ANN, [a.token], LEASE_S, desk.now) == []
    assert desk.bodies(member=BOB) == ""
    assert desk.settle(a) == "done"


@pytest.mark.contract("G5")
@pytest.mark.parametrize(("note", "kept"), [(None, b"put"), (b"", b""), (b"new", b"new")])
def test_note_comes_back_as_it_was_released(note: bytes | None, kept: bytes) -> None:
    desk = Desk()
    desk.put("a", note=b"put")
    (delivery,) = desk.take()
    assert delivery.note == b"put"
    desk.settle(delivery, Release(0, note))
    assert desk.take()[0].note == kept


def test_release_with_a_negative_delay_is_due_at_once() -> None:
    desk = Desk()
    desk.put("a")
    desk.settle(desk.take()[0], Release(-5))
    assert desk.bodies() == "a"


# --- rules 5 and 12: moving cursors, and the books -------------------------------------------------------------------


@pytest.mark.contract("G14")
@pytest.mark.parametrize(
    ("start", "found", "replayed", "skipped"),
    [
        (First(), [("a", 1), ("b", 1), ("c", 0)], 2, 0),
        (After(1), [("b", 1), ("c", 0)], 1, 0),
        (Ago(0.5), [], 0, 1),
        (End(), [], 0, 1),
    ],
)
def test_seek_goes_back_with_a_generation_and_forward_by_skipping(
    start: First | After | Ago | End, found: list[tuple[str, int]], replayed: int, skipped: int
) -> None:
    desk = Desk()
    for body in "abc":
        desk.put(body)
    for delivery in desk.take(2):
        desk.settle(delivery)
    desk.now += 1
    desk.seek(start)
    assert [(body_of(delivery), delivery.generation) for delivery in desk.take()] == found
    figures = desk.figures()
    assert (figures.replayed, figures.skipped) == (replayed, skipped)


@pytest.mark.contract("G14", "G20")
def test_replay_passes_over_what_is_held_waiting_or_parked() -> None:
    desk = Desk()
    for body, key in (("a", "k"), ("b", "k"), ("c", None), ("d", None)):
        desk.put(body, key=key)
    a, c, d = desk.take()
    desk.settle(c, Release(50))
    desk.settle(d)
    desk.seek(First())
    assert [(body_of(delivery), delivery.generation) for delivery in desk.take()] == [("d", 1)]
    figures = desk.figures()
    assert (figures.held, figures.waiting, figures.parked, figures.skipped) == (2, 1, 1, 3)
    assert desk.settle(a) == "done"


@pytest.mark.contract("G14")
def test_seek_of_one_member_moves_no_other() -> None:
    desk = Desk(mode="all")
    for member in (ANN, BOB):
        desk.ledger.attach(GROUP, member, desk.now)
    desk.put("a")
    for member in (ANN, BOB):
        desk.settle(desk.take(member=member)[0])
    desk.ledger.seek(GROUP, SeekTo(First(), "bob"), desk.now)
    assert (desk.bodies(member=ANN), desk.bodies(member=BOB)) == ("", "a")


@pytest.mark.contract("G14")
def test_seek_can_name_a_topic_and_leave_a_backlog_alone() -> None:
    desk = Desk(patterns=("t", "u"))
    for topic in ("t", "u"):
        desk.put("a", topic)
        desk.put("b", topic)
    for delivery in desk.take(2):
        desk.settle(delivery)
    desk.seek(First(), topic="t", generation=7)
    desk.seek(End(), skip=False)
    found = [(delivery.topic, body_of(delivery), delivery.generation) for delivery in desk.take()]
    assert sorted(found) == [("t", "a", 7), ("t", "b", 7), ("u", "a", 0), ("u", "b", 0)]
    assert (desk.figures().replayed, desk.figures().skipped) == (2, 0)


def test_parked_event_waits_for_an_earlier_one_that_is_replayed_in_another_lane() -> None:
    desk = Desk(lanes=10)
    desk.put("a", key="k", lane=0)
    desk.put("b", key="k", lane=0)
    desk.put("c", key="k", lane=9)
    (a,) = desk.take()
    desk.settle(a)
    desk.seek(First())
    found = ""
    for _ in range(3):
        (delivery,) = desk.take()
        found += body_of(delivery)
        desk.settle(delivery)
    assert found == "abc"


@pytest.mark.contract("G20")
def test_books_tell_entries_apart() -> None:
    desk = Desk()
    desk.put("a")
    desk.inbox("r", entry="redriven", generation=1)
    desk.inbox("p", entry="replayed", generation=1)
    figures = desk.figures()
    assert (figures.matched, figures.redriven, figures.replayed, figures.ready) == (1, 1, 1, 3)


@pytest.mark.contract("G20")
def test_event_that_moves_to_an_inbox_is_counted_once() -> None:
    desk = Desk()
    desk.put("a")
    (delivery,) = desk.take()
    put = Put(Inbox(GROUP), delivery.envelope, entry="moved")
    assert desk.commit(Unit([put], [Settle(delivery.token, Done("moved"))]))[0].done
    figures = desk.figures()
    assert (figures.entered, figures.matched, figures.ready) == (1, 1, 1)


@pytest.mark.contract("G20")
def test_discard_moves_from_dead_to_discarded() -> None:
    desk = Desk()
    desk.put("a")
    desk.settle(desk.take()[0], "dead")
    assert desk.figures().dead == 1
    desk.put("mark", Dead(GROUP), entry="discarded")
    desk.put("mark", Dead(GROUP, "nobody"), entry="discarded")
    figures = desk.figures()
    assert (figures.dead, figures.discarded) == (0, 1)


def test_age_of_the_oldest_ready_event() -> None:
    desk = Desk()
    assert desk.figures().oldest_s is None
    desk.put("a")
    desk.now += 7
    desk.put("b")
    assert desk.figures().oldest_s == 7


def test_unknown_group_is_named_in_every_question() -> None:
    desk = Desk()
    for ask in (desk.ledger.stats, lambda group, now: desk.ledger.attach(group, ANN, now)):
        with pytest.raises(InvalidArgument, match="no group 'x' was declared"):
            ask("x", desk.now)
