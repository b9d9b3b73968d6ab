"""The events that vagus itself publishes, as users see them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from vagus.message import Event


class ErrorEvent(Event, topic="error_event", kw_only=True):
    """A handler failed: published with every failed attempt, to whoever listens.

    `stage` is the handler's group. `outcome` is "retry" (with `retry_after_s`) or "dead" (with `reason`).
    """

    stage: str
    member: str
    error_kind: str
    error_message: str
    stack: str
    attempt: int
    outcome: str
    retry_after_s: float | None = None
    reason: str | None = None
    topic: str
    event_id: str
    event_type: str
    run_id: str
    trace_id: str | None = None


class JoinTimeout(Event, topic="join_timeout", kw_only=True):
    """A join did not get all of its events in time: which it had and which were missing, by type."""

    stage: str
    run_id: str
    present: list[str]
    missing: list[str]
    waited_s: float


class ThresholdCrossed(Event, topic="threshold_crossed", kw_only=True):
    """A figure of a group has crossed a limit that `App.alert` watches, or is well again.

    `state`: "crossed" or "cleared". `figure`: "backlog" (events that wait), "oldest_s" (the age of the oldest of them,
    in seconds) or "dead" (open dead letters). `lasted_s`: with "cleared", how long it was crossed.
    """

    state: Literal["crossed", "cleared"]
    group: str
    figure: Literal["backlog", "oldest_s", "dead"]
    value: float
    limit: float
    lasted_s: float | None = None


class ControlEvent(Event, topic="vagus.control", kw_only=True):
    """A group, a run or a member was steered: who did what to which, and why; kept for 30 days as the record of it.

    `action`: a word such as "pause" or "cancel". `subject`: "group", "run" or "member". `name`: the group's full name,
    or the run's id. `before`, `after`: what was wanted of it and what is; the same for what only tells of something.
    `who`: user@host/pid. `facts`: what else there is to tell.
    """

    action: str
    subject: str
    name: str
    member: str = ""
    before: str = "running"
    after: str = "running"
    who: str
    why: str = ""
    facts: dict[str, Any] = msgspec.field(default_factory=dict)
