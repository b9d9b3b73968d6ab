"""Groups that nobody works for, and leases that are too short to live with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vagus.backend import Figures, GroupInfo
from vagus.cli.findings.backend import SHORT_LEASE_S
from vagus.cli.findings.examined import Examined, Finding
from vagus.cli.output import number, span

IDLE_S = 60.0
"""How long a group with a backlog may be without members before that is a problem, in seconds."""

FORGOTTEN_S = 7 * 86_400.0
"""How long a group may be without members before it is worth dropping, in seconds."""


def missing_workers(seen: Examined) -> Iterator[Finding]:
    """Look at each group: is there somebody, and can they keep what they are given?"""
    for group in seen.catalogue.groups:
        yield from _group(group, seen.books.get(group.spec.name, ()))


def _group(group: GroupInfo, books: Sequence[Figures]) -> Iterator[Finding]:
    name, idle_s = group.spec.name, group.idle_s
    backlog = sum(one.ready + one.waiting + one.parked for one in books)
    if idle_s is not None and idle_s >= FORGOTTEN_S:
        text = f"it has had no member for {span(idle_s)}, and goes on collecting events ({backlog} now)"
        yield Finding("problem" if backlog else "remark", name, text, f"vagus groups drop {name}")
    elif idle_s is not None and backlog and idle_s >= IDLE_S:
        text = f"{number(backlog, 'event')} in its backlog, and nobody has worked on it for {span(idle_s)}"
        yield Finding("problem", name, text, "vagus worker app.py:app")
    if group.spec.lease_s < SHORT_LEASE_S:
        text = f"a lease of {span(group.spec.lease_s)} lapses at any pause of the machine, and events are then repeated"
        yield Finding("remark", name, text, "give the handler a longer lease=")
