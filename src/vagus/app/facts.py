"""The events that vagus itself publishes, as users see them."""

from __future__ import annotations

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
