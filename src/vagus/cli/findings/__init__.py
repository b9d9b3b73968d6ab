"""What `vagus doctor` looks for: each file here is one kind of finding, and this list is the order of those of a level.

To add one: a file with a function that is given `Examined` and yields `Finding`s, and its line below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from vagus.cli.findings.backend import weak_settings
from vagus.cli.findings.clock import clocks_apart
from vagus.cli.findings.declared import code_and_backend
from vagus.cli.findings.examined import Examined, Finding
from vagus.cli.findings.leftover import left_behind
from vagus.cli.findings.letter import letters_waiting
from vagus.cli.findings.loss import lost_leases
from vagus.cli.findings.paused import paused_groups
from vagus.cli.findings.routes import misplaced_topics
from vagus.cli.findings.unread import unread_topics
from vagus.cli.findings.worker import missing_workers

Look: TypeAlias = Callable[[Examined], Iterable[Finding]]

LOOKS: Sequence[Look] = (
    weak_settings,
    clocks_apart,
    code_and_backend,
    misplaced_topics,
    paused_groups,
    missing_workers,
    left_behind,
    letters_waiting,
    unread_topics,
    lost_leases,
)


def findings(seen: Examined) -> list[Finding]:
    """Return what is worth saying, problems first."""
    found = [finding for look in LOOKS for finding in look(seen)]
    return sorted(found, key=lambda finding: finding.level != "problem")
