"""Fills the table of docs/contract.md: each promise with its tests. The prose around it is written by hand."""

from collections.abc import Sequence

from tools.markers import ROOT, Shown, collect, links
from tools.requirements_page import refuse_unknown

PATH = "docs/contract.md"
BEGIN = "<!-- tests: made by `make docs`, do not edit between these marks -->"
END = "<!-- end of tests -->"

PROMISES = (
    "durable publish",
    "once",
    "all",
    "redelivery",
    "retry",
    "dead letter",
    "redrive",
    "order",
    "priority",
    "delay and schedule",
    "expiry",
    "dedupe",
    "flow",
    "replay",
    "live switch",
    "pause, resume, cancel, drain",
    "honest health",
    "streams",
    "bad input",
    "conservation",
)


class NoPlace(Exception):
    """The page has no pair of marks between which the table could stand."""


def table(shown: Sequence[Shown]) -> str:
    """The promises with their tests."""
    numbers = {f"G{place}": promise for place, promise in enumerate(PROMISES, start=1)}
    refuse_unknown(set(numbers), shown)
    rows = ["| number | promise | tests |", "|---|---|---|"]
    for number, promise in numbers.items():
        tests = links((entry for entry in shown if entry.number == number), most=8)
        rows.append(f"| {number} | {promise} | {tests} |")
    return "\n".join(rows)


def fill(page: str, table: str) -> str:
    """The page with `table` between its marks. Raises NoPlace when they are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise NoPlace(f"{PATH} needs the two lines\n{BEGIN}\n{END}")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def render() -> str:
    """The page as it should be today."""
    path = ROOT / PATH
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    return fill(page, table(collect("contract")))
