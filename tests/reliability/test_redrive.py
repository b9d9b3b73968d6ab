"""Sending dead letters again: to whom, how fast, under which generation, and when not."""

from __future__ import annotations

from typing import Any

import pytest

from vagus.backend import Dead, Delivery, Inbox
from vagus.errors import InvalidArgument
from vagus.message import Envelope
from vagus.message.envelope import CloudEvent
from vagus.reliability.dead import DeadFilter, DeadLetter, LetterState, Mark, bury, fold, read_entry
from vagus.reliability.note import DEATHS_KEPT, EMPTY, Death, Note, decode_note
from vagus.reliability.redrive import discard, edit, goes_round, plan_redrive
from vagus.reliability.verdict import GiveUp, Reason

NOW = 1_700_000_000.0


def letter(
    position: int = 1,
    *,
    reason: Reason = "attempts",
    note: Note = EMPTY,
    generation: int = 0,
    member: str | None = None,
) -> DeadLetter:
    delivery = Delivery("rag.query", Envelope(b"{}"), None, position, key="k", lane=2, generation=generation, losses=1)
    event = CloudEvent(id=f"e{position}", source="app", type="rag.query")
    return bury(GiveUp(reason, "E", "m", "", note), delivery, "rag.answer", member, event, NOW - 60)


def state(dead: DeadLetter, *marks: Any) -> LetterState:
    return fold([dead, *(Mark(change=change, letter=dead.id, at=NOW) for change in marks)])[dead.id]


def again_after(times: int, reasons: list[Reason]) -> DeadLetter:
    """A letter whose event died for `reasons` in turn, each time redriven, the last one now."""
    dead = letter(reason=reasons[0])
    for reason in reasons[1:]:
        put = plan_redrive([LetterState(dead)], NOW, force=True).units[0].puts[0]
        dead = letter(reason=reason, note=decode_note(put.note), generation=put.generation)
    assert dead.generation == times
    return dead


@pytest.mark.contract("G7")
@pytest.mark.requirement("R42")
@pytest.mark.parametrize("member", [None, "m1"])
def test_a_redriven_event_goes_to_those_who_failed_alone(member: str | None) -> None:
    dead = letter(member=member)

    (unit,) = plan_redrive([LetterState(dead)], NOW, by="ops").units

    again, marked = unit.puts
    assert (again.target, marked.target) == (Inbox("rag.answer", member), Dead("rag.answer", member))
    assert (again.envelope, again.key, again.lane, again.entry) == (dead.envelope, "k", 2, "redriven")
    assert read_entry(marked.envelope) == Mark(change="redriven", letter=dead.id, at=NOW, by="ops", generation=1)


@pytest.mark.contract("G7", "G12")
def test_a_redrive_raises_the_generation_and_starts_counting_anew() -> None:
    note = Note().failed("E", "m", NOW - 99, "Exception")
    (unit,) = plan_redrive([LetterState(letter(note=note, generation=4))], NOW).units

    again = unit.puts[0]

    assert (again.generation, decode_note(again.note).failures) == (5, 0)
    assert decode_note(again.note).deaths == (Death("rag.answer", "attempts", NOW - 60, 4),)
    assert decode_note(again.note).origin == ("rag.query", 1)


@pytest.mark.contract("G12")
def test_planning_a_redrive_twice_puts_nothing_twice() -> None:
    states = [LetterState(letter(position)) for position in range(3)]

    one, two = plan_redrive(states, NOW), plan_redrive(states, NOW + 9)

    names = [put.dedupe for unit in one.units for put in unit.puts]
    assert names == [put.dedupe for unit in two.units for put in unit.puts]
    assert len(set(names)) == 6


@pytest.mark.contract("G7")
def test_a_rate_spreads_the_redriven_events_over_time() -> None:
    plan = plan_redrive([LetterState(letter(position)) for position in range(5)], NOW, rate=2.0)

    assert [unit.puts[0].after_s for unit in plan.units] == [0.0, 0.5, 1.0, 1.5, 2.0]


@pytest.mark.contract("G7")
def test_only_open_letters_that_the_filter_means_are_sent() -> None:
    spam, edited, gone = letter(1, reason="rejected"), letter(2), letter(3)

    plan = plan_redrive(
        [state(spam), state(edited, "edited"), state(gone, "redriven")],
        NOW,
        only=DeadFilter(reasons=frozenset({"attempts"})),
    )

    assert (plan.letters, plan.withheld) == ([edited.id], [])


