"""What a dead member left behind: events that it holds and nobody handles."""

from __future__ import annotations

from collections.abc import Iterator

from vagus.backend import GroupInfo
from vagus.cli.findings.examined import Examined, Finding
from vagus.cli.output import number, span


def left_behind(seen: Examined) -> Iterator[Finding]:
    """Look for members that went silent, and for held events whose holder is gone."""
    for group in seen.catalogue.groups:
        silent = [member for member in group.members if member.seen_s > group.spec.lease_s]
        for member in silent:
            held = f"; it holds {number(member.held, 'event')}" if member.held else ""
            text = f"member {member.name} was last heard of {span(member.seen_s)} ago"
            text += f" (lease {span(group.spec.lease_s)}){held}"
            hint = "it is dead or stopped; what it held goes to others"
            yield Finding("remark", group.spec.name, text, hint)
        if len(silent) == len(group.members):
            yield from _orphans(seen, group)


def _orphans(seen: Examined, group: GroupInfo) -> Iterator[Finding]:
    """A lapsed lease is taken by the next member that asks; where there is none, the event waits for ever."""
    held = sum(one.held for one in seen.books.get(group.spec.name, ()))
    if held:
        text = f"{number(held, 'event')} held by a member that is gone, and nobody is there to take over"
        yield Finding("problem", group.spec.name, text, "vagus worker app.py:app")
