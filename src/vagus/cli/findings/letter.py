"""Dead letters that wait for somebody."""

from __future__ import annotations

from collections.abc import Iterator

from vagus.cli.findings.examined import Examined, Finding
from vagus.cli.output import number


def letters_waiting(seen: Examined) -> Iterator[Finding]:
    """Look at how many letters are open in each group."""
    for group, count in seen.open_letters.items():
        if count:
            yield Finding("problem", group, f"{number(count, 'open dead letter')}", f"vagus dead ls {group}")
