"""What a run was asked for, as each workload sees it."""

from __future__ import annotations

from dataclasses import dataclass

from vagus.testing.benchmark.ground import Ground
from vagus.testing.benchmark.lane import Tick

WARM_UP = 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`events`: how many events a round has instead of the workload's own number. `idle_s`: how long W7 looks at
    nothing. `large`: with a backlog of a million. `commit_ms`: what a commit costs on this disk, 0 where there is none.
    """

    ground: Ground
    rounds: int
    tick: Tick
    events: int | None = None
    idle_s: float = 60.0
    large: bool = False
    commit_ms: float = 0.0

    @property
    def turns(self) -> int:
        """How often each lane runs, the warm-up included."""
        return WARM_UP + self.rounds

    def count(self, usual: int) -> int:
        """Return how many events a round has."""
        return self.events or usual
