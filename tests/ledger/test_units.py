"""Rules 9 and 11: units are carried out together or not at all; members come, go and are forgotten."""

from __future__ import annotations

import pytest

from tests.ledger.desk import ANN, BOB, GROUP, LEASE_S, Desk, body_of
from vagus.backend import Done, First, Inbox, Member, Outcome, Put, Release, Settle, Topic, Unit
from vagus.ledger.model import MISSED_LEASES
from vagus.message import Envelope
from vagus.store import Append, Change, Value

OUTPUT = Put(Topic("t"), Envelope(b"out"))
CHANGE = Change("k", b"v", expect=0)
SILENCE_S = MISSED_LEASES * LEASE_S


def words(outcome: Outcome) -> tuple[bool, list[str], list[str], list[bool]]:
    return outcome.done, [put.status for put in outcome.puts], list(outcome.settles), list(outcome.changes)


# --- rule 9: units ---------------------------------------------------------------------------------------------------


@pytest.mark.contract("G2")
def test_unit_is_carried_out_as_a_whole() -> None:
    desk = Desk()
    desk.put("a")
    (delivery,) = desk.take()
    (outcome,) = desk.commit(Unit([OUTPUT], [Settle(delivery.token, Done("acked"))], [CHANGE]))
    assert words(outcome) == (True, ["stored"], ["done"], [True])
    assert desk.bodies() == "out"
    assert desk.ledger.state.get("k", desk.now) == Value(b"v", 1)


@pytest.mark.contract("G4")
@pytest.mark.parametrize("spoiled", ["lease", "put", "change", "settled twice"])
def test_unit_with_one_bad_part_stores_nothing(spoiled: str) -> None:
    desk = Desk()
    desk.put("a")
    (delivery,) = desk.take()
    puts, settles, changes = [OUTPUT], [Settle(delivery.token, Done("acked"))], [CHANGE]
    if spoiled == "lease":
        desk.now += LEASE_S
        desk.take(member=BOB)
    elif spoiled == "put":
        puts.append(Put(Topic("nobody"), Envelope(b"x")))
    elif spoiled == "change":
        changes.append(Change("k", b"w", expect=0))
    else:
        settles *= 2
    (outcome,) = desk.commit(Unit(puts, settles, changes))
    expected: dict[str, tuple[list[str], list[str]]] = {
        "lease": (["untried"], ["lost"]),
        "put": (["untried", "refused"], ["untried"]),
        "change": (["untried"], ["untried"]),
        "settled twice": (["untried"], ["untried", "untried"]),
    }
    assert words(outcome) == (False, *expected[spoiled], [False] * len(changes))
    assert len(desk.ledger.read("t", First(), 9, desk.now)) == 1
    assert desk.ledger.state.get("k", desk.now) is None
    assert desk.figures().held == 1


def test_refused_unit_stops_no_other_of_its_commit() -> None:
    desk = Desk()
    bad = Unit([Put(Topic("nobody"), Envelope(b"x"))])
    assert [outcome.done for outcome in desk.commit(bad, Unit([OUTPUT]), bad)] == [False, True, False]


def test_change_that_is_not_required_stops_nothing() -> None:
    desk = Desk()
    optional = Change("k", b"v", expect=7, required=False)
    part = Append("s", "p", 1, 1, [b"x"])
    (outcome,) = desk.commit(Unit([OUTPUT], (), [optional, part]))
    assert words(outcome) == (True, ["stored"], [], [False, True])


def test_settles_of_one_unit_say_who_gained() -> None:
    desk = Desk()
    desk.put("a", key="k")
    desk.put("b", key="k")
    desk.put("c")
    a, c = desk.take()
    unit = Unit((), [Settle(c.token, Done("acked")), Settle(a.token, Done("acked"))])
    outcomes, grown, gained = desk.ledger.commit([unit], desk.now)
    assert (outcomes[0].done, grown, gained) == (True, set(), {desk.subscription})
    assert desk.bodies() == "b"


# --- rule 11: members ------------------------------------------------------------------------------------------------


@pytest.mark.contract("G4")
def test_member_that_leaves_gives_back_what_it_held_uncounted() -> None:
    desk = Desk()
    desk.put("a")
    desk.put("b")
    desk.take(1, ANN)
    (kept,) = desk.take(1, BOB)
    assert desk.ledger.leave(Inbox(GROUP), ANN, desk.now)
    assert not desk.ledger.leave(Inbox(GROUP), ANN, desk.now)
    assert not desk.ledger.leave(Inbox("nowhere"), ANN, desk.now)
    assert [(body_of(d), d.losses) for d in desk.take(member=BOB)] == [("a", 0)]
    assert desk.settle(kept) == "done"
    (info,) = desk.ledger.describe(desk.now).groups
    assert [(member.name, member.held) for member in info.members] == [("bob", 1)]


