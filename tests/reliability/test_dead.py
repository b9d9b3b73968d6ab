"""Dead letters: what they hold, how plain tools read them, and which are open."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.backend import Dead, Delivery, Put, Record
from vagus.errors import InvalidArgument
from vagus.message import Envelope
from vagus.message.envelope import CloudEvent
from vagus.reliability.dead import (
    DeadFilter,
    DeadLetter,
    Mark,
    bury,
    fold,
    letter_put,
    mark_put,
    open_letters,
    read_entry,
)
from vagus.reliability.note import Death, Note
from vagus.reliability.verdict import GiveUp

NOW = 1_700_000_000.0
EVENT = CloudEvent(
    id="e1", source="app/rag", type="rag.query", correlationid="run1", causationid="e0", traceparent="00-ab-cd-01"
)
BYTES = b'{"\xe9\x00 not json'
GAVE_UP = GiveUp(
    "attempts", "app.Timeout", "退款 boom", "the stack", Note().failed("app.Timeout", "boom", NOW - 9, "E")
)


def delivery(**other: Any) -> Delivery:
    facts = {"topic": "rag.query", "position": 7, "key": "k", "lane": 3, "losses": 1, **other}
    return Delivery(envelope=Envelope(BYTES, "text/plain", {"x": "1"}), token=None, **facts)


def letter(event: CloudEvent | None = EVENT, member: str | None = None, **other: Any) -> DeadLetter:
    return bury(GAVE_UP, delivery(**other), "rag.answer", member, event, NOW)


def record(put: Put, position: int = 1) -> Record:
    return Record(position, put.envelope, 0.0)


# --- what a letter holds -------------------------------------------------------------------------------------------


@pytest.mark.contract("G6")
@pytest.mark.requirement("R16")
def test_a_letter_tells_why_when_and_from_where() -> None:
    dead = letter(generation=2)

    assert (dead.group, dead.topic, dead.position, dead.key, dead.lane) == ("rag.answer", "rag.query", 7, "k", 3)
    assert (dead.reason, dead.error_kind, dead.error_message, dead.stack) == (
        "attempts",
        "app.Timeout",
        "退款 boom",
        "the stack",
    )
    assert (dead.attempts, dead.attempts_by_kind, dead.losses, dead.generation) == (1, {"app.Timeout": 1}, 1, 2)
    assert (dead.first_failed_at, dead.last_failed_at, dead.died_at) == (NOW - 9, NOW - 9, NOW)
    assert (dead.event_id, dead.event_type, dead.correlation_id, dead.causation_id, dead.traceparent) == (
        "e1",
        "rag.query",
        "run1",
        "e0",
        "00-ab-cd-01",
    )


@pytest.mark.contract("G6")
def test_a_letter_keeps_the_original_bytes_and_headers() -> None:
    assert read_entry(letter_put(letter()).envelope) == letter()
    assert letter().envelope == delivery().envelope


@pytest.mark.contract("G6")
def test_a_plain_json_tool_can_read_a_letter() -> None:
    document = json.loads(letter_put(letter()).envelope.body)

    assert (document["specversion"], document["type"]) == ("1.0", "vagus.dead_letter")
    assert (document["time"], document["correlationid"], document["causationid"]) == (
        "2023-11-14T22:13:20.000Z",
        "run1",
        "e1",
    )
    assert document["data"]["error_message"] == "退款 boom"
    assert base64.b64decode(document["data"]["body"]) == BYTES


@pytest.mark.contract("G6", "G12")
def test_a_letter_is_put_once_to_the_group_that_failed() -> None:
    one, same, other = letter_put(letter()), letter_put(letter()), letter_put(letter(position=8))

    assert (one.target, one.dedupe, one.key) == (Dead("rag.answer"), letter().id, None)
    assert one.dedupe == same.dedupe != other.dedupe


@pytest.mark.contract("G3")
def test_a_letter_of_an_all_group_names_its_member() -> None:
    dead = letter(member="m1")

    assert letter_put(dead).target == Dead("rag.answer", "m1")
    assert dead.id != letter(member="m2").id


@pytest.mark.contract("G6", "G19")
def test_an_event_that_cannot_be_decoded_has_a_letter_too() -> None:
    dead = letter(event=None)

    assert (dead.event_type, dead.event_source, dead.body) == (None, None, BYTES)
    assert dead.event_id == letter(event=None).event_id != letter(event=None, position=8).event_id


def test_a_redriven_event_keeps_its_origin_and_history() -> None:
    death = Death("rag.answer", "attempts", 1.0, 0)
    note = Note(deaths=(death,), origin=("rag.query", 7))
    verdict = msgspec.structs.replace(GAVE_UP, note=note)

    dead = bury(verdict, delivery(topic="$inbox.rag.answer", position=1), "rag.answer", None, EVENT, NOW)

    assert (dead.topic, dead.position, dead.history) == ("rag.query", 7, (death,))


@pytest.mark.contract("G19")
def test_text_that_is_not_unicode_does_not_stop_a_letter() -> None:
    verdict = GiveUp("permanent", "K\udcff", "m\udcff", "s\udcff", Note().failed("K\udcff", "m\udcff", NOW, None))
    put = letter_put(bury(verdict, delivery(), "g", None, EVENT, NOW))

    dead = read_entry(put.envelope)

    assert isinstance(dead, DeadLetter)
    assert (dead.error_kind, dead.error_message, dead.stack) == ("K?", "m?", "s?")


# --- which are open ------------------------------------------------------------------------------------------------


def mark(change: Any, dead: DeadLetter, **other: Any) -> Mark:
    return Mark(change=change, letter=dead.id, at=NOW + 1, **other)


@pytest.mark.contract("G7")
@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ([], "open"),
        (["edited"], "open"),
        (["redriven"], "redriven"),
        (["discarded"], "discarded"),
        (["edited", "edited", "redriven"], "redriven"),
        (["discarded", "redriven"], "discarded"),
        (["redriven", "redriven", "discarded"], "redriven"),
        (["discarded", "edited"], "discarded"),
    ],
    ids=lambda value: ", ".join(value) or "nothing" if isinstance(value, list) else value,
)
def test_the_first_mark_that_closes_a_letter_counts(changes: list[str], standing: str) -> None:
    dead = letter()

    states = fold([dead, *(mark(change, dead) for change in changes)])

    assert states[dead.id].standing == standing


@pytest.mark.contract("G7")
def test_an_edit_replaces_what_will_be_sent_again() -> None:
    dead = letter()

    state = fold([dead, mark("edited", dead, body=b"{}", content_type="application/json")])[dead.id]

    assert state.letter.envelope == Envelope(b"{}", "application/json", None)
    assert (state.edits, state.letter.reason) == (1, "attempts")


def test_a_letter_that_was_stored_twice_counts_once() -> None:
    dead = letter()

    assert fold([dead, mark("discarded", dead), dead])[dead.id].standing == "discarded"


def test_a_mark_without_its_letter_changes_nothing() -> None:
    assert fold([mark("discarded", letter())]) == {}


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["letter", "redriven", "edited", "discarded"]))))
def test_the_fold_of_everything_twice_is_the_fold(steps: list[tuple[int, Any]]) -> None:
    letters = [letter(position=index) for index in range(4)]
    entries = [letters[index] if step == "letter" else mark(step, letters[index]) for index, step in steps]
    closed = {id for id, state in fold(entries).items() if state.standing != "open"}

    again = fold([*entries, *entries])

    assert closed <= {id for id, state in again.items() if state.standing != "open"}
    assert set(again) == set(fold(entries))


@pytest.mark.contract("G7")
def test_open_letters_are_found_among_records_of_any_kind() -> None:
    one, two = letter(position=1), letter(position=2)
    foreign = [
        Envelope(b""),
        Envelope(b"\xff"),
        Envelope(b'"\xff"'),
        Envelope(b'{"specversion":"1.0","id":"1","source":"s","type":"t"}'),
        Envelope(b'{"specversion":"1.0","id":"1","source":"s","type":"vagus.dead_letter"}'),
        Envelope(b'{"specversion":"1.0","id":"1","source":"s","type":"vagus.dead_letter","data":{}}'),
        Envelope(b'{"specversion":"1.0","id":"1","source":"s","type":"vagus.dead_letter.eaten","data":{}}'),
    ]
    records = [
        *(Record(index, envelope, 0.0) for index, envelope in enumerate(foreign)),
        record(letter_put(one)),
        record(letter_put(two)),
        record(mark_put(one, mark("discarded", one))),
    ]

    assert list(open_letters(records)) == [two.id]


@pytest.mark.contract("G20")
@pytest.mark.parametrize(("change", "entry"), [("redriven", "new"), ("edited", "new"), ("discarded", "discarded")])
def test_only_a_discard_is_counted_as_one(change: str, entry: str) -> None:
    put = mark_put(letter(), mark(change, letter()))

    assert put.entry == entry
    assert read_entry(put.envelope) == mark(change, letter())


# --- which are meant -----------------------------------------------------------------------------------------------


@pytest.mark.contract("G7")
@pytest.mark.parametrize(
    ("only", "meant"),
    [
        ({}, True),
        pytest.param({"reasons": {"attempts", "rejected"}}, True, id="one of two reasons"),
        ({"reasons": {"rejected"}}, False),
        ({"kinds": {"app.Timeout"}}, True),
        ({"kinds": {"Timeout"}}, True),
        ({"kinds": {"app"}}, False),
        ({"types": {"rag.query"}}, True),
        ({"types": {"rag.#"}}, True),
        ({"types": {"shop.*"}}, False),
        ({"ids": {"e1"}}, True),
        ({"ids": {letter(member="m1").id}}, True),
        ({"ids": {"e2"}}, False),
        ({"members": {"m1"}}, True),
        ({"members": {"m2"}}, False),
        ({"older_than_s": 60.0}, True),
        ({"older_than_s": 60.5}, False),
        ({"reasons": {"attempts"}, "older_than_s": 3600.0}, False),
    ],
    ids=str,
)
def test_a_filter_means_letters_that_meet_all_its_conditions(only: dict[str, Any], meant: bool) -> None:
    conditions: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, set) else value for name, value in only.items()
    }

    assert DeadFilter(**conditions).matches(letter(member="m1"), NOW + 60) is meant


def test_an_undecodable_event_has_no_type_to_be_meant_by() -> None:
    assert not DeadFilter(types=frozenset({"*"})).matches(letter(event=None), NOW)


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ({"older_than_s": -1.0}, "older_than_s"),
        ({"older_than_s": float("nan")}, "older_than_s"),
        ({"types": frozenset({"a..b"})}, "legal pattern"),
        ({"reasons": "attempts"}, "reasons as a set"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(only: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidArgument, match=expected):
        DeadFilter(**only)
