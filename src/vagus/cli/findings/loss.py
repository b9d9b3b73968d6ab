"""Leases that were lost with a worker."""

from __future__ import annotations

from collections.abc import Iterator

from vagus.cli.findings.examined import Examined, Finding
from vagus.cli.output import number


def lost_leases(seen: Examined) -> Iterator[Finding]:
    """Look at how often an event went to another member because its own was lost."""
    for group, books in seen.books.items():
        lost = sum(one.lost for one in books)
        if lost:
            yield Finding("remark", group, f"{number(lost, 'lease')} lapsed or ended with a worker; others took over")