@pytest.mark.contract("G17")
def test_group_knows_how_long_it_has_had_nobody() -> None:
    desk = Desk()
    desk.ledger.attach(GROUP, ANN, desk.now)
    assert desk.ledger.describe(desk.now).groups[0].idle_s is None
    desk.ledger.leave(Inbox(GROUP), ANN, desk.now)
    assert desk.ledger.describe(desk.now + 5).groups[0].idle_s == 5


@pytest.mark.contract("G17")
def test_member_that_was_not_heard_of_for_three_leases_is_gone() -> None:
    desk = Desk()
    desk.ledger.attach(GROUP, ANN, desk.now)
    desk.ledger.attach(GROUP, BOB, desk.now)
    desk.now += SILENCE_S - 1
    desk.ledger.extend(GROUP, BOB, [], LEASE_S, desk.now)
    desk.now += 1
    desk.ledger.advance(desk.now)
    assert [member.name for member in desk.ledger.describe(desk.now).groups[0].members] == ["bob"]
    desk.now += SILENCE_S
    desk.ledger.advance(desk.now)
    assert desk.ledger.describe(desk.now).groups[0].idle_s == 0


@pytest.mark.contract("G3")
def test_named_member_gets_what_it_missed_and_an_anonymous_one_starts_anew() -> None:
    desk = Desk(mode="all")
    named = Member("ann", named=True)
    for member in (named, BOB):
        desk.ledger.attach(GROUP, member, desk.now)
        desk.ledger.leave(Inbox(GROUP), member, desk.now)
    desk.put("missed")
    for member in (named, BOB):
        desk.ledger.attach(GROUP, member, desk.now)
    desk.put("heard")
    assert (desk.bodies(member=named), desk.bodies(member=BOB)) == ("missedheard", "heard")


@pytest.mark.contract("G3")
@pytest.mark.parametrize(("away_s", "found"), [(99.0, "a"), (SILENCE_S + 101, "")])
def test_named_member_that_is_away_too_long_is_forgotten(away_s: float, found: str) -> None:
    desk = Desk(mode="all", forget_after_s=100)
    named = Member("ann", named=True)
    desk.ledger.attach(GROUP, named, desk.now)
    desk.put("a")
    desk.now += away_s
    desk.ledger.attach(GROUP, named, desk.now)
    assert desk.bodies(member=named) == found


def test_silent_anonymous_member_is_forgotten_with_its_inbox() -> None:
    desk = Desk(mode="all")
    desk.ledger.attach(GROUP, ANN, desk.now)
    desk.now += SILENCE_S
    desk.ledger.advance(desk.now)
    assert desk.ledger.stats(GROUP, desk.now) == []
    assert desk.inbox("x", "ann") == "refused no group"


def test_dropped_member_joins_anew_with_its_next_take() -> None:
    desk = Desk(mode="all")
    desk.ledger.attach(GROUP, ANN, desk.now)
    desk.put("a")
    desk.ledger.drop(Inbox(GROUP, "ann"), desk.now)
    assert desk.bodies() == ""
    desk.put("b")
    assert desk.bodies() == "b"


def test_dropping_a_member_that_was_never_there_changes_nothing() -> None:
    desk = Desk(mode="all")
    desk.ledger.attach(GROUP, ANN, desk.now)
    desk.ledger.drop(Inbox(GROUP, "bob"), desk.now)
    assert [figures.member for figures in desk.ledger.stats(GROUP, desk.now)] == ["ann"]


def test_leaving_after_ones_subscription_was_dropped_is_no_error() -> None:
    desk = Desk(mode="all")
    named = Member("ann", named=True)
    desk.ledger.attach(GROUP, named, desk.now)
    desk.ledger.groups[GROUP].own.clear()
    assert not desk.ledger.leave(Inbox(GROUP), named, desk.now)


def test_release_of_a_member_that_left_is_too_late() -> None:
    desk = Desk()
    desk.put("a")
    (delivery,) = desk.take()
    desk.ledger.leave(Inbox(GROUP), ANN, desk.now)
    assert desk.settle(delivery, Release()) == "lost"
