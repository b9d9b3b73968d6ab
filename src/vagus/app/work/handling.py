"""What one attempt came to, for whoever watches: made only where somebody does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from vagus.app.facts import ErrorEvent
from vagus.app.work.attempt import Attempt
from vagus.app.work.committer import Answer
from vagus.backend import Dead, Outcome, Release, Topic, Unit
from vagus.errors import VagusError
from vagus.message import CloudEvent, Envelope, event_type
from vagus.reliability.dead import DeadLetter, read_entry
from vagus.reliability.note import decode_note

Came: TypeAlias = Literal["acked", "retry", "dead", "expired", "cancelled", "skipped", "moved", "handed back", "lost"]

_log = logging.getLogger("vagus.app")


class Handling(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at one event, over and stored.

    `came`: what it came to. "acked" (handled), "retry" (in `after_s` seconds), "dead" (a dead letter), "expired",
    "cancelled", "skipped", "moved", "handed back" (at shutdown; another member gets it) or "lost" (its lease was over,
    another member has it). `group` and `topic` are as the app names them, `outputs` the topics of what was published
    with it. `event` is None where its bytes (`envelope`) could not be read. `took_s`: from when the handler was called
    until all was stored. `error`: the kind and the words of what it failed with, else empty.
    """

    group: str
    topic: str
    key: str | None
    envelope: Envelope
    event: CloudEvent | None
    attempt: int
    came: Came
    took_s: float
    after_s: float = 0.0
    error: str = ""
    outputs: tuple[str, ...] = ()


Watcher: TypeAlias = Callable[[Handling], object]
"""Is told of each handling, on the loop: to be quick, and what it raises is logged and changes nothing."""


def telling(watchers: Sequence[Watcher]) -> Answer:
    """Return what a committer calls for every unit that it has stored, so that `watchers` hear of attempts."""

    def tell(about: Any, unit: Unit, outcome: Outcome | VagusError) -> None:
        if not isinstance(about, Attempt) or isinstance(outcome, VagusError):
            return
        if not outcome.done and "lost" not in outcome.settles:
            return  # it is tried again, and told then
        handling = _handling(about, unit, lost=not outcome.done)
        for watcher in watchers:
            try:
                watcher(handling)
            except Exception:
                _log.exception("a watcher of the app failed")

    return tell


def _handling(attempt: Attempt, unit: Unit, *, lost: bool) -> Handling:
    delivery, tools = attempt.delivery, attempt.seat.tools
    action = unit.settles[0].action
    came: Came
    if lost:
        came = "lost"
    elif isinstance(action, Release):
        came = "retry" if attempt.result == "failed" else "handed back"
    else:
        came = action.ending
    topics = [tools.topics.bare(put.target.name) for put in unit.puts if isinstance(put.target, Topic)]
    return Handling(
        group=tools.topics.bare(attempt.seat.group),
        topic=tools.topics.bare(attempt.origin[0]),
        key=delivery.key,
        envelope=delivery.envelope,
        event=attempt.event,
        attempt=decode_note(delivery.note).failures + 1,
        came=came,
        took_s=max(0.0, tools.clock.monotonic() - attempt.started_at) if attempt.started_at else 0.0,
        after_s=action.after_s if isinstance(action, Release) else 0.0,
        error=_error(unit, action) if came in ("retry", "dead") else "",
        outputs=tuple(topic for topic in topics if topic != event_type(ErrorEvent).topic),
    )


def _error(unit: Unit, action: object) -> str:
    if isinstance(action, Release):
        note = decode_note(action.note or b"")
        last = note.errors[-1] if note.errors else None
        return f"{last.kind}: {last.message}" if last else ""
    letters = (read_entry(put.envelope) for put in unit.puts if isinstance(put.target, Dead))
    letter = next((found for found in letters if isinstance(found, DeadLetter)), None)
    return f"{letter.reason}: {letter.error_kind}: {letter.error_message}" if letter else ""
