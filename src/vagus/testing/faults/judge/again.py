"""Why was an event handled again? It had failed, or a fault had taken it from its holder; or vagus is at fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from vagus.testing.faults.judge.history import Handling, History, Why

Reason: TypeAlias = Why | Literal["retry", "stale"]
"""`stale`: the process did not know yet that it had lost the delivery when it began."""


class Again(msgspec.Struct, frozen=True):
    """A handling of an event that was handled before; `reason` is None where nothing explains it."""

    before: Handling
    after: Handling
    reason: Reason | None

    @property
    def forced(self) -> bool:
        """Whether a fault took the delivery from its holder."""
        return self.reason not in (None, "retry", "stale")


def repeats(history: History) -> list[Again]:
    """Return every handling but the first ones of all events, in order of time for each event."""
    return [again for handlings in history.handlings.values() for again in _of_event(history, handlings)]


def _of_event(history: History, handlings: Sequence[Handling]) -> Iterator[Again]:
    before = handlings[0]
    for after in handlings[1:]:
        again = Again(before, after, _reason(history, before, after))
        yield again
        if again.reason != "stale":
            before = after


def _reason(history: History, before: Handling, after: Handling) -> Reason | None:
    if before.outcome == "failed" and after.begin.attempt == before.begin.attempt + 1:
        return "retry"
    return history.doubt.lost(before) or ("stale" if history.doubt.stale(after) else None)
