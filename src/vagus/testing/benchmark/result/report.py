"""What a benchmark found: rows of figures, one column for each lane, and how they stand to their bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from vagus.testing.benchmark.result.figure import Spread

Unit: TypeAlias = Literal["/s", "ms", "us", "s", "", "MB", "%"]


class Verdict(msgspec.Struct, frozen=True):
    """One figure against one bar. `by`: how much more than the bar it is, as a share of it; negative is missed."""

    text: str
    met: bool
    by: float


class Row(msgspec.Struct, frozen=True):
    """One figure in all of its lanes."""

    case: str
    unit: Unit
    lanes: Mapping[str, Spread]
    verdicts: tuple[Verdict, ...] = ()


class Findings(msgspec.Struct, frozen=True):
    """A workload on one system. `notes` say what a reader must know to read the rows."""

    workload: str
    title: str
    system: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """All of one run; `facts` say where and with what it was measured."""

    facts: Mapping[str, str]
    findings: tuple[Findings, ...]

    @property
    def missed(self) -> int:
        """How many bars were missed."""
        return sum(not verdict.met for found in self.findings for row in found.rows for verdict in row.verdicts)
