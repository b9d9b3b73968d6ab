"""Makes docs/requirements.md: what the system must do, and the tests that show each line."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from tools.markers import Shown, collect, links

PATH = "docs/requirements.md"
TEXTS = Path(__file__).with_name("requirements.toml")

HEAD = """\
# Requirements

<!-- Made by `make docs` from tools/requirements.toml and the tests' markers. Do not edit. -->

What the system must do, and the tests that show it. A test names its numbers: `@pytest.mark.requirement("R57")`.
Shown by a test today: **{shown} of {total}**; the others say *not there yet*.
"""


class UnknownNumber(Exception):
    """A test carries a number that stands in no list."""


def texts() -> dict[str, dict[str, str]]:
    """The requirements by heading, then by number, in order."""
    return tomllib.loads(TEXTS.read_text(encoding="utf-8"))


def build(texts: dict[str, dict[str, str]], shown: Sequence[Shown]) -> str:
    """The page. Raises UnknownNumber when a test carries a number that `texts` does not have."""
    known = {number for rows in texts.values() for number in rows}
    refuse_unknown(known, shown)
    lines = [HEAD.format(shown=len({entry.number for entry in shown}), total=len(known))]
    for heading, rows in texts.items():
        lines += [f"## {heading}\n", "| number | what it says | tests |", "|---|---|---|"]
        for number, text in rows.items():
            tests = links(entry for entry in shown if entry.number == number)
            lines.append(f"| {number} | {text.replace('|', chr(92) + '|')} | {tests} |")
        lines.append("")
    return "\n".join(lines)


def refuse_unknown(known: set[str], shown: Sequence[Shown]) -> None:
    """Raise UnknownNumber with the tests whose numbers are not in `known`."""
    wrong = [f"{entry.test} names {entry.number}" for entry in shown if entry.number not in known]
    if wrong:
        raise UnknownNumber("; ".join(wrong))


def render() -> str:
    """The page as it should be today."""
    return build(texts(), collect("requirement"))
