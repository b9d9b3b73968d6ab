"""A report as lines of at most 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from vagus.testing.benchmark.result.bar import spoken
from vagus.testing.benchmark.result.figure import Spread, short
from vagus.testing.benchmark.result.report import Findings, Row, Verdict

WIDTH = 80
_CASE = 29
_VALUE = 10
_CELL = 8
_RANGE = 15


def fact_lines(facts: Mapping[str, str]) -> Iterator[str]:
    """Yield the machine and the settings, a line or two for each."""
    for name, value in facts.items():
        yield from wrap(f"{name:<16} {value}", WIDTH, subsequent_indent=" " * 17)


def finding_lines(found: Findings) -> Iterator[str]:
    """Yield the table of one workload on one system, bars below the rows that they are for."""
    yield f"{found.workload}  {found.title}" + (f"  [{found.system}]" if found.system else "")
    others = _others(found.rows)
    if found.rows:
        head = f"  {'':<{_CASE}}{'vagus':>{_VALUE}}  {'least - most':<{_RANGE}}"
        yield (head + "".join(f"{name:>{_CELL}}" for name in others)).rstrip()
    for row in found.rows:
        yield _row_line(row, others)
        yield from (_bar_line(one) for one in row.verdicts)
    for note in found.notes:
        yield from wrap(note, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _others(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.lanes if name != "vagus"))


def _row_line(row: Row, others: Sequence[str]) -> str:
    own = row.lanes["vagus"]
    value = f"{short(own.median)}{spoken(row.unit)}"
    span = "" if own.low == own.high else f"{short(own.low)} - {short(own.high)}"
    cells = "".join(f"{_cell(row.lanes.get(name)):>{_CELL}}" for name in others)
    return f"  {row.case:<{_CASE}}{value:>{_VALUE}}  {span:<{_RANGE}}{cells}".rstrip()


def _cell(found: Spread | None) -> str:
    return "-" if found is None else short(found.median)


def _bar_line(found: Verdict) -> str:
    standing = "met" if found.met else "MISSED"
    by = "" if abs(found.by) < 0.005 else f" by {abs(found.by):.0%}"
    return f"      {standing}{by}: {found.text}"


def closing_line(findings: Sequence[Findings]) -> str:
    """Return how many bars were met, in one line."""
    verdicts = [verdict for found in findings for row in found.rows for verdict in row.verdicts]
    missed = sum(not verdict.met for verdict in verdicts)
    if not verdicts:
        return "no figure here has a bar"
    return f"{len(verdicts) - missed} of {len(verdicts)} bars met" + (f", {missed} missed" if missed else "")
