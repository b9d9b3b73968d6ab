"""Which steering may follow which, who reads under it, and to which epoch an event belongs (rules 5 and 13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from vagus.backend import Cut, GroupSpec, Mode, Steering, Switch
from vagus.errors import GroupConflict, InvalidArgument

Kind: TypeAlias = Literal["shared", "ingress", "own", "inbox"]
"""Whose a subscription is: all members', the dispatcher's, one member's in `all`, or one to whom events are moved."""

KEPT_CUTS = 100
"""How many of a group's cuts are remembered; events of older epochs are told apart no more."""


def reader_of(mode: Mode, pick: str) -> Kind:
    """Return which kind of subscription reads on under a steering."""
    if mode == "all":
        return "own"
    return "ingress" if pick else "shared"


def check_declared(spec: GroupSpec, known: GroupSpec | None, cuts: Sequence[Cut]) -> None:
    """Raise unless `spec` can be declared: a group that is there was first declared, or once switched, to the same.

    Raises `GroupConflict`, or `InvalidArgument` for a pick in `all`.
    """
    _check_pick(spec.mode, spec.pick)
    if known is None:
        return
    taken = [(known.mode, known.pick), *((cut.mode, cut.pick) for cut in cuts)]
    if (spec.mode, spec.pick) not in taken:
        present, wanted = in_words(*taken[-1]), in_words(spec.mode, spec.pick)
        raise GroupConflict(
            f"group {spec.name!r} delivers {present}, it cannot be declared to deliver {wanted}",
            hint=f"declare it to deliver {present}, or: vagus groups drop {spec.name}",
        )


def in_words(mode: Mode, pick: str) -> str:
    """Return how a group delivers, as a piece of a sentence."""
    return f"{mode!r} by {pick!r}" if pick else f"{mode!r}"


def switched(group: str, present: Steering, change: Switch) -> Steering:
    """Return the steering that `change` brings.

    Raises `GroupConflict` for one that does not follow the present one, or `InvalidArgument` for a pick in `all`.
    """
    _check_pick(change.mode, change.pick)
    if change.epoch != present.epoch + 1:
        raise GroupConflict(
            f"group {group!r} is in epoch {present.epoch} and delivers {in_words(present.mode, present.pick)}:"
            f" the next switch has epoch {present.epoch + 1}, not {change.epoch}",
            hint="somebody else switched it: look how it delivers now, and switch it again if that is not meant",
        )
    return Steering(change.mode, change.pick, change.epoch)


def _check_pick(mode: Mode, pick: str) -> None:
    if mode == "all" and pick:
        raise InvalidArgument(
            f"in 'all' every member gets each event, so that {pick!r} has nothing to pick", hint="use it with 'once'"
        )


def epoch_of(cuts: Sequence[Cut], log: str, lane: int, position: int) -> int:
    """Return the epoch of what lies at `position` in a lane of a log; 1 where nothing was ever switched."""
    for cut in reversed(cuts):
        ends = cut.ends.get(log, ())
        if lane >= len(ends) or position > int(ends[lane]):
            return cut.epoch
    return cuts[0].epoch - 1 if cuts else 1


def began(cuts: Sequence[Cut], first: Steering) -> Cut | None:
    """Return the cut at which the present way of reading began; None where it was the first one."""
    found: Cut | None = None
    kinds = [reader_of(first.mode, first.pick), *(reader_of(cut.mode, cut.pick) for cut in cuts)]
    for before, cut in zip(reversed(kinds[:-1]), reversed(cuts), strict=True):
        found = cut
        if before != kinds[-1]:
            return cut
    return found if cuts and cuts[0].epoch > 2 else None
