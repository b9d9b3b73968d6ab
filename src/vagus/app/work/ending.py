"""What becomes of a delivery after its attempt, as one unit: outputs, a retry or a dead letter, and the settling."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence

from vagus.app.facts import ErrorEvent
from vagus.app.publisher import HopsExceeded
from vagus.app.run import RunEnd, done_with, end_changes, ends_run
from vagus.app.work.attempt import Attempt, Result, Seat
from vagus.backend import Done, Put, Release, Settle, Unit
from vagus.message import CloudEvent, event_type
from vagus.reliability.dead import bury, letter_put
from vagus.reliability.decide import decide
from vagus.reliability.note import clipped, decode_note, encode_note
from vagus.reliability.retry import Drop
from vagus.reliability.verdict import GiveUp, Hopeless, LetGo, Mishap, Raised, RetryAt, Revoked, Stopped
from vagus.store import Append, Change

ACKED = Done("acked")
SKIPPED = Done("skipped")
_log = logging.getLogger("vagus.handler")
_RESULTS: dict[type, Result] = {Stopped: "handed_back", Revoked: "cancelled"}
_STACK_CHARS = 8_000
_TEXT_CHARS = 2_000


class Ending:
    """Makes the units that end the attempts of one member."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def done(self, attempt: Attempt, changes: Sequence[Change | Append] = ()) -> Unit:
        """Return the unit of an attempt that succeeded: its outputs, the rest of its stream, and the settling."""
        if attempt.cancelled == "revoked":  # it ended before it could be stopped; nobody wants what it made
            return self.failed(attempt, Revoked())
        settle = Settle(attempt.delivery.token, ACKED)
        if not attempt.outputs and attempt.parts is None and not changes:
            return Unit((), (settle,))
        puts: list[Put] = []
        more: list[Change | Append] = [*changes]
        if attempt.parts is not None:
            more += attempt.parts.rest()
        for put, event in self.outputs(attempt):
            puts.append(put)
            if ends_run(event, self._seat.tools.topics):
                more += end_changes(event.correlationid or event.id, done_with(event, put.envelope))
        return Unit(puts, (settle,), more)

    def outputs(self, attempt: Attempt) -> list[tuple[Put, CloudEvent]]:
        """Return what the handler published and returned, each with its put, but for what middleware has dropped."""
        if attempt.made is not None:
            return [made for made in attempt.made if made is not None]
        cause, publisher = attempt.cause, self._seat.tools.publisher
        return [publisher.output(obj, options, cause, index) for index, (obj, options) in enumerate(attempt.outputs)]

    def repeated(self, attempt: Attempt) -> Unit:
        """Return the unit of an event whose handling is known to be complete: it is acknowledged once more."""
        attempt.result = "repeated"
        _log.info("%s has handled %s before", self._seat.group, named(attempt), extra=attempt.facts)
        return Unit((), (Settle(attempt.delivery.token, ACKED),))

    def failed(self, attempt: Attempt, mishap: Mishap) -> Unit:
        """Return the unit that carries out the decision on a failed attempt."""
        if isinstance(mishap, Raised) and isinstance(mishap.error, HopsExceeded):
            mishap = Hopeless("hop limit", str(mishap.error))
        if isinstance(mishap, Raised) and isinstance(mishap.error, Drop):
            return self._dropped(attempt, mishap.error)
        attempt.result = _RESULTS.get(type(mishap), "failed")
        identities = self._seat.tools.identities
        verdict = decide(
            mishap, attempt.delivery.note, self._seat.handler.policies, identities.now(), identities.chance()
        )
        if isinstance(verdict, GiveUp):
            return self.settle(attempt, verdict, mishap)
        if isinstance(verdict, RetryAt):
            self._log_retry(attempt, verdict)
            told = self._error_event(attempt, mishap, verdict) if verdict.counted else ()
            release = Release(verdict.after_s, encode_note(verdict.note))
            return Unit(told, (Settle(attempt.delivery.token, release),))
        if isinstance(verdict, LetGo):
            return self.settle(attempt, verdict)
        return Unit((), (Settle(attempt.delivery.token, self._hand_back(attempt)),))

    def _dropped(self, attempt: Attempt, drop: Drop) -> Unit:
        attempt.result = "dropped"
        facts = {**attempt.facts, "reason": drop.reason}
        _log.info("%s dropped %s: %s", self._seat.group, named(attempt), drop.reason, extra=facts)
        return Unit((), (Settle(attempt.delivery.token, SKIPPED),))

    def _hand_back(self, attempt: Attempt) -> Release:
        """Return the release of an attempt that was stopped; the next one needs a higher epoch if this one emitted."""
        if attempt.parts is None or not attempt.parts.used:
            return Release()
        return Release(0.0, encode_note(decode_note(attempt.delivery.note).refused()))

    def _log_retry(self, attempt: Attempt, verdict: RetryAt) -> None:
        if _log.isEnabledFor(logging.INFO):
            last = verdict.note.errors[-1] if verdict.note.errors and verdict.counted else None
            why = f"{last.kind}: {last.message}" if last else "it has to wait"
            _log.info(
                "%s tries %s again in %.3g s: %s",
                self._seat.group,
                named(attempt),
                verdict.after_s,
                why,
                extra=attempt.facts,
            )

    def _log_end(self, attempt: Attempt, verdict: GiveUp, mishap: Mishap | None) -> None:
        _log.error(
            "%s gave up on %s (%s): %s: %s",
            self._seat.group,
            named(attempt),
            verdict.reason,
            verdict.kind,
            clipped(verdict.message),
            extra={**attempt.facts, "reason": verdict.reason},
            exc_info=mishap.error if isinstance(mishap, Raised) else None,
        )

    def settle(self, attempt: Attempt, verdict: GiveUp | LetGo, mishap: Mishap | None = None) -> Unit:
        """Return the unit of an event that is not to be tried again."""
        token = attempt.delivery.token
        if isinstance(verdict, LetGo):
            return Unit((), (Settle(token, Done(verdict.ending)),))
        member, now = attempt.delivery.member, self._seat.tools.identities.now()
        self._log_end(attempt, verdict, mishap)
        letter = bury(verdict, attempt.delivery, self._seat.group, member, attempt.event, now)
        puts = [letter_put(letter), *self._error_event(attempt, verdict, verdict)]
        changes: Sequence[Append] = ()
        event = attempt.event
        if event is not None and event.vagusrun is not None and self._seat.tools.store is not None:
            reason = f"{self._seat.group} gave up on {event.type} {event.id} ({verdict.reason}): {verdict.message}"
            changes = end_changes(
                event.correlationid or event.id, RunEnd("failed", reason=clipped(reason, _TEXT_CHARS))
            )
        return Unit(puts, (Settle(token, Done("dead")),), changes)

    def _error_event(self, attempt: Attempt, what: Mishap | GiveUp, verdict: RetryAt | GiveUp) -> Sequence[Put]:
        """Return the put that tells of a failure; a failure to handle one of those is not told, or it would not end."""
        topic = self._seat.tools.topics.bare(attempt.origin[0])
        if topic == event_type(ErrorEvent).topic:
            return ()
        event, note = attempt.event, verdict.note
        last = note.errors[-1] if note.errors else None
        fact = ErrorEvent(
            stage=self._seat.group,
            member=self._seat.member,
            error_kind=verdict.kind if isinstance(verdict, GiveUp) else last.kind if last else "",
            error_message=clipped(verdict.message) if isinstance(verdict, GiveUp) else last.message if last else "",
            stack=getattr(what, "stack", "")[-_STACK_CHARS:],
            attempt=max(1, note.failures),
            outcome="dead" if isinstance(verdict, GiveUp) else "retry",
            retry_after_s=None if isinstance(verdict, GiveUp) else verdict.after_s,
            reason=verdict.reason if isinstance(verdict, GiveUp) else None,
            topic=topic,
            event_id=event.id if event else "",
            event_type=event.type if event else "",
            run_id=(event.correlationid or event.id) if event else "",
            trace_id=event.traceparent.split("-")[1] if event and event.traceparent else None,
        )
        return (self._seat.tools.publisher.tell(fact, event),)


def named(attempt: Attempt) -> str:
    """Return what to call the event of an attempt in a sentence."""
    if attempt.event is None:
        return "{} at {}".format(*attempt.origin)
    return f"{attempt.event.type} {attempt.event.id}"


def stack_of(error: BaseException) -> str:
    """Return the end of an error's traceback: the last frames say most."""
    end = "".join(traceback.format_exception(error))[-_STACK_CHARS:]
    return clipped(end, _STACK_CHARS)  # as an error's message, it may hold what no encoder takes
