"""Rules 5 to 8 and 11 to 13: steering, cuts, stretches, epochs, ingress and inboxes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.desk import ANN, BOB, GROUP, INGRESS, LEASE_S, Desk, body_of
from vagus.backend import (
    After,
    Cut,
    Dead,
    Delivery,
    Done,
    End,
    First,
    GroupSpec,
    Inbox,
    Member,
    Put,
    Release,
    Settle,
    Steering,
    Switch,
    Topic,
    TopicSpec,
    Unit,
)
from vagus.errors import GroupConflict, InvalidArgument
from vagus.ledger.steering import KEPT_CUTS, began, epoch_of, in_words
from vagus.ledger.stretch import Point, Stretch, cut_off, opened, unread
from vagus.message import Envelope

NAMED = Member("cat", named=True)
TURN = "in turn"


def facts(delivery: Delivery) -> tuple[str, int, str | None]:
    return body_of(delivery), delivery.epoch, delivery.member


def picked(**group: Any) -> Desk:
    """A desk with a pick, at which two members are there."""
    desk = Desk(pick=TURN, **group)
    desk.join(ANN, BOB)
    return desk


def dispatched(desk: Desk, **to: str) -> None:
    """Dispatch what waits: to whom, by body."""
    for delivery in desk.take(source=INGRESS):
        assert desk.move(delivery, to[body_of(delivery)])


# --- stretches -------------------------------------------------------------------------------------------------------


def numbers(stretches: list[Stretch], count: int) -> set[int]:
    return {n for start, until in stretches for n in range(start[0], count if until is None else until[0])}


closed_stretches = st.lists(st.integers(0, 30), max_size=8, unique=True).map(
    lambda ends: [((a, a), (b, b)) for a, b in zip(*[iter(sorted(ends))] * 2, strict=False)]
)


@given(closed_stretches, st.integers(0, 30))
def test_stretches_are_cut_and_opened_as_sets_are(stretches: list[Stretch], at: int) -> None:
    point: Point = (at, at)
    assert numbers(cut_off(stretches, point), 40) == {n for n in numbers(stretches, 40) if n < at}
    after = opened(stretches, point)
    assert numbers(after, 40) == numbers(cut_off(stretches, point), 40) | set(range(at, 40))
    assert unread(after, 40) == len(numbers(after, 40))
    assert numbers(cut_off(after, point), 40) == numbers(cut_off(stretches, point), 40)
    flat = [bound[0] for start, until in after for bound in (start, until or (40, 40))]
    assert flat == sorted(set(flat))


# --- rule 13: steering -----------------------------------------------------------------------------------------------


@pytest.mark.contract("G15")
def test_switch_to_all_opens_for_those_who_are_there() -> None:
    desk = Desk()
    desk.join(ANN, BOB)
    for body in "abc":
        desk.put(body)
    (a,) = desk.take(1)
    cut = desk.switch("all")
    assert cut == Cut("all", "", 2, {"t": (1,)})
    assert [facts(each) for each in desk.take()] == [("b", 2, "ann"), ("c", 2, "ann")]
    assert [facts(each) for each in desk.take(member=BOB)] == [("b", 2, "bob"), ("c", 2, "bob")]
    assert desk.settle(a) == "done"
    desk.balance()


@pytest.mark.contract("G15")
def test_switch_to_once_falls_at_the_furthest_place() -> None:
    desk = Desk(mode="all")
    desk.join(ANN, BOB)
    for body in "abc":
        desk.put(body)
    desk.bodies(2)
    assert desk.switch("once").ends == {"t": (2,)}
    desk.put("d")
    assert desk.bodies(member=BOB) == "abcd"
    assert desk.bodies() == ""


def test_switch_where_nobody_is_there_leaves_what_is_unread_to_be_shared() -> None:
    desk = Desk()
    desk.put("a")
    assert desk.switch("all").ends == {"t": (1,)}
    desk.join(ANN, BOB)
    desk.put("b")
    assert (desk.bodies(), desk.bodies(member=BOB)) == ("ab", "b")


def test_switch_from_all_where_nobody_ever_was_begins_at_the_end() -> None:
    desk = Desk(mode="all")
    desk.put("a")
    desk.switch("once")
    desk.put("b")
    assert desk.bodies() == "b"


def test_switch_back_and_forth_hands_everything_out_once_or_to_all() -> None:
    desk = Desk(mode="all")
    desk.join(ANN, BOB)
    for mode in ("once", "all", "once", "all"):
        desk.put(f"{mode[0]}1")
        desk.put(f"{mode[0]}2")
        desk.bodies(1)
        desk.switch(mode)
    desk.put("last")
    got = [desk.take(member=member) for member in (ANN, BOB)]
    ends = [cut.ends["t"][0] for cut in desk.info.cuts]
    for delivery in (each for found in got for each in found):
        assert delivery.epoch == 1 + sum(int(delivery.position) > int(end) for end in ends)
        assert (delivery.member is None) == (delivery.epoch % 2 == 0)
    assert body_of(got[1][-1]) == "last"
    desk.balance()


def test_switch_to_the_same_is_an_epoch_and_moves_nothing() -> None:
    desk = Desk(mode="all")
    desk.join(ANN, BOB)
    desk.put("a")
    desk.bodies()
    desk.switch("all")
    desk.put("b")
    assert [facts(each) for each in desk.take(member=BOB)] == [("a", 1, "bob"), ("b", 2, "bob")]


def test_switch_must_be_the_next_one() -> None:
    desk = Desk()
    desk.switch("all")
    with pytest.raises(GroupConflict, match="is in epoch 2 and delivers 'all': the next switch has epoch 3, not 2"):
        desk.ledger.switch(GROUP, Switch("once", "", 2), desk.now)
    with pytest.raises(InvalidArgument, match="nothing to pick"):
        desk.ledger.switch(GROUP, Switch("all", TURN, 3), desk.now)
    with pytest.raises(InvalidArgument, match="no group"):
        desk.ledger.switch("nowhere", Switch("all", "", 2), desk.now)


def test_declaration_gives_the_first_steering_alone() -> None:
    desk = Desk()
    desk.switch("once", TURN)
    for pick in ("", TURN):
        desk.declare(GroupSpec(name=GROUP, patterns=("t", "u"), pick=pick))
    assert (desk.info.spec.pick, desk.info.spec.patterns, desk.info.steering.pick) == ("", ("t", "u"), TURN)
    desk.switch("all")
    desk.declare(GroupSpec(name=GROUP, patterns=("t",), pick=TURN))
    with pytest.raises(GroupConflict, match="delivers 'all', it cannot be declared to deliver 'once' by 'other'"):
        desk.declare(TopicSpec(name="x"), GroupSpec(name=GROUP, patterns=("t",), pick="other"))
    assert "x" not in desk.ledger.logs
    with pytest.raises(InvalidArgument, match="nothing to pick"):
        desk.declare(GroupSpec(name="new", patterns=("t",), mode="all", pick=TURN))


def test_steering_is_told_in_words() -> None:
    assert (in_words("all", ""), in_words("once", TURN)) == ("'all'", "'once' by 'in turn'")


def test_only_the_newest_cuts_are_remembered() -> None:
    desk = Desk()
    desk.put("a")
    desk.bodies()
    for number in range(KEPT_CUTS + 5):
        desk.switch("once" if number % 2 else "all")
    assert [cut.epoch for cut in desk.info.cuts] == list(range(7, KEPT_CUTS + 7))


def cuts_of(*modes: str, first: int = 2) -> list[Cut]:
    return [Cut(mode, "", first + n, {"t": (10 * (n + 1), 5)}) for n, mode in enumerate(modes)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("log", "lane", "position", "epoch"),
    [
        ("t", 0, 10, 1),
        ("t", 0, 11, 2),
        ("t", 0, 20, 2),
        ("t", 0, 21, 3),
        ("t", 1, 5, 1),
        ("t", 2, 1, 3),
        ("u", 0, 1, 3),
    ],
)
def test_epoch_is_told_by_the_place(log: str, lane: int, position: int, epoch: int) -> None:
    assert epoch_of(cuts_of("all", "once"), log, lane, position) == epoch
    assert epoch_of((), log, lane, position) == 1


@pytest.mark.parametrize(
    ("modes", "first_epoch", "began_in"),
    [((), 2, None), (("all",), 2, 2), (("all", "all"), 2, 2), (("all", "once"), 2, 3), (("all", "once", "once"), 2, 3)],
)
def test_present_way_began_where_it_last_changed(
    modes: tuple[str, ...], first_epoch: int, began_in: int | None
) -> None:
    cut = began(cuts_of(*modes, first=first_epoch), Steering())
    assert (cut and cut.epoch) == began_in


def test_way_that_never_changed_began_with_the_group_or_is_not_known() -> None:
    assert began(cuts_of("once", "once"), Steering()) is None
    found = began(cuts_of("once", "once", first=40), Steering())
    assert found is not None
    assert found.epoch == 40


# --- rule 5: who reads on --------------------------------------------------------------------------------------------


def test_topic_that_is_new_after_a_switch_is_read_by_the_new_ones_alone() -> None:
    desk = Desk(patterns=("t", "u"))
    desk.join(ANN, BOB)
    desk.switch("all")
    desk.put("a", "u")
    assert [facts(each) for each in desk.take()] == [("a", 2, "ann")]
    assert desk.bodies(member=BOB) == "a"
    desk.switch("once")
    desk.declare(GroupSpec(name=GROUP, patterns=("t",)))
    desk.put("b", "u", heard=False)
    desk.put("c")
    assert desk.bodies() == "c"
    desk.balance()


def test_topic_that_is_gone_before_its_laggards_came_to_it_is_skipped_by_them() -> None:
    desk = Desk(mode="all")
    desk.join(ANN, BOB)
    for body in "abc":
        desk.put(body)
    desk.bodies()
    desk.switch("once")
    desk.put("d")
    desk.ledger.drop(Topic("t"), desk.now)
    assert {figures.member: (figures.matched, figures.skipped) for figures in desk.balance()} == {
        None: (1, 1),
        "ann": (3, 0),
        "bob": (3, 3),
    }


def test_lanes_are_cut_each_where_it_is_read() -> None:
    desk = Desk(lanes=3)
    desk.join(ANN, BOB)
    for body, lane in (("a", 0), ("b", 2), ("c", 0), ("d", 2)):
        desk.put(body, lane=lane)
    assert desk.bodies(3) == "bda"
    assert desk.switch("all").ends == {"t": (2, 4, 4)}
    desk.put("e", lane=1)
    assert (desk.bodies(), desk.bodies(member=BOB)) == ("ec", "ec")


def test_lane_that_is_added_after_a_switch_is_not_read_by_the_old_ones() -> None:
    desk = Desk()
    desk.join(ANN, BOB)
    desk.switch("all")
    desk.declare(TopicSpec(name="t", lanes=2))
    desk.put("a", lane=1)
    assert (desk.bodies(), desk.bodies(member=BOB)) == ("a", "a")
    desk.switch("once")
    desk.put("b", lane=1)
    assert desk.bodies() == "b"
    desk.balance()


def test_key_waits_for_the_lane_of_its_epoch_alone() -> None:
    desk = Desk(lanes=2, mode="all")
    desk.join(ANN, BOB)
    desk.put("a", key="k", lane=0)
    desk.put("b", key="k", lane=1)
    (a,) = desk.take(1, lanes=(0,))
    desk.switch("once")  # the cut leaves b to be shared, and a to bob
    assert [facts(each) for each in desk.take(member=BOB)] == [("a", 1, "bob"), ("b", 2, None)]
    assert desk.settle(a) == "done"


def test_new_member_of_all_reads_what_all_was_meant_to_hear() -> None:
    desk = Desk(start="first", lanes=2)
    desk.put("a")
    desk.bodies()
    desk.switch("all")
    desk.put("b")
    desk.put("c", "other.t", heard=False)
    desk.declare(TopicSpec(name="t", lanes=3), GroupSpec(name=GROUP, patterns=("t", "u"), start="first"))
    desk.put("d", lane=2)
    desk.put("e", "u")
    assert sorted(desk.bodies(member=BOB)) == ["b", "d", "e"]


def test_member_of_all_hears_everything_where_all_is_how_it_began() -> None:
    desk = Desk(start="first", mode="all")
    desk.put("a")
    assert desk.bodies() == "a"


def test_member_that_is_away_hears_all_from_the_cut_on() -> None:
    desk = Desk(mode="all")
    desk.join(ANN, NAMED)
    desk.put("a")
    desk.leave(NAMED)
    desk.bodies()
    desk.switch("once")
    desk.put("b")
    desk.bodies()
    desk.switch("all")
    desk.put("c")
    assert [facts(each) for each in desk.take(member=NAMED)] == [("a", 1, "cat"), ("c", 3, "cat")]
    desk.balance()


def test_member_that_is_away_too_long_is_forgotten_in_once_too() -> None:
    desk = Desk(mode="all", forget_after_s=100)
    desk.join(NAMED, ANN)
    desk.put("a")
    desk.bodies()
    desk.switch("once")
    desk.leave(NAMED)
    desk.now += 101
    assert desk.bodies(member=NAMED) == ""


def test_anonymous_member_leaves_what_is_its_own_behind_in_once_too() -> None:
    desk = Desk(mode="all")
    desk.join(ANN, BOB, NAMED)
    desk.put("a")
    desk.bodies(member=NAMED)
    desk.switch("once")
    desk.leave(ANN)
    desk.join(ANN)
    assert desk.bodies() == ""
    desk.now += 3 * LEASE_S  # bob was not heard of since, nor was cat
    assert desk.bodies(member=BOB) == ""
    assert [(figures.member, figures.held) for figures in desk.balance()] == [(None, 0), ("cat", 1)]


def test_named_member_that_has_nothing_of_its_own_is_given_up() -> None:
    desk = Desk()
    desk.join(NAMED)
    desk.now += 3 * LEASE_S
    desk.ledger.advance(desk.now)
    assert desk.info.members == ()


def test_key_means_nothing_where_order_was_not_asked_for() -> None:
    desk = Desk(ordered=False)
    desk.put("a", key="k")
    (a,) = desk.take()
    assert desk.settle(a) == "done"


# --- settled, trimmed, replayed --------------------------------------------------------------------------------------


def test_what_lies_in_a_gap_is_settled_and_can_be_trimmed() -> None:
    desk = Desk(mode="all", max_events=2)
    desk.join(ANN, BOB)
    desk.put("a")
    for delivery in desk.take():
        desk.settle(delivery)
    desk.switch("once")
    desk.put("b")
    assert desk.put("c") == "refused full"
    (b,) = desk.take()
    desk.settle(b)
    assert desk.put("c") == "refused full"  # bob has a left
    (a,) = desk.take(1, member=BOB)
    desk.settle(a)
    desk.switch("all")
    assert (desk.put("c"), desk.put("d")) == ("stored", "stored")
    assert (desk.bodies(), desk.bodies(member=BOB)) == ("cd", "cd")
    desk.now += 8 * 86_400
    desk.ledger.trim(desk.now)
    assert [body.envelope.body for body in desk.ledger.read("t", First(), 10, desk.now)] == [b"c", b"d"]


def test_replay_moves_those_that_read_on_and_takes_all_behind() -> None:
    desk = Desk(mode="all")
    desk.join(ANN, BOB)
    for body in "abc":
        desk.put(body)
    for delivery in desk.take():
        desk.settle(delivery)
    desk.switch("once")
    desk.put("d")
    desk.bodies()
    desk.switch("all")  # bob has abc left, and what comes from here on
    desk.put("e")
    desk.seek(After(1), "bob")
    found = desk.take(member=BOB)
    assert "".join(map(body_of, found)) == "bcde"
    (bob,) = [figures for figures in desk.balance() if figures.member == "bob"]
    assert (bob.matched, bob.replayed, bob.skipped) == (4, 1, 1)


def test_replay_that_skips_nothing_keeps_what_was_left_of_older_epochs() -> None:
    desk = Desk(mode="all")
    desk.join(ANN, BOB)
    for body in "ab":
        desk.put(body)
    desk.bodies()
    for mode, body in (("once", "c"), ("all", "d")):
        desk.switch(mode)
        desk.put(body)
    desk.seek(End(), "bob", skip=False)
    desk.seek(After(1), "bob", skip=False)
    assert desk.bodies(member=BOB) == "abcd"
    (bob,) = [figures for figures in desk.balance() if figures.member == "bob"]
    assert (bob.matched, bob.replayed, bob.skipped) == (4, 0, 0)


def test_skipping_counts_what_was_left_in_every_stretch() -> None:
    desk = Desk(mode="all")
    desk.join(ANN, BOB)
    for body in "abc":
        desk.put(body)
    desk.bodies()
    for mode in ("once", "all"):
        desk.switch(mode)
        desk.put("d")
    desk.seek(End(), "bob")
    (bob,) = [figures for figures in desk.balance() if figures.member == "bob"]
    assert (bob.matched, bob.skipped, bob.ready) == (5, 5, 0)


def test_replay_that_is_cut_goes_on_under_the_new_steering() -> None:
    desk = Desk()
    desk.join(ANN, BOB)
    for body in "abc":
        desk.put(body)
    for delivery in desk.take():
        desk.settle(delivery)
    desk.seek(First())
    desk.bodies(1)
    desk.switch("all")
    for member in (ANN, BOB):
        assert [(body_of(each), each.generation) for each in desk.take(member=member)] == [("b", 1), ("c", 1)]
    desk.balance()


def test_replay_from_before_the_start_leaves_no_negative_figures() -> None:
    desk = Desk()
    desk.ledger.drop(Inbox(GROUP), desk.now)
    desk.put("a", heard=False)
    desk.declare(GroupSpec(name=GROUP, patterns=("t",)))
    desk.seek(First())
    desk.switch("once", TURN)
    desk.put("b")
    (books,) = desk.balance()
    assert (books.matched, books.replayed, books.ready) == (1, 1, 2)
    desk.join(ANN)
    desk.switch("all")
    assert [(each.member, each.matched, each.replayed) for each in desk.balance()] == [(None, 0, 0), ("ann", 1, 1)]


def test_stretch_that_is_opened_again_behind_its_rest_is_read_once() -> None:
    desk = Desk(mode="all")
    desk.join(ANN, BOB)
    for body in "abcd":
        desk.put(body)
    desk.bodies()
    desk.switch("once")
    desk.seek(After(2))
    desk.switch("all")
    assert "".join(map(body_of, desk.take(member=BOB))) == "abcd"
    assert [(body_of(each), each.generation) for each in desk.take()] == []  # ann still holds them
    desk.balance()


# --- rules 7, 8 and 11: ingress and inboxes --------------------------------------------------------------------------


@pytest.mark.contract("G8")
def test_moved_event_keeps_its_key_busy_until_it_is_done() -> None:
    desk = picked()
    desk.put("a", key="k")
    desk.put("b", key="k")
    dispatched(desk, a="ann")
    assert desk.bodies(source=INGRESS) == ""
    (a,) = desk.take()
    desk.settle(a, Release(0.0))
    assert desk.bodies(source=INGRESS) == ""
    (a,) = desk.take()
    assert desk.move(a, "bob")
    assert desk.bodies(source=INGRESS) == ""
    (a,) = desk.take(member=BOB)
    _, _, gained = desk.ledger.commit([Unit((), [Settle(a.token, Done("acked"))])], desk.now)
    assert gained == {desk.ledger.groups[GROUP].ingress}
    assert desk.bodies(source=INGRESS) == "b"


def test_unit_with_puts_tells_who_gained_by_its_settles() -> None:
    desk = Desk()
    for body in "ab":
        desk.put(body, key="k")
    (a,) = desk.take()
    unit = Unit([Put(Topic("t"), Envelope(b"c"))], [Settle(a.token, Done("acked"))])
    assert desk.ledger.commit([unit], desk.now)[2] == {desk.subscription}


def test_moved_event_that_is_done_with_outputs_lets_its_place_go() -> None:
    desk = picked()
    for body in "ab":
        desk.put(body, key="k")
    dispatched(desk, a="ann")
    desk.bodies(source=INGRESS)
    (a,) = desk.take()
    unit = Unit([Put(Topic("t"), Envelope(b"c"))], [Settle(a.token, Done("acked"))])
    assert desk.ledger.commit([unit], desk.now)[2] == {desk.ledger.groups[GROUP].ingress}


def test_key_of_a_moved_event_that_nobody_waits_for_is_free_when_it_is_done() -> None:
    desk = picked()
    desk.put("a", key="k")
    dispatched(desk, a="ann")
    (a,) = desk.take()
    _, _, gained = desk.ledger.commit([Unit((), [Settle(a.token, Done("acked"))])], desk.now)
    assert gained == set()
    desk.put("b", key="k")
    assert desk.bodies(source=INGRESS) == "b"


def test_order_that_is_asked_for_later_counts_what_was_moved() -> None:
    desk = picked(ordered=False)
    for body in "ab":
        desk.put(body, key="k")
    dispatched(desk, a="ann", b="bob")
    desk.declare(GroupSpec(name=GROUP, patterns=("t",), pick=TURN, lease_s=LEASE_S))
    desk.put("c", key="k")
    assert desk.bodies(source=INGRESS) == ""
    for member in (ANN, BOB):
        (delivery,) = desk.take(member=member)
        desk.settle(delivery)
    assert desk.bodies(source=INGRESS) == "c"


def test_order_that_is_no_longer_asked_for_is_not_missed_by_what_was_moved() -> None:
    desk = picked()
    desk.put("a", key="k")
    dispatched(desk, a="ann")
    desk.declare(GroupSpec(name=GROUP, patterns=("t",), pick=TURN, ordered=False))
    (a,) = desk.take()
    assert desk.settle(a) == "done"


def test_event_that_is_moved_back_holds_its_place_before_what_was_parked() -> None:
    desk = picked()
    for body in "abc":
        desk.put(body, key="k")
    dispatched(desk, a="ann")
    desk.bodies(source=INGRESS)
    desk.leave(ANN)
    (a,) = desk.take(source=Inbox(GROUP, "ann"))
    assert desk.move(a, None)
    (a,) = desk.take(source=INGRESS)
    assert desk.bodies(source=INGRESS) == ""
    assert desk.move(a, "bob")
    (a,) = desk.take(member=BOB)
    desk.settle(a)
    assert desk.bodies(source=INGRESS) == "b"
    desk.balance()


def test_moved_event_without_a_place_lets_none_go() -> None:
    desk = picked()
    assert desk.inbox("a", "ann", entry="moved", key="k") == "stored"
    (a,) = desk.take()
    assert desk.settle(a) == "done"
    desk.ledger.switch(GROUP, Switch("once", "", 2), desk.now)
    desk.inbox("b", "ann", entry="moved", key="k")
    (b,) = desk.take()
    assert (b.epoch, desk.settle(b)) == (2, "done")


def test_twin_of_a_moved_event_keeps_no_place() -> None:
    desk = picked()
    for body in "abc":
        desk.put(body, key="k")
    (a,) = desk.take(source=INGRESS)
    assert desk.move(a, "ann", dedupe="once")
    (held,) = desk.take()
    desk.settle(held)
    (b,) = desk.take(source=INGRESS)
    assert desk.move(b, "ann", dedupe="once")  # it is said to be there, and is not
    assert desk.bodies(source=INGRESS) == "c"


def test_moves_of_one_unit_keep_a_place_for_each_event() -> None:
    desk = picked()
    desk.put("a", key="k")
    desk.put("b", key="l")
    a, b = desk.take(source=INGRESS)
    puts = [Put(Inbox(GROUP, "ann"), a.envelope, key="k", entry="moved"), Put(Topic("t"), Envelope(b"x"))]
    settles = [Settle(each.token, Done("moved")) for each in (a, b)]
    assert desk.commit(Unit(puts, settles))[0].done
    desk.put("c", key="k")
    desk.put("d", key="l")
    assert desk.bodies(source=INGRESS) == "xd"


def test_put_to_a_member_without_an_inbox_is_refused() -> None:
    desk = picked()
    assert desk.inbox("a", "nobody", entry="moved") == "refused no group"
    assert desk.inbox("a", "ann", entry="redriven") == "refused no group"


def test_orphan_is_told_emptied_and_forgotten() -> None:
    desk = picked()
    for body in "abc":
        desk.put(body)
    dispatched(desk, a="ann", b="ann", c="ann")
    source = Inbox(GROUP, "ann")
    assert not desk.ledger.is_emptied(source)
    (a,) = desk.take(1)
    desk.settle(a)
    desk.take(1)
    desk.leave(ANN)
    assert desk.info.orphans == ("ann",)
    for delivery in desk.take(member=BOB, source=source):
        assert desk.move(delivery, "bob")
    assert desk.ledger.is_emptied(source)
    assert desk.info.orphans == ()
    desk.ledger.advance(desk.now)
    assert desk.ledger.is_emptied(source)
    assert sorted(desk.bodies(member=BOB)) == ["b", "c"]
    assert [(figures.member, figures.acked, figures.held) for figures in desk.balance()] == [
        (None, 1, 0),
        ("bob", 0, 2),
    ]
    assert desk.take(source=source) == []


def test_seat_of_a_dispatcher_makes_nobody_a_member() -> None:
    desk = picked()
    desk.put("a")
    (a,) = desk.take(member=Member("dispatcher"), source=INGRESS)
    assert [member.name for member in desk.info.members] == ["ann", "bob"]
    assert not desk.ledger.is_emptied(INGRESS)
    assert not desk.ledger.is_emptied(Inbox("nowhere", "ann"))
    assert desk.ledger.next_due(INGRESS, Member("dispatcher")) == desk.now + LEASE_S
    assert desk.leave(Member("dispatcher"), INGRESS)
    assert desk.settle(a) == "lost"
    assert desk.bodies(source=INGRESS) == "a"


def test_dispatcher_of_a_group_without_a_pick_finds_nothing() -> None:
    desk = Desk()
    desk.put("a")
    assert desk.bodies(source=INGRESS) == ""
    assert desk.ledger.next_due(INGRESS, ANN) is None


def test_inbox_that_waits_for_a_scheduled_move_is_kept() -> None:
    desk = picked()
    desk.put("a")
    (a,) = desk.take(source=INGRESS)
    assert desk.move(a, "ann", after_s=5.0)
    desk.balance()
    desk.leave(ANN)
    assert desk.info.orphans == ("ann",)
    desk.now += 5
    assert desk.bodies(source=Inbox(GROUP, "ann")) == "a"


def test_dropped_member_leaves_what_was_moved_to_it() -> None:
    desk = picked()
    desk.put("a")
    dispatched(desk, a="ann")
    for name in ("ann", "bob"):
        desk.ledger.drop(Inbox(GROUP, name), desk.now)
    assert desk.info.orphans == ("ann",)
    assert list(desk.ledger.groups[GROUP].inboxes) == ["ann"]
    desk.ledger.drop(Inbox(GROUP), desk.now)
    assert [name for name in desk.ledger.logs if name.startswith("$")] == []


def test_letter_is_discarded_where_it_was_counted() -> None:
    desk = picked()
    desk.put("a")
    dispatched(desk, a="ann")
    (a,) = desk.take()
    desk.settle(a, "dead")
    desk.put("mark", Dead(GROUP), entry="discarded")
    desk.put("mark", Dead("nowhere"), entry="discarded")
    desk.put("mark", Dead(GROUP, "ann"), entry="discarded")
    assert {each.member: (each.dead, each.discarded) for each in desk.balance()} == {
        None: (0, 0),
        "ann": (0, 1),
        "bob": (0, 0),
    }


def test_redrive_goes_by_the_present_steering() -> None:
    desk = Desk(mode="all")
    desk.join(ANN)
    assert desk.inbox("x", entry="redriven") == "refused no group"
    desk.switch("once", TURN)
    desk.inbox("a", entry="redriven")
    desk.inbox("b", entry="redriven", epoch=1)
    assert [facts(each) for each in desk.take(1, source=INGRESS)] == [("a", 2, None)]
    desk.switch("all")
    assert [facts(each) for each in desk.take()] == [("b", 1, None)]
    desk.switch("once", TURN)
    desk.inbox("c", entry="redriven")
    assert desk.bodies(source=INGRESS) == "c"
    assert [(each.member, each.redriven) for each in desk.balance()] == [(None, 3), ("ann", 0)]


def test_member_takes_what_is_left_before_what_is_new() -> None:
    desk = picked()
    desk.put("a")
    dispatched(desk, a="ann")
    desk.switch("all")
    desk.put("b")
    desk.inbox("c", entry="redriven")
    assert desk.bodies() == "acb"
    assert sum(member.held for member in desk.info.members) == 3


def test_credit_is_counted_over_all_that_a_member_takes_from() -> None:
    desk = picked()
    desk.put("a")
    dispatched(desk, a="ann")
    desk.switch("once")
    desk.put("b")
    (a,) = desk.take(credit=1)
    assert desk.take(credit=1) == []
    assert desk.ledger.next_due(Inbox(GROUP), ANN) == desk.now + LEASE_S
    _, _, gained = desk.ledger.commit([Unit((), [Settle(a.token, Done("acked"))])], desk.now)
    assert gained == {desk.ledger.groups[GROUP].inboxes["ann"]}
    assert desk.bodies(credit=1) == "b"
