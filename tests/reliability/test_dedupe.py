"""The names under which puts are stored once: different puts never share one."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vagus.reliability.dedupe import letter_id, mark_id, output_id, published, redriven, replayed, retried

EVENTS = st.tuples(st.text(alphabet="ab:0/1r", max_size=8), st.text(alphabet="ab:0/1r", max_size=8), st.integers(0, 20))
PLACES = st.tuples(
    st.sampled_from(["e1", "e2"]),
    st.integers(0, 2),
    st.sampled_from(["g", "h"]),
    st.sampled_from([None, "m1", "m2"]),
    st.sampled_from(["t", "u"]),
    st.sampled_from([1, 2, "1-0"]),
)


@pytest.mark.contract("G12")
@given(one=EVENTS, other=EVENTS)
def test_different_events_never_share_a_name(one: tuple[str, str, int], other: tuple[str, str, int]) -> None:
    assert (published(*one) == published(*other)) == (one == other)


@pytest.mark.contract("G12")
@given(one=EVENTS, step=st.integers(0), other=EVENTS)
def test_a_retry_never_shares_a_name_with_a_publish(
    one: tuple[str, str, int], step: int, other: tuple[str, str, int]
) -> None:
    assert retried(*one, step) != published(*other)


@pytest.mark.contract("G12")
def test_each_generation_and_step_has_a_name_of_its_own() -> None:
    names = {retried("s", "i", generation, step) for generation in range(9) for step in range(9)}

    assert len(names) == 81


@pytest.mark.contract("G12")
@given(one=PLACES, other=PLACES)
def test_each_death_of_an_event_is_a_letter_of_its_own(
    one: tuple[str, int, str, str | None, str, int | str], other: tuple[str, int, str, str | None, str, int | str]
) -> None:
    assume(str(one) != str(other))

    assert letter_id(*one) != letter_id(*other)
    assert letter_id(*one) == letter_id(*one)


@pytest.mark.contract("G12")
def test_three_members_in_all_give_three_answers() -> None:
    assert len({output_id("c", 0, "g", member, 0) for member in ("m1", "m2", "m3")}) == 3


@pytest.mark.contract("G12")
def test_a_handler_that_runs_again_publishes_the_same_ids() -> None:
    assert [output_id("c", 0, "g", None, n) for n in range(3)] == [output_id("c", 0, "g", None, n) for n in range(3)]


@pytest.mark.contract("G7", "G12")
def test_a_second_redrive_is_not_taken_for_the_first() -> None:
    assert redriven("letter", 1) != redriven("letter", 2)


@pytest.mark.contract("G12", "G14")
def test_replays_differ_by_place_and_by_generation() -> None:
    assert len({replayed(topic, place, number) for topic in "ab" for place in (1, 2) for number in (1, 2)}) == 8


def test_marks_on_one_letter_differ_by_change_and_number() -> None:
    ids = {mark_id("l", change, number) for change in ("redriven", "edited", "discarded") for number in range(3)}

    assert len(ids) == 9
