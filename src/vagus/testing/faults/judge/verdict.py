"""What all checkers say of a run, and the figures that show how hard it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from vagus.testing.faults.judge import checks, whole
from vagus.testing.faults.judge.again import repeats
from vagus.testing.faults.judge.history import History
from vagus.testing.faults.plan import Plan
from vagus.testing.faults.record import Record

CHECKERS: dict[str, Callable[[History], Iterator[str]]] = {
    "loss": checks.lost,
    "phantom": checks.invented,
    "duplicate": checks.doubled,
    "order": checks.disordered,
    "early": checks.early,
    "fence": checks.unfenced,
    "dead letter": checks.misburied,
    "books": whole.unbalanced,
    "liveness": whole.stuck,
    "worker": whole.fallen,
    "no fault": whole.unfelt,
}
"""The checkers by what they look for."""

_SHOWN = 5


class Finding(msgspec.Struct, frozen=True):
    """One broken promise: the checker that saw it, and what it saw."""

    check: str
    text: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a history shows.

    `unknown`: events whose publisher never learned what became of them, of which `maybe` were handled. `again`: how
    many handlings repeated an earlier one, by reason. `forced`: those that a fault forced. `blows`: faults by kind;
    `hits`: kills and stops that hit an event in a handler's hands. `stalls`: how often nobody could store anything
    for a third of a lease. `drain_s`: from the last fault to rest.
    """

    findings: tuple[Finding, ...]
    published: int
    unknown: int
    maybe: int
    handlings: int
    again: dict[str, int]
    forced: int
    dead: dict[str, int]
    blows: dict[str, int]
    hits: int
    stalls: int
    drain_s: float

    @property
    def ok(self) -> bool:
        """Whether every promise was kept, and put to the test."""
        return not self.findings

    def __str__(self) -> str:
        """Return the figures, and the first findings of each checker, as lines."""
        figures = {name: value for name, value in msgspec.structs.asdict(self).items() if name != "findings"}
        counts = Counter(finding.check for finding in self.findings)
        lines = [f"{name}: {value}" for name, value in figures.items()]
        for check, count in counts.items():
            lines.append(f"{check}: {count} findings")
            lines += [f"  {finding.text}" for finding in self.findings if finding.check == check][:_SHOWN]
        return "\n".join(lines)


def judge(records: Sequence[Record], plan: Plan) -> Verdict:
    """Return what the records of a run show."""
    history = History(records, plan)
    findings = [Finding(name, text) for name, check in CHECKERS.items() for text in check(history)]
    found = repeats(history)
    unknown = history.intents.keys() - history.confirmed
    return Verdict(
        findings=tuple(findings),
        published=len(history.confirmed),
        unknown=len(unknown),
        maybe=len(unknown & history.handlings.keys()),
        handlings=sum(len(handlings) for handlings in history.handlings.values()),
        again=dict(Counter(again.reason or "unexplained" for again in found)),
        forced=sum(again.forced for again in found),
        dead=dict(Counter(letter.reason for letter in history.letters)),
        blows=dict(Counter(struck.blow for struck in history.struck)),
        hits=len(whole.hits(history)),
        stalls=len(history.doubt.stalls),
        drain_s=round(history.drained_at - history.healed_at, 1),
    )
