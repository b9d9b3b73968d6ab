"""How dead letters are sent again, edited or discarded: units to commit, planned and not carried out.

A redriven event goes to the inbox of the group (in `all`, of the member) that failed, and to nobody else, with its
generation raised by one: it is not swallowed as a duplicate, and groups that succeeded do not see it. The event is
put first and the letter marked second, so a crash between repeats the put, which is then a duplicate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from vagus.backend import Inbox, Put, Unit
from vagus.errors import InvalidArgument
from vagus.message import Envelope
from vagus.reliability.dead import DeadFilter, DeadLetter, LetterState, Mark, mark_put
from vagus.reliability.dedupe import redriven
from vagus.reliability.note import DEATHS_KEPT, Note, encode_note

SAME_DEATH_LIMIT: Final = 3
"""An event that was redriven so often, and died each time for the same reason, is redriven only by force."""

ALL: Final = DeadFilter()


class RedrivePlan(msgspec.Struct, frozen=True):
    """What a redrive will do: `units` to commit, parallel to the ids of the letters that they are for.

    `withheld`: the ids of letters that go round in a circle and need force.
    """

    units: Sequence[Unit]
    letters: Sequence[str]
    withheld: Sequence[str]


def goes_round(letter: DeadLetter, limit: int = SAME_DEATH_LIMIT) -> bool:
    """Whether the event died for this reason in this group, was redriven, and died so again, `limit` times."""
    same = sum(death.group == letter.group and death.reason == letter.reason for death in letter.history)
    return same >= limit


def plan_redrive(
    states: Iterable[LetterState],
    now: float,
    *,
    only: DeadFilter = ALL,
    rate: float | None = None,
    force: bool = False,
    limit: int = SAME_DEATH_LIMIT,
    by: str = "",
) -> RedrivePlan:
    """Plan to send again the open letters that `only` means, in the order given, `rate` a second (default: at once).

    `force` sends also those that go round in a circle. `now` in seconds since 1970; `by` is kept in the marks.
    Raises `InvalidArgument` for a rate that is not above 0, or a limit outside 1 to 20.
    """
    if rate is not None and not (rate > 0 and math.isfinite(rate)):
        raise InvalidArgument(f"expected a rate of redriven events a second, more than 0, got {rate!r}")
    if not 1 <= limit <= DEATHS_KEPT:
        raise InvalidArgument(f"expected a limit of 1 to {DEATHS_KEPT} equal deaths, got {limit!r}")
    meant = [s.letter for s in states if s.standing == "open" and only.matches(s.letter, now)]
    withheld = frozenset() if force else frozenset(letter.id for letter in meant if goes_round(letter, limit))
    sent = [letter for letter in meant if letter.id not in withheld]
    units = [redrive(letter, now, index / rate if rate else 0.0, by) for index, letter in enumerate(sent)]
    return RedrivePlan(units, [letter.id for letter in sent], [x.id for x in meant if x.id in withheld])


def redrive(letter: DeadLetter, now: float, after_s: float = 0.0, by: str = "") -> Unit:
    """Return the unit that sends one letter again after `after_s` seconds, and marks it."""
    generation = letter.generation + 1
    note = Note(deaths=(*letter.history, letter.death)[-DEATHS_KEPT:], origin=(letter.topic, letter.position))
    again = Put(
        Inbox(letter.group, letter.member),
        letter.envelope,
        key=letter.key,
        lane=letter.lane,
        after_s=after_s,
        dedupe=redriven(letter.id, generation),
        entry="redriven",
        generation=generation,
        note=encode_note(note),
    )
    mark = Mark(change="redriven", letter=letter.id, at=now, by=by, generation=generation)
    return Unit(puts=(again, mark_put(letter, mark)))


def discard(state: LetterState, now: float, by: str = "") -> Unit:
    """Return the unit that closes an open letter for good; the record stays. Raises `InvalidArgument` if not open."""
    _must_be_open(state)
    mark = Mark(change="discarded", letter=state.letter.id, at=now, by=by)
    return Unit(puts=(mark_put(state.letter, mark),))


def edit(state: LetterState, envelope: Envelope, now: float, by: str = "") -> Unit:
    """Return the unit that replaces the event of an open letter, which stays open; the original stays on record.

    Raises `InvalidArgument` if it is not open.
    """
    _must_be_open(state)
    mark = Mark(
        change="edited",
        letter=state.letter.id,
        at=now,
        by=by,
        body=envelope.body,
        content_type=envelope.content_type,
        headers=envelope.headers,
        number=state.edits,
    )
    return Unit(puts=(mark_put(state.letter, mark),))


def _must_be_open(state: LetterState) -> None:
    if state.standing != "open":
        letter = state.letter
        raise InvalidArgument(
            f"dead letter {letter.id} was {state.standing} already",
            hint=f"vagus dead ls {letter.group}",
        )
