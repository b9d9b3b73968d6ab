"""A run as a picture: handlings per second, redeliveries below them, faults as marks. SVG, written by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vagus.testing.faults.judge.again import repeats
from vagus.testing.faults.judge.history import History
from vagus.testing.faults.plan import Plan
from vagus.testing.faults.record import Record

_WIDE, _HIGH, _LEFT, _TOP = 860, 220, 50, 40
_COLOURS = {"kill": "#c0392b", "stop": "#d68910", "restart": "#2471a3"}
_STYLE = "text{font:12px sans-serif;fill:#333}.axis{stroke:#999}.done{fill:#a9cce3}.again{fill:#c0392b}"


def save_plot(path: Path, records: Sequence[Record], plan: Plan) -> None:
    """Write the picture of a run to a file."""
    path.write_text(plot_run(records, plan), encoding="utf-8")


def plot_run(records: Sequence[Record], plan: Plan) -> str:
    """Return the picture of a run."""
    history = History(records, plan)
    ends = [one.ended_at for found in history.handlings.values() for one in found if one.outcome == "done"]
    again = [again.after.t for again in repeats(history) if again.forced]
    began = min((record.t for record in records), default=0.0)
    seconds = 1 + int(max((*ends, history.healed_at, began)) - began)
    done, forced = _per_second(ends, began), _per_second(again, began)
    most = max(1, *done.values(), *forced.values())
    body = [
        *_bars(done, seconds, most, "done"),
        *_bars(forced, seconds, most, "again"),
        *_marks(history, began, seconds),
        *_labels(plan, seconds, most),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE + _LEFT + 20} {_HIGH + _TOP + 40}">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *body, "</svg>\n"])


def _per_second(times: Iterable[float], began: float) -> Counter[int]:
    return Counter(int(t - began) for t in times)


def _bars(counts: Counter[int], seconds: int, most: int, kind: str) -> Iterator[str]:
    width = _WIDE / seconds
    for second, count in sorted(counts.items()):
        high = _HIGH * count / most
        x, y = _LEFT + second * width, _TOP + _HIGH - high
        title = f"<title>second {second}: {count}</title>"
        yield f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{high:.1f}">{title}</rect>'


def _marks(history: History, began: float, seconds: int) -> Iterator[str]:
    for struck in history.struck:
        x = _LEFT + (struck.t - began) * _WIDE / seconds
        title = f"<title>{struck.blow} {struck.victim} at {struck.t - began:.1f} s</title>"
        yield f'<circle cx="{x:.1f}" cy="{_TOP - 8}" r="4" fill="{_COLOURS[struck.blow]}">{title}</circle>'


def _labels(plan: Plan, seconds: int, most: int) -> Iterator[str]:
    floor = _TOP + _HIGH
    yield f'<line class="axis" x1="{_LEFT}" y1="{floor}" x2="{_LEFT + _WIDE}" y2="{floor}"/>'
    yield f'<text x="{_LEFT - 6}" y="{_TOP + 10}" text-anchor="end">{most}/s</text>'
    for second in range(0, seconds + 1, 10):
        x = _LEFT + second * _WIDE / seconds
        yield f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{second} s</text>'
    legend = f"seed {plan.seed}: handled (blue) and forced redeliveries (red) per second; faults above"
    yield f'<text x="{_LEFT}" y="16">{legend}: kill (red), stop (orange), restart (blue)</text>'
