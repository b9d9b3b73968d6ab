"""The checkers of the run as a whole: its books, whether it came to rest, and whether its faults struck anything."""

from __future__ import annotations

import math
from collections.abc import Iterator

from vagus.testing.faults.judge.history import History
from vagus.testing.faults.record import Books, Struck
from vagus.testing.faults.work import TALLY, WORK


def unbalanced(history: History) -> Iterator[str]:
    """Yield where the books of a group do not balance, or say something else than the history."""
    work, tally = history.books.get(WORK), history.books.get(TALLY)
    if work is None or tally is None:
        yield "the books were never told"
        return
    buried = {letter.id for letter in history.letters}
    stored = len(history.confirmed | history.handlings.keys() | buried)
    yield from _unlike(work, stored, len(buried))
    yield from _unlike(tally, work.acked, 0)


def _unlike(books: Books, entered: int, dead: int) -> Iterator[str]:
    """Yield each figure that is not what it should be once all is handled."""
    if books.entered != books.accounted:
        yield f"{books.group}: {books.entered} entered, and {books.accounted} are accounted for"
    expected = {"entered": entered, "dead": dead, "acked": entered - dead, "left": 0}
    for name, number in expected.items():
        if getattr(books, name) != number:
            yield f"{books.group}: the books say {name} = {getattr(books, name)}, the history {number}"


def stuck(history: History) -> Iterator[str]:
    """Yield that the run did not come to rest in time after its last fault."""
    took_s = history.drained_at - history.healed_at
    if math.isinf(took_s):
        yield f"it did not come to rest within {history.plan.drain_s:g} s of the last fault"
    elif took_s > history.plan.drain_s:
        yield f"it came to rest {took_s:.1f} s after the last fault, not within {history.plan.drain_s:g} s"


def fallen(history: History) -> Iterator[str]:
    """Yield processes that ended although nobody struck them."""
    for fell in history.fell:
        yield f"{fell.role} ({fell.victim}) ended by itself with {fell.code}"


def unfelt(history: History) -> Iterator[str]:
    """Yield that the faults of the run proved nothing, since none hit an event in a handler's hands."""
    if not hits(history):
        yield f"none of {len(history.struck)} faults hit an event that was being handled"


def hits(history: History) -> list[Struck]:
    """Return the kills and stops that hit at least one handling between its begin and its end."""
    found = []
    open_ = [(one.pid, one.t, one.ended_at) for handlings in history.handlings.values() for one in handlings]
    for struck in history.struck:
        if struck.blow != "restart" and any(p == struck.victim and b < struck.t < e for p, b, e in open_):
            found.append(struck)
    return found
