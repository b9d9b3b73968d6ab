"""Judges a run in which a group was switched while events flowed, by what handlers wrote down and nothing else.

To which epoch an event belongs is told by where it was published and where the cuts fell. What is promised to it is
what was asked for in that epoch: one member, the one that the pick may choose, or all that were there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Published(NamedTuple):
    """An event as its publisher knows it; times in seconds since 1970."""

    number: int
    position: int
    lang: str
    before: float
    after: float


class Handled(NamedTuple):
    """One handling as its handler wrote it down."""

    number: int
    member: str
    epoch: int
    at: float


class Epoch(NamedTuple):
    """What was asked for from a position on: events behind `end` belong here, until the next one begins."""

    number: int
    mode: str
    pick: str
    end: int


class Life(NamedTuple):
    """A member: since when it takes part for sure, when it was killed (None: it lives), its label."""

    since: float
    killed: float | None
    lang: str


def judge(
    published: Sequence[Published],
    handled: Sequence[Handled],
    epochs: Sequence[Epoch],
    lives: Mapping[str, Life],
) -> list[str]:
    """Return every way in which the run breaks what was promised, in words; none is as it must be."""
    found: list[str] = []
    known = {event.number for event in published}
    found += [f"event {one.number} was never published" for one in handled if one.number not in known]
    by_number: dict[int, list[Handled]] = defaultdict(list)
    for one in handled:
        by_number[one.number].append(one)
    for event in published:
        epoch = _epoch_of(event, epochs)
        mine = by_number[event.number]
        found += [
            f"event {event.number} at {event.position} is of epoch {epoch.number}, {one.member} had it in {one.epoch}"
            for one in mine
            if one.epoch != epoch.number
        ]
        found += _of_all(event, mine, lives) if epoch.mode == "all" else _of_one(event, mine, epoch, lives)
    return found


def _epoch_of(event: Published, epochs: Sequence[Epoch]) -> Epoch:
    return next(epoch for epoch in reversed(epochs) if event.position > epoch.end)


def _of_one(event: Published, mine: list[Handled], epoch: Epoch, lives: Mapping[str, Life]) -> list[str]:
    # One that was killed may have handled it without settling: then another one has to.
    settled = [one for one in mine if lives[one.member].killed is None]
    if not mine:
        return [f"event {event.number} (once, epoch {epoch.number}) was handled by nobody"]
    found = []
    if len(settled) > 1 or (not settled and len(mine) > len({one.member for one in mine})):
        found.append(f"event {event.number} (once) was handled by {', '.join(one.member for one in mine)}")
    if epoch.pick.startswith("by_label"):
        wrong = [one.member for one in mine if lives[one.member].lang != event.lang]
        found += [f"event {event.number} is for {event.lang}, {member} had it" for member in wrong]
    return found


def _of_all(event: Published, mine: list[Handled], lives: Mapping[str, Life]) -> list[str]:
    counts = Counter(one.member for one in mine)
    must = [name for name, life in lives.items() if life.killed is None and life.since < event.before]
    found = [f"event {event.number} (all) was not handled by {name}" for name in must if not counts[name]]
    return found + [
        f"event {event.number} (all) was handled {count} times by {name}"
        for name, count in counts.items()
        if count > 1 and lives[name].killed is None
    ]
