"""What can be seen of an app: the books of its groups and what the members in this process do."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import msgspec

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
    pick.
    """

    groups: tuple[Figures, ...]
    workers: tuple[WorkerStats, ...]
    steered: dict[str, str] = msgspec.field(default_factory=dict)
    dispatch: tuple[DispatchStats, ...] = ()

    @property
    def consumer_states(self) -> dict[State, int]:
        """How many members here are in each state: every state is named, so that a chart has no gaps."""
        states = [worker.state for worker in self.workers]
        return {state: states.count(state) for state in get_args(State)}

    @property
    def healthy(self) -> bool:
        """Whether every member here is consuming."""
        return all(worker.state != "stalled" for worker in self.workers)
