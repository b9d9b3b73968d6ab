"""The note kept with a held event: bounded, readable after a round trip, harmless when broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.reliability.note import (
    ERRORS_KEPT,
    KINDS_KEPT,
    MESSAGE_CHARS,
    OTHER_KINDS,
    Death,
    Failure,
    Note,
    clipped,
    decode_note,
    encode_note,
)


def test_nothing_happened_is_no_bytes_at_all() -> None:
    assert encode_note(Note()) == b""
    assert decode_note(b"") == Note()


def test_a_note_survives_its_bytes() -> None:
    death = Death("g", "attempts", 1.0, 0)
    note = Note(deaths=(death,), origin=("rag.query", 7)).failed("KeyError", "'x'", 5.0, "Exception").refused()

    assert decode_note(encode_note(note)) == note


@pytest.mark.contract("G19")
@given(body=st.binary(min_size=1))
def test_a_note_that_cannot_be_read_is_empty_and_says_so(body: bytes) -> None:
    note = decode_note(b"\xc1" + body)

    assert note == Note(unreadable=True)


@pytest.mark.contract("G5")
def test_a_failure_is_counted_in_all_and_by_kind_and_policy() -> None:
    note = Note().failed("KeyError", "a", 1.0, "Exception").failed("OSError", "b", 3.0, "OSError")

    assert (note.failures, note.by_kind, note.by_policy) == (
        2,
        {"KeyError": 1, "OSError": 1},
        {"Exception": 1, "OSError": 1},
    )
    assert (note.first_at, note.last_at) == (1.0, 3.0)
    assert note.errors == (Failure("KeyError", "a", 1.0), Failure("OSError", "b", 3.0))


def test_a_failure_charged_to_nobody_spends_no_policy() -> None:
    assert Note().failed("Reject", "no", 1.0, None).by_policy == {}


@given(st.lists(st.text(max_size=2000), max_size=60))
def test_a_note_never_grows_beyond_its_bounds(texts: list[str]) -> None:
    note = Note()
    for index, text in enumerate(texts):
        note = note.failed(f"Kind{index}", text, float(index), "Exception")

    assert len(note.errors) <= ERRORS_KEPT
    assert len(note.by_kind) <= KINDS_KEPT + 1
    assert all(len(failure.message) <= MESSAGE_CHARS for failure in note.errors)
    assert note.failures == sum(note.by_kind.values()) == len(texts)


def test_kinds_beyond_the_bound_are_counted_together() -> None:
    note = Note()
    for index in range(KINDS_KEPT + 3):
        note = note.failed(f"Kind{index}", "", 0.0, None)

    assert note.by_kind[OTHER_KINDS] == 3


@pytest.mark.contract("G13")
def test_a_refused_output_is_no_failure() -> None:
    note = Note().refused().refused()

    assert (note.failures, note.blocked) == (0, 2)


def test_refusals_are_counted_in_a_row_only() -> None:
    note = Note().refused().failed("KeyError", "", 1.0, "Exception")

    assert note.blocked == 0


@pytest.mark.contract("G12")
@given(st.lists(st.sampled_from(["failed", "refused", "postponed"]), max_size=30))
def test_no_step_is_used_twice(events: list[str]) -> None:
    note, steps = Note(), [0]
    for event in events:
        changed = {
            "failed": note.failed("E", "", 1.0, "Exception"),
            "refused": note.refused(),
            "postponed": note.postponed(1.0),
        }
        note = decode_note(encode_note(changed[event]))
        steps.append(note.steps)

    assert steps == sorted(set(steps))


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("退款政策", 3, "退款…"), ("a\udcff", 9, "a?"), ("", 0, "")],
)
def test_a_text_is_cut_at_its_limit_and_can_be_written(text: str, limit: int, kept: str) -> None:
    assert clipped(text, limit) == kept
