"""Trace texts: made, continued and refused as W3C Trace Context says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.message import child_traceparent, new_traceparent, parse_traceparent, trace_id
from vagus.message.trace import foreign_traceparent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
RANDOM = st.integers(0, (1 << 200) - 1)


@given(RANDOM)
def test_a_new_traceparent_is_valid_and_sampled(random: int) -> None:
    found = parse_traceparent(new_traceparent(random))

    assert found is not None
    assert found.sampled


@given(RANDOM)
def test_a_child_stays_in_its_trace_with_a_span_of_its_own(random: int) -> None:
    found = parse_traceparent(child_traceparent(PARENT, random))

    assert found is not None
    assert found.trace_id == TRACE
    assert found.span_id == f"{random & ((1 << 64) - 1) or 1:016x}"


def test_a_child_keeps_the_decision_not_to_sample() -> None:
    assert child_traceparent(f"00-{TRACE}-{SPAN}-00", 5) == f"00-{TRACE}-0000000000000005-00"


@pytest.mark.parametrize(("flags", "kept"), [("03", "01"), ("fe", "00")])
def test_a_child_drops_flags_that_nobody_knows_yet(flags: str, kept: str) -> None:
    assert child_traceparent(f"00-{TRACE}-{SPAN}-{flags}", 5) == f"00-{TRACE}-0000000000000005-{kept}"


@pytest.mark.parametrize("parent", [None, "", "garbage"])
def test_a_child_of_no_valid_parent_starts_a_trace(parent: str | None) -> None:
    assert child_traceparent(parent, 1 << 100) == new_traceparent(1 << 100)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        PARENT.upper(),
        PARENT + "-extra",
        PARENT[:-1],
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        "x" + PARENT,
    ],
)
def test_what_is_no_traceparent_has_no_trace_id(text: str | None) -> None:
    assert parse_traceparent(text) is None
    assert trace_id(text) is None


def test_a_later_version_may_say_more_after_the_flags() -> None:
    assert trace_id(f"cc-{TRACE}-{SPAN}-01-what-the-future-holds") == TRACE
    assert trace_id(PARENT) == TRACE


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        (PARENT, TRACE),
        (TRACE, TRACE),
        (TRACE.upper(), TRACE),
        ("4bf92f35-77b3-4da6-a3ce-929d0e0e4736", TRACE),
    ],
)
def test_a_foreign_trace_id_is_kept_where_it_is_one(text: str, trace: str) -> None:
    assert trace_id(foreign_traceparent(text)) == trace


@given(st.text())
def test_any_foreign_text_gives_one_valid_trace(text: str) -> None:
    assert trace_id(foreign_traceparent(text))
    assert foreign_traceparent(text) == foreign_traceparent(text)


def test_a_foreign_trace_id_of_zeros_is_replaced() -> None:
    assert trace_id(foreign_traceparent("0" * 32)) not in (None, "0" * 32)
