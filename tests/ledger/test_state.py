"""Small keyed state: compare and set, fenced appends, time to live."""

from __future__ import annotations

import pytest

from vagus.ledger.state import State
from vagus.store import Append, Change, Value


def bodies(state: State, after: int = 0, limit: int = 99, now: float = 0.0) -> list[bytes]:
    return [part.body for part in state.follow("s", after, limit, now)]


@pytest.mark.parametrize(
    ("expect", "there", "done"),
    [(None, False, True), (None, True, True), (0, False, True), (0, True, False), (1, True, True), (2, True, False)],
)
def test_change_takes_effect_when_its_version_is_there(expect: int | None, there: bool, done: bool) -> None:
    state = State()
    if there:
        state.swap([Change("k", b"old")], 0)
    change = Change("k", b"new", expect=expect)
    assert state.swap([change], 0) == [done]
    found = state.get("k", 0)
    assert found == (Value(b"new", 1 + there) if done else Value(b"old", 1) if there else None)


def test_swap_changes_all_or_nothing() -> None:
    state = State()
    assert state.swap([Change("a", b"1", expect=0), Change("b", b"1", expect=5)], 0) == [False, False]
    assert state.get("a", 0) is None
    assert state.swap([Change("a", b"1"), Change("b", b"1", expect=5, required=False)], 0) == [True, False]


def test_changes_of_one_swap_see_each_other() -> None:
    state = State()
    changes = [Change("k", b"1", expect=0), Change("k", b"2", expect=1), Change("k", None, expect=2)]
    assert state.swap([*changes, Change("k", b"3", expect=0)], 0) == [True] * 4
    assert state.get("k", 0) == Value(b"3", 1)


@pytest.mark.contract("G18")
def test_older_epoch_is_refused_and_a_newer_one_counts_anew() -> None:
    state = State()
    assert state.apply(Append("s", "p", 2, 1, [b"a", b"b"]), 0)
    assert not state.apply(Append("s", "p", 1, 3, [b"x"]), 0)
    assert state.apply(Append("s", "q", 1, 1, [b"c"]), 0)
    assert state.apply(Append("s", "p", 3, 1, [b"d"]), 0)
    assert bodies(state) == [b"a", b"b", b"c", b"d"]


@pytest.mark.contract("G18")
def test_repeated_append_adds_what_is_new_alone() -> None:
    state = State()
    state.apply(Append("s", "p", 1, 1, [b"a", b"b"]), 0)
    state.apply(Append("s", "p", 1, 1, [b"a", b"b", b"c"]), 0)
    assert bodies(state) == [b"a", b"b", b"c"]
    assert (bodies(state, after=1, limit=1), bodies(State())) == ([b"b"], [])


@pytest.mark.contract("G18")
def test_required_append_of_an_older_epoch_refuses_its_swap() -> None:
    state = State()
    newer, older = Append("s", "p", 2, 1, [b"a"], required=True), Append("s", "p", 1, 1, [b"b"], required=True)
    assert state.swap([newer, older], 0) == [False, False]
    assert state.swap([older, newer], 0) == [True, True]


def test_what_has_a_time_to_live_is_forgotten() -> None:
    state = State()
    state.swap([Change("k", b"v", ttl_s=10), Change("stays", b"v"), Append("s", "p", 5, 1, [b"a"], ttl_s=20)], 0)
    assert state.get("k", 9) == Value(b"v", 1)
    assert state.get("k", 10) is None
    assert state.swap([Change("k", b"v", expect=0, ttl_s=90)], 10) == [True]
    assert bodies(state, now=19) == [b"a"]
    assert bodies(state, now=20) == []
    state.forget(5)
    state.forget(20)
    assert state.apply(Append("s", "p", 1, 1, [b"b"]), 20)
    assert state.scan("", "", 9, 20) == [("k", Value(b"v", 1)), ("stays", Value(b"v", 1))]
    state.forget(100)
    assert [key for key, _ in state.scan("", "", 9, 100)] == ["stays"]


@pytest.mark.parametrize(
    ("prefix", "after", "limit", "found"),
    [("a/", "", 9, "a/1 a/2 a/3"), ("a/", "a/1", 9, "a/2 a/3"), ("a/", "", 2, "a/1 a/2"), ("c", "", 9, "")],
)
def test_scan_gives_keys_in_order(prefix: str, after: str, limit: int, found: str) -> None:
    state = State()
    for key in ("b/1", "a/3", "a/1", "a/2"):
        state.swap([Change(key, b"v")], 0)
    state.swap([Change("a/0", b"v", ttl_s=-1)], 0)
    assert " ".join(key for key, _ in state.scan(prefix, after, limit, 0)) == found
