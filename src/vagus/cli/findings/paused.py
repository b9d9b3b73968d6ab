"""Groups that somebody stopped."""

from __future__ import annotations

from collections.abc import Iterator

from vagus.cli.findings.examined import Examined, Finding
from vagus.cli.output import number, span


def paused_groups(seen: Examined) -> Iterator[Finding]:
    """Look at what is wanted of groups, other than to run."""
    for group, wanted in seen.wanted.items():
        backlog = sum(one.ready + one.waiting + one.parked for one in seen.books.get(group, ()))
        why = f" ({wanted.why})" if wanted.why else ""
        text = f"{wanted.state} for {span(max(0.0, seen.now - wanted.since))} by {wanted.who}{why}; "
        text += f"{number(backlog, 'event')} waiting"
        yield Finding("problem" if backlog else "remark", group, text, f"vagus resume {group}")
