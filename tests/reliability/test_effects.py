"""The record of an effect: what is asked, what is claimed, and what alone marks an event as done."""

from __future__ import annotations

import pytest

from vagus.ledger.state import State
from vagus.reliability.effects import BUSY, HANDLED, KEEP_S, Free, Identity, claim, complete, judge, let_go

pytestmark = pytest.mark.contract("G12")

IT = Identity("shop.charge", None, "shop", "e-1", 0)


class Desk:
    """A store in which one identity stands, and those who come for it from places of their own."""

    def __init__(self) -> None:
        self.state = State()

    def standing(self, place: str) -> object:
        return judge(self.state.get(IT.key, 0.0), place)

    def claim(self, place: str) -> int:
        standing = self.standing(place)
        assert isinstance(standing, Free)
        assert self.state.swap([claim(IT, place, standing.version, KEEP_S)], 0.0) == [True]
        return standing.version + 1


def test_to_ask_records_nothing() -> None:
    desk = Desk()
    assert desk.standing("a") == desk.standing("a") == Free(0)


def test_claimed_event_is_busy_for_copies_and_free_for_its_own_place() -> None:
    desk = Desk()
    version = desk.claim("a")
    assert desk.standing("b") == BUSY
    assert desk.standing("a") == Free(version)


def test_failed_attempt_never_marks_an_event_as_done() -> None:
    desk = Desk()
    version = desk.claim("a")
    desk.state.swap([let_go(IT, version)], 0.0)
    assert desk.standing("b") == Free(0)


def test_completed_event_is_handled_for_every_place() -> None:
    desk = Desk()
    desk.state.swap([complete(IT, desk.claim("a"), KEEP_S)], 0.0)
    assert desk.standing("a") == desk.standing("b") == HANDLED


def test_holder_that_was_overtaken_can_neither_complete_nor_let_go() -> None:
    desk = Desk()
    lost = desk.claim("a")
    desk.claim("a")

    assert desk.state.swap([complete(IT, lost, KEEP_S)], 0.0) == [False]
    assert desk.state.swap([let_go(IT, lost)], 0.0) == [False]
    assert desk.standing("b") == BUSY


def test_event_is_forgotten_when_its_time_is_over() -> None:
    desk = Desk()
    desk.state.swap([complete(IT, desk.claim("a"), 10.0)], 0.0)
    assert desk.state.get(IT.key, 9.0) is not None
    assert desk.state.get(IT.key, 10.0) is None


@pytest.mark.parametrize(
    "other",
    [
        Identity("shop.mail", None, "shop", "e-1", 0),
        Identity("shop.charge", "m", "shop", "e-1", 0),
        Identity("shop.charge", None, "other", "e-1", 0),
        Identity("shop.charge", None, "shop", "e-2", 0),
    ],
    ids=["group", "member", "source", "id"],
)
def test_each_part_of_an_identity_tells_effects_apart(other: Identity) -> None:
    assert other.key != IT.key
    assert other.named("pay") != IT.named("pay")
    assert other.external("pay") != IT.external("pay")


def test_generation_counts_for_the_event_and_not_for_its_named_effects() -> None:
    redriven = Identity("shop.charge", None, "shop", "e-1", 1)
    assert redriven.key != IT.key
    assert redriven.named("pay") == IT.named("pay")
    assert redriven.external("pay") == IT.external("pay")
    assert IT.named("pay") != IT.named("mail")
    assert IT.external("pay") != IT.external("mail")


def test_text_that_moves_between_the_parts_makes_another_key() -> None:
    one, other = Identity("a", None, "bc", "1", 0), Identity("ab", None, "c", "1", 0)
    assert one.external("d") != other.external("d")
    assert Identity("a", None, "b", "1", 0).external("cd") != Identity("a", None, "bc", "1", 0).external("d")
