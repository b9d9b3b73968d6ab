"""What happened in a simulated world, as its own publishers, handlers, seam and nemeses wrote it down."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

Handling: TypeAlias = tuple[str, str | None, str, int]
"""What a handler is called for: the group, the member in `all`, the event's id, its generation."""


class Act(NamedTuple):
    """One line of the history: when (virtual seconds), who, what, and which event or place it concerned."""

    at: float
    who: str
    what: str
    about: str
    detail: str = ""

    def __str__(self) -> str:
        """Return the line as it is shown in a trace."""
        return f"{self.at:9.4f}  {self.who:<12} {self.what:<11} {self.about}  {self.detail}".rstrip()


class Violation(NamedTuple):
    """A promise that was broken: which checker saw it, of which event or place, and how."""

    kind: str
    about: str
    how: str


class History:
    """All acts in order, the violations that were seen on the way, and the faults that really hit something."""

    def __init__(self, time: Callable[[], float]) -> None:
        self.time = time
        self.acts: list[Act] = []
        self.violations: list[Violation] = []
        self.faults: Counter[str] = Counter()
        self.asked: dict[str, tuple[float, float]] = {}
        self.confirmed: dict[str, float] = {}
        self.begun: dict[Handling, list[tuple[float, str]]] = {}
        self.ended: dict[Handling, list[tuple[float, str]]] = {}

    def note(self, who: str, what: str, about: str, detail: str = "") -> None:
        """Write down one act."""
        self.acts.append(Act(self.time(), who, what, about, detail))

    def ask(self, who: str, event: str, after_s: float, detail: str) -> None:
        """Write down that a publisher asked for an event to be stored, due in `after_s` seconds."""
        self.asked[event] = self.time(), after_s
        self.note(who, "publish", event, detail)

    def confirm(self, who: str, event: str, status: str) -> None:
        """Write down that a publisher was told that the event is stored."""
        self.confirmed[event] = self.time()
        self.note(who, "confirmed", event, status)

    def begin(self, who: str, handling: Handling, detail: str) -> None:
        """Write down that a handler was called."""
        self.begun.setdefault(handling, []).append((self.time(), who))
        self.note(who, "begin", f"{handling[0]} {handling[2]}", detail)

    def end(self, who: str, handling: Handling) -> None:
        """Write down that a handler returned."""
        self.ended.setdefault(handling, []).append((self.time(), who))
        self.note(who, "end", f"{handling[0]} {handling[2]}")

    def fault(self, kind: str, who: str, detail: str = "") -> None:
        """Write down a fault that hit something: an unsettled delivery, or a commit that was under way."""
        self.faults[kind] += 1
        self.note(who, "FAULT", kind, detail)

    def broken(self, kind: str, about: str, how: str) -> None:
        """Write down a broken promise, once."""
        found = Violation(kind, about, how)
        if found not in self.violations:
            self.violations.append(found)
            self.note("judge", "BROKEN", about, f"{kind}: {how}")

    def trace(self, found: Violation, most: int = 40) -> list[str]:
        """Return the last acts before `found` that concern its event, in whichever group, and every fault."""
        end = next(n for n, act in enumerate(self.acts) if act.what == "BROKEN" and act.about == found.about)
        taken = [act for act in self.acts if act.what == "taken" and act.about == found.about]
        wanted = {found.about, *(act.detail.partition(" ")[0] for act in taken)}
        chosen = [
            act
            for act in self.acts[: end + 1]
            if act.what == "FAULT" or any(word in act.about or word in act.detail for word in wanted)
        ]
        return [str(act) for act in chosen[-most:]]

    def digest(self) -> str:
        """Return a hash of all acts: the same for the same seed."""
        return hashlib.sha256("\n".join(map(str, self.acts)).encode()).hexdigest()
