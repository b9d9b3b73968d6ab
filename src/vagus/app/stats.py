"""What can be seen of an app: the books of its groups and what the members in this process do."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import msgspec

from vagus.app.routing.shadow import ShadowStats
from vagus.app.work.attempt import Result
from vagus.backend import Figures

State: TypeAlias = Literal["waiting", "working", "stalled", "paused", "draining", "drained"]


class WorkerStats(msgspec.Struct, frozen=True, kw_only=True):
    """One member in this process.

    `state`: "waiting" for events, "working", "stalled" (no connection, or a handler over its time), "paused",
    "draining" (it finishes what runs) or "drained" (it has left, until it is resumed). `why`: the same in a sentence.
    `repeated`: events that the effect ledger knew, acknowledged without handling. `dropped`: those that middleware
    let go.
    """

    group: str
    member: str
    state: State
    why: str
    held: int
    handled: int
    repeated: int
    dropped: int
    failed: int
    handed_back: int
    cancelled: int
    lost: int
    reconnects: int


class DispatchStats(msgspec.Struct, frozen=True, kw_only=True):
    """A group whose members are picked, over all processes.

    `dispatcher`: the member that dispatches, "" where none does now; `team`: those that it can choose. `unmatched`:
    events that wait because nobody matches them, `blocked`: because who does has no credit left. `why`: what the pick
    said when it failed last.
    """

    group: str
    dispatcher: str
    team: tuple[str, ...]
    unmatched: int
    blocked: int
    why: str = ""


class AppStats(msgspec.Struct, frozen=True):
    """Groups over all processes, workers in this one.

    `steered`: the groups that are "paused" or "draining", by their full names. `dispatch`: groups that have or had a
    pick. `shadows`: copies of what this process published, where routes have a shadow.
    """

    groups: tuple[Figures, ...]
    workers: tuple[WorkerStats, ...]
    steered: dict[str, str] = msgspec.field(default_factory=dict)
    dispatch: tuple[DispatchStats, ...] = ()
    shadows: tuple[ShadowStats, ...] = ()

    @property
    def consumer_states(self) -> dict[State, int]:
        """How many members here are in each state: every state is named, so that a chart has no gaps."""
        states = [worker.state for worker in self.workers]
        return {state: states.count(state) for state in get_args(State)}

    @property
    def healthy(self) -> bool:
        """Whether every member here is consuming."""
        return all(worker.state != "stalled" for worker in self.workers)


class Counts(msgspec.Struct):
    """What one member did since it started."""

    handled: int = 0
    repeated: int = 0
    dropped: int = 0
    failed: int = 0
    handed_back: int = 0
    cancelled: int = 0
    lost: int = 0
    reconnects: int = 0

    def __str__(self) -> str:
        """Say what was handled, and what else came up."""
        counts = msgspec.structs.asdict(self).items()
        return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts if count or name == "handled")

    def add(self, result: Result) -> None:
        """Count one settled attempt."""
        if result == "handled":
            self.handled += 1
        elif result == "repeated":
            self.repeated += 1
        elif result == "dropped":
            self.dropped += 1
        elif result == "failed":
            self.failed += 1
        elif result == "cancelled":
            self.cancelled += 1
        else:
            self.handed_back += 1
