"""Two copies of a topic, compared: each kind of difference is found, and nothing where there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.delivery.difference import Difference, Seen, compare


def seen(text: str, age_s: float = 60.0) -> list[Seen]:
    """Events from words such as `k1`: key k, id k1; `k1!` has other bytes; `1` has no key."""
    return [
        Seen(word.rstrip("!"), word.encode(), word[0] if word[0].isalpha() else None, age_s) for word in text.split()
    ]


def found(first: str, second: str) -> dict[str, tuple[str, ...]]:
    told = compare("t", seen(first), seen(second))
    parts = {name: getattr(told, name) for name in ("missing", "extra", "changed", "disordered")}
    return {name: ids for name, ids in parts.items() if ids}


@pytest.mark.requirement("R49")
@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        ("a1 b1 a2", "a1 b1 a2", {}),
        ("", "", {}),
        ("a1 b1 a2", "a1 a2 b1", {}),
        ("a1 b1 a2", "a2 b1 a1", {"disordered": ("a",)}),
        ("1 2", "2 1", {}),
        ("a1 a2 a3", "a1 a3", {"missing": ("a2",)}),
        ("a1 a2", "a1 a2 c9", {"extra": ("c9",)}),
        ("a1 a2", "a1 a2!", {"changed": ("a2",)}),
        ("a1 a2 a3", "a2 a3", {}),
        ("a1", "", {"missing": ("a1",)}),
        ("", "a1", {"extra": ("a1",)}),
        ("a1 b1 a2 a3", "b1! a3 a2 c1", {"extra": ("c1",), "changed": ("b1",), "disordered": ("a",)}),
    ],
)
def test_each_kind_of_difference_is_found(first: str, second: str, difference: dict[str, tuple[str, ...]]) -> None:
    assert found(first, second) == difference


def test_what_is_too_new_or_too_old_is_counted_and_not_judged() -> None:
    first = [*seen("a1 a2 a3"), *seen("a4", age_s=0.5)]

    told = compare("t", first, [*seen("a2 a3"), *seen("a9", age_s=0.1)])

    assert told == Difference("t", 2, 1, 1, (), (), (), ())
    assert told.same
    assert not compare("t", first, seen("a2")).same


@given(st.lists(st.integers(0, 3), max_size=30))
def test_copy_of_anything_is_the_same(keys: list[int]) -> None:
    events = [Seen(str(number), b"x", str(key)) for number, key in enumerate(keys)]

    assert compare("t", events, events).same


@given(st.integers(1, 29))
def test_one_planted_loss_is_found(lost: int) -> None:
    events = [Seen(str(number), b"x", "k", 9.0) for number in range(30)]

    told = compare("t", events, [event for event in events if event.id != str(lost)])

    assert (told.missing, told.extra, told.disordered) == ((str(lost),), (), ())
