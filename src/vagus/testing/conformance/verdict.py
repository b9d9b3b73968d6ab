"""What the suite found out, scenario by scenario, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from vagus.backend import Capabilities

Status: TypeAlias = Literal["held", "refused", "broken", "not witnessed"]


class Verdict(msgspec.Struct, frozen=True):
    """One scenario: `held`; `refused` (a flag is denied, and what it stands for was refused); `broken`, with why;
    `not witnessed` (the subject offers no way to look)."""

    theme: str
    sentence: str
    status: Status
    why: str = ""
    took_s: float = 0.0


class Summary(msgspec.Struct, frozen=True):
    """All verdicts on one URL, in the order of the themes."""

    url: str
    capabilities: Capabilities
    verdicts: tuple[Verdict, ...]
    took_s: float

    @property
    def ok(self) -> bool:
        """Whether something was shown, and nothing broken."""
        return bool(self.verdicts) and not self.of("broken")

    def of(self, status: Status) -> tuple[Verdict, ...]:
        """Return the verdicts with that status."""
        return tuple(verdict for verdict in self.verdicts if verdict.status == status)

    @property
    def counts(self) -> dict[Status, int]:
        """How many scenarios ended how."""
        statuses: tuple[Status, ...] = ("held", "refused", "broken", "not witnessed")
        return {status: len(self.of(status)) for status in statuses}


_MARKS: dict[Status, str] = {"held": "ok", "refused": "refused", "broken": "BROKEN", "not witnessed": "?"}


def theme_lines(theme: str, verdicts: Sequence[Verdict], *, every: bool = False) -> Iterator[str]:
    """Yield the lines of one theme: how many held, then what did not; with `every`, all sentences."""
    held = sum(verdict.status == "held" for verdict in verdicts)
    refused = sum(verdict.status == "refused" for verdict in verdicts)
    broken = any(verdict.status == "broken" for verdict in verdicts)
    also = f", {refused} refused as declared" if refused else ""
    yield f"{'BROKEN' if broken else 'ok':7}{theme:13} {held} of {len(verdicts)} hold{also}"
    for verdict in verdicts:
        if every or verdict.status in ("broken", "not witnessed"):
            why = f": {verdict.why}" if verdict.why else ""
            yield f"         {_MARKS[verdict.status]:8} {verdict.sentence}{why}"


def closing_line(summary: Summary) -> str:
    """Return the last line: the counts, and how long it took."""
    counts = ", ".join(f"{number} {status}" for status, number in summary.counts.items() if number)
    return f"{summary.url}: {counts or 'nothing was run'} in {summary.took_s:.0f} s"
