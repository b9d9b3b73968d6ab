"""Where each figure must stand, as data; and how a figure stands to its bar.

An absolute bar holds on the machine that it was set on: two cores, an fdatasync of 0.2 ms. Elsewhere it is scaled by
the `bare` lane of the same run: on a machine whose bare lane is half as fast, half as much is asked. What `bare`
reached there was not written down, but what a hand-written lane with the codec did was: 71,000 events a second at 64
in a transaction, 110,000 at 500, where storing and claiming are one transaction and settling is another. The constants
below are what `bare` reaches where such a lane reaches that. (The `raw` lane of ours needs one transaction instead of
two, so a share of it is harder to reach than it was when the shares were set.)

A ratio to `raw` needs no such care. A limit in milliseconds is raised to a number of commits on a slow disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from vagus.testing.benchmark.result.figure import Spread, short
from vagus.testing.benchmark.result.report import Row, Unit, Verdict

BATCH_BARE = 470_000.0
SINGLE_BARE = 147_000.0
BATCH_PROCESSES_BARE = 280_000.0
SINGLE_PROCESSES_BARE = 98_000.0
MEMORY_BARE = 12_000_000.0


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """What one figure must be.

    `of`: a share of the `raw` lane, or a value of its own. `bare`: the bare lane where the value was set; the value is
    scaled by it. `commits`: the limit is that many commits of this disk, where they take longer than `value`.
    """

    value: float
    sense: Literal["at least", "at most"] = "at least"
    of: Literal["raw", ""] = ""
    bare: float | None = None
    commits: float = 0.0


_SINGLE = (Bar(value=0.6, of="raw"), Bar(value=40_000, bare=SINGLE_BARE))
_BATCH = (Bar(value=0.7, of="raw"), Bar(value=70_000, bare=BATCH_BARE))
_MEMORY = (Bar(value=150_000, bare=MEMORY_BARE),)
_MEMORY_KEYED = (Bar(value=80_000, bare=MEMORY_BARE),)
_KEYED = (Bar(value=0.5, of="raw"),)
_FLAT = (Bar(value=1.3, sense="at most"),)
_IDLE = (Bar(value=2.0, sense="at most"),)
_IDLE_CPU = (Bar(value=0.1, sense="at most"),)
_FIVE = (Bar(value=5, sense="at least"), Bar(value=5, sense="at most"))
_FLOOR = (Bar(value=0.1, sense="at least"),)
_CHOOSING = (Bar(value=1_000, sense="at most"),)
_NONE = (Bar(value=0, sense="at most"),)

BARS: Mapping[tuple[str, str, str], tuple[Bar, ...]] = {
    ("W1", "memory", "500 at once"): _MEMORY,
    ("W1", "memory", "64 singly"): _MEMORY,
    ("W1", "memory", "500 at once, keyed, timeout"): _MEMORY_KEYED,
    ("W1", "memory", "64 singly, keyed, timeout"): _MEMORY_KEYED,
    ("W1", "sqlite", "500 at once"): _BATCH,
    ("W1", "sqlite", "64 singly"): _SINGLE,
    ("W1", "sqlite", "500 at once, keyed"): _KEYED,
    ("W1", "sqlite", "64 singly, keyed"): _KEYED,
    ("W1", "sqlite", "500 at once, 3 processes"): (Bar(value=30_000, bare=BATCH_PROCESSES_BARE),),
    ("W1", "sqlite", "64 singly, 3 processes"): (Bar(value=30_000, bare=SINGLE_PROCESSES_BARE),),
    ("W2", "memory", "p50"): (Bar(value=0.2, sense="at most"),),
    ("W2", "sqlite", "p50"): (Bar(value=2.0, sense="at most", commits=3),),
    ("W2", "sqlite", "p99, 2 processes"): (Bar(value=10.0, sense="at most", commits=8),),
    ("W3", "memory", "largest / smallest"): _FLAT,
    ("W3", "sqlite", "largest / smallest"): _FLAT,
    ("W4", "memory", "out of order"): _NONE,
    ("W4", "sqlite", "out of order"): _NONE,
    ("W4", "sqlite", "out of order, 3 processes"): _NONE,
    ("W6", "memory", "cost, largest / smallest"): _FLAT,
    ("W6", "sqlite", "cost, largest / smallest"): _FLAT,
    ("W6", "sqlite", "memory, largest / smallest"): _FLAT,
    ("W7", "memory", "wake-ups a member"): _IDLE,
    ("W7", "sqlite", "wake-ups a member"): _IDLE,
    ("W7", "memory", "CPU of a worker"): _IDLE_CPU,
    ("W7", "sqlite", "CPU of a worker"): _IDLE_CPU,
    ("W8", "memory", "deliveries, fewest"): _FIVE[:1],
    ("W8", "memory", "deliveries, most"): _FIVE[1:],
    ("W8", "sqlite", "deliveries, fewest"): _FIVE[:1],
    ("W8", "sqlite", "deliveries, most"): _FIVE[1:],
    ("W8", "memory", "gap, shortest"): _FLOOR,
    ("W8", "sqlite", "gap, shortest"): _FLOOR,
    ("W8", "memory", "gap over its most"): _NONE,
    ("W8", "sqlite", "gap over its most"): _NONE,
    ("W9", "memory", "choosing, p99"): _CHOOSING,
    ("W9", "sqlite", "choosing, p99"): _CHOOSING,
    **{
        ("W9", system, f"{pick}, p99"): _CHOOSING
        for system in ("memory", "sqlite")
        for pick in ("round_robin", "random", "by_key", "by_label", "least_busy", "weighted", "when")
    },
    ("W10", "", "vagus --help"): (Bar(value=0.3, sense="at most"),),
    ("W10", "", "import vagus"): (Bar(value=0.15, sense="at most"),),
    ("W10", "", "first demo answer"): (Bar(value=2.0, sense="at most"),),
}
"""The bars by workload, system ("": none) and case."""


def judged(workload: str, system: str, row: Row, commit_ms: float) -> Row:
    """Return the row with its bars; one whose lane is not there is left out."""
    verdicts = (verdict(bar, row.lanes, row.unit, commit_ms) for bar in BARS.get((workload, system, row.case), ()))
    return msgspec.structs.replace(row, verdicts=tuple(found for found in verdicts if found is not None))


def verdict(bar: Bar, lanes: Mapping[str, Spread], unit: Unit, commit_ms: float) -> Verdict | None:
    """Return how the median of the `vagus` lane stands to the bar; None where a lane that it needs is missing."""
    if (bar.of and bar.of not in lanes) or (bar.bare and "bare" not in lanes):
        return None
    value, limit, share, why = lanes["vagus"].median, bar.value, "", ""
    if bar.of:
        value /= lanes[bar.of].median
        share, unit = f" of {bar.of}", ""
    elif bar.bare:
        limit *= lanes["bare"].median / bar.bare
        why = f" ({short(bar.value)} x bare {lanes['bare'].median / bar.bare:.2f})"
    elif bar.commits * commit_ms > limit:
        limit = bar.commits * commit_ms
        why = f" ({bar.commits:g} commits)"
    met = value >= limit if bar.sense == "at least" else value <= limit
    text = f"{short(value)}{spoken(unit)}{share}, {bar.sense} {short(limit)}{spoken(unit)}{why}"
    return Verdict(text, met, _by(value, limit, bar.sense))


def _by(value: float, limit: float, sense: str) -> float:
    """Return by how much of itself the bar is exceeded, negative where it is missed."""
    if limit == 0:
        return 0.0 if value == 0 else -1.0
    return (value / limit - 1) if sense == "at least" else (1 - value / limit)


def spoken(unit: Unit) -> str:
    """Return a unit as it stands behind a figure."""
    return unit if unit in ("/s", "") else f" {'µs' if unit == 'us' else unit}"
