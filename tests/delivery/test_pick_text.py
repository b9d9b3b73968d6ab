"""How picks are written down: what is written reads back as the same, and what is no pick is refused."""

from __future__ import annotations

from typing import Any

import pytest

from vagus.delivery.picks.lot import ByKey, Random
from vagus.delivery.picks.match import ByLabel, When
from vagus.delivery.picks.text import Custom, check_custom, parse_pick, pick_of
from vagus.delivery.picks.turn import LeastBusy, RoundRobin, Weighted
from vagus.errors import InvalidArgument


class Mine:
    def apply(self, message: Any) -> Any: ...


class Needy:
    def __init__(self, needed: str) -> None: ...

    def apply(self, message: Any) -> Any: ...


class Slow:
    async def choose(self, event: Any, members: Any) -> Any: ...


def place(cls: type) -> str:
    return f"shop:{cls.__qualname__}"


@pytest.mark.requirement("R12")
@pytest.mark.parametrize(
    ("given", "text"),
    [
        (RoundRobin(), "round_robin"),
        (RoundRobin, "round_robin"),
        ("round_robin", "round_robin"),
        (" round_robin() ", "round_robin"),
        (Weighted(), "weighted"),
        (LeastBusy(), "least_busy"),
        (Random(), "random"),
        (Random(7), "random(7)"),
        ("random(seed=-7)", "random(-7)"),
        (ByKey(), "by_key"),
        (ByKey("data.user"), "by_key('data.user')"),
        (ByLabel("lang"), "by_label('lang')"),
        ('by_label("lang", then="round_robin")', "by_label('lang')"),
        (ByLabel("lang", "data.x", "least_busy"), "by_label('lang', field='data.x', then='least_busy')"),
        (When("data.lang == 'zh'", lang="zh"), "when(\"data.lang == 'zh'\", lang='zh')"),
        (When("data.vip", tier=1, then="weighted"), "when('data.vip', then='weighted', tier='1')"),
        ([When("data.a", x="1"), When("data.b", x="2")], "[when('data.a', x='1'), when('data.b', x='2')]"),
        (Mine(), "shop:Mine"),
        (Mine, "shop:Mine"),
        (Custom("mine", Mine()), "mine"),
        ("shop.picks:Mine", "shop.picks:Mine"),
        ("mine", "mine"),
    ],
)
def test_pick_is_written_and_reads_back_as_the_same(given: Any, text: str) -> None:
    pick = pick_of(given, place)
    assert pick is not None
    assert pick.text == text
    assert parse_pick(text, lambda name: Mine()).text == text


@pytest.mark.requirement("R12")
@pytest.mark.parametrize("given", [None, "own", ""])
def test_own_is_the_way_of_the_backend(given: Any) -> None:
    assert pick_of(given, place) is None


def test_pick_of_the_user_is_found_by_its_text() -> None:
    mine = Mine()
    found = parse_pick("shop:Mine", {"shop:Mine": mine}.__getitem__)
    assert isinstance(found, Custom)
    assert found.made is mine


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("round-robin", "is no pick"),
        ("random('x')", "whole number"),
        ("random(1, 2)", "positional"),
        ("random(open('x'))", "is no pick"),
        ("random(**3)", "is no pick|keywords"),
        ("a.b()", "is no pick"),
        ("by_label()", "is no pick"),
        ("mine(3)", "is no pick"),
        ("[round_robin]", "a list has when"),
        ("[7]", "a list has when"),
        ("[when()]", "missing"),
        ("[]", "one When"),
        ("3", "is no pick"),
        ("(" * 300, "is no pick"),
        ("x" * 5_000, "at most 4000 characters"),
        ([RoundRobin()], "a list of When"),
        (7, "cannot choose"),
        (Needy, "cannot be made"),
        (Slow(), "not an async one"),
    ],
)
def test_what_is_no_pick_is_refused(given: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        pick_of(given, place)


def test_object_that_cannot_choose_is_refused_with_what_was_expected() -> None:
    with pytest.raises(InvalidArgument, match=r"choose\(event, members\) or apply\(event\)"):
        check_custom(object())