# --- going round ---------------------------------------------------------------------------------------------------

A: Reason = "attempts"
P: Reason = "permanent"


@pytest.mark.contract("G7")
@pytest.mark.parametrize(
    ("reasons", "round_"),
    [
        ([A], False),
        ([A, A], False),
        ([A, A, A], False),
        ([A, A, A, A], True),
        ([A, A, A, P], False),
        ([P, A, A, A], False),
        ([A, P, A, P, A, A], True),
        ([P, A, P, A, P, A], False),
    ],
    ids=lambda value: str(value) if isinstance(value, bool) else " ".join(value),
)
def test_three_redrives_to_the_same_death_go_round(reasons: list[Reason], round_: bool) -> None:
    assert goes_round(again_after(len(reasons) - 1, reasons)) is round_


def test_deaths_in_another_group_do_not_go_round() -> None:
    note = Note(deaths=tuple(Death("other", "attempts", 1.0, number) for number in range(9)))

    assert not goes_round(letter(note=note))


@pytest.mark.contract("G7")
def test_a_letter_that_goes_round_is_sent_by_force_alone() -> None:
    round_, other = LetterState(again_after(3, [A, A, A, A])), LetterState(letter(9))

    plan, forced = plan_redrive([round_, other], NOW), plan_redrive([round_, other], NOW, force=True)

    assert (plan.letters, plan.withheld) == ([other.letter.id], [round_.letter.id])
    assert (forced.letters, forced.withheld) == ([round_.letter.id, other.letter.id], [])


def test_a_withheld_letter_takes_no_place_in_the_rate() -> None:
    states = [LetterState(again_after(3, [A, A, A, A])), LetterState(letter(9))]

    assert [unit.puts[0].after_s for unit in plan_redrive(states, NOW, rate=1.0).units] == [0.0]


def test_the_history_of_deaths_is_bounded() -> None:
    dead = again_after(DEATHS_KEPT + 5, [A] * (DEATHS_KEPT + 6))

    assert len(dead.history) == DEATHS_KEPT
    assert dead.history[-1].generation == DEATHS_KEPT + 4


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rate": 0}, "a rate"),
        ({"rate": -1.0}, "a rate"),
        ({"rate": float("nan")}, "a rate"),
        ({"rate": float("inf")}, "a rate"),
        ({"limit": 0}, "a limit"),
        ({"limit": 21}, "a limit"),
    ],
)
def test_a_redrive_that_cannot_be_meant_is_refused(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidArgument, match=expected):
        plan_redrive([], NOW, **options)


# --- discard and edit ----------------------------------------------------------------------------------------------


@pytest.mark.contract("G7", "G20")
def test_a_discard_closes_a_letter_and_is_counted() -> None:
    dead = letter(member="m1")

    (put,) = discard(LetterState(dead), NOW, by="ops").puts

    assert (put.target, put.entry) == (Dead("rag.answer", "m1"), "discarded")
    assert read_entry(put.envelope) == Mark(change="discarded", letter=dead.id, at=NOW, by="ops")


@pytest.mark.contract("G7")
def test_an_edited_letter_is_sent_again_with_its_new_bytes() -> None:
    dead = letter()
    (put,) = edit(LetterState(dead), Envelope(b"[]", "application/json"), NOW).puts
    change = read_entry(put.envelope)
    assert isinstance(change, Mark)

    (unit,) = plan_redrive(fold([dead, change]).values(), NOW).units

    assert unit.puts[0].envelope == Envelope(b"[]", "application/json")


@pytest.mark.contract("G12")
def test_a_second_edit_is_not_taken_for_the_first() -> None:
    dead = letter()

    names = {edit(one, Envelope(b""), NOW).puts[0].dedupe for one in (state(dead), state(dead, "edited"))}

    assert len(names) == 2


@pytest.mark.contract("G19")
@pytest.mark.parametrize("change", ["redriven", "discarded"])
def test_a_closed_letter_is_neither_discarded_nor_edited(change: str) -> None:
    closed = state(letter(), change)

    with pytest.raises(InvalidArgument, match=f"was {change} already"):
        discard(closed, NOW)
    with pytest.raises(InvalidArgument, match=f"was {change} already"):
        edit(closed, Envelope(b""), NOW)
