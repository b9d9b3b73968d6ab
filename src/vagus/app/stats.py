"""What can be seen of an app: the books of its groups and what the members in this process do."""

from __future__ import annotations

from typing import Literal

import msgspec

from vagus.backend import Figures


class WorkerStats(msgspec.Struct, frozen=True, kw_only=True):
    """One member in this process. `state`: waiting for events, working, or stalled (no connection, or overdue).

    `repeated`: events that the effect ledger knew, acknowledged without handling.
    """

    group: str
    member: str
    state: Literal["waiting", "working", "stalled"]
    held: int
    handled: int
    repeated: int
    failed: int
    handed_back: int
    lost: int
    reconnects: int


class AppStats(msgspec.Struct, frozen=True):
    """Groups over all processes, workers in this one."""

    groups: tuple[Figures, ...]
    workers: tuple[WorkerStats, ...]

    @property
    def healthy(self) -> bool:
        """Whether every member here is consuming."""
        return all(worker.state != "stalled" for worker in self.workers)
