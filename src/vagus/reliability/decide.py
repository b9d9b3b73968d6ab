"""What becomes of one delivery: decided here and nowhere else, before an attempt (`admit`) and after it (`decide`).

| what befell it                    | what is done                                   | attempt spent |
|-----------------------------------|------------------------------------------------|---------------|
| nothing yet, lost under 2 times   | handle                                         | -             |
| lost 2 times with its worker      | handle alone, which is counted                 | -             |
| lost 5 times, 3 of them alone     | dead letter, "quarantined"                     | -             |
| past its expiry / run cancelled   | settle as expired / cancelled                  | no            |
| handler raised, or timed out      | retry by the first policy that covers it       | yes           |
| ... attempts or total time spent  | dead letter, "attempts" / "total time"         | yes           |
| ... covered by no policy, `never` | dead letter, "permanent"                       | yes           |
| EventError, UsageError            | dead letter, "undecodable" / "permanent"       | yes           |
| RetryLater                        | retry when asked for                           | unless free   |
| Reject                            | dead letter, "rejected"                        | yes           |
| unhandled type, hop limit         | dead letter, named so                          | yes           |
| an output refused (full)          | retry on a back-off of its own, without end    | no            |
| shutdown                          | hand back at once                              | no            |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from vagus.errors import DiskFull, InvalidArgument, TopicFull, UndecodableEvent
from vagus.reliability.backoff import FLOOR_S
from vagus.reliability.note import EMPTY, Note, decode_note
from vagus.reliability.retry import DEFAULT, Reject, Retry, RetryLater, kind_of, policy_for
from vagus.reliability.verdict import (
    ALONE,
    CANCELLED,
    EXPIRED,
    HAND_BACK,
    HANDLE,
    Admission,
    GiveUp,
    Hopeless,
    Mishap,
    Raised,
    Reason,
    Refused,
    RetryAt,
    Revoked,
    Stopped,
    TimedOut,
    Verdict,
)

STACK_CHARS: Final = 8_000
"""How much of a traceback is kept: its end, where the error is."""


class LossLimits(msgspec.Struct, frozen=True):
    """After how many losses (its worker died, its lease lapsed) an event runs `alone`, and is `quarantined`.

    A loss alone proves nothing: whatever a dying worker holds is lost with it. So the last ones count only where the
    event was begun, with nothing beside it, and did not end.
    """

    alone: int = 2
    quarantine: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.alone <= self.quarantine:
            raise InvalidArgument(
                f"expected loss limits with 1 <= alone <= quarantine, got {self.alone} and {self.quarantine}"
            )


LOSS_LIMITS: Final = LossLimits()


def admit(
    losses: int,
    note: bytes | Note = EMPTY,
    *,
    expires_at: float | None = None,
    now: float = 0.0,
    cancelled: bool = False,
    begun_alone: int | None = None,
    limits: LossLimits = LOSS_LIMITS,
) -> Admission:
    """Decide what to do with a delivery before its handler sees it.

    `losses` as the delivery tells; `expires_at` (its `expirytime`) and `now` in seconds since 1970; `cancelled`:
    its run was; `begun_alone`: how often it was begun alone and did not end, None where nobody can keep count.
    An event that is due at the very moment of its expiry is expired. `note` only travels on.
    """
    if cancelled:
        return CANCELLED
    if expires_at is not None and now >= expires_at:
        return EXPIRED
    if losses < limits.alone:
        return HANDLE
    if losses < limits.quarantine or (begun_alone is not None and begun_alone < limits.quarantine - limits.alone):
        return ALONE
    return GiveUp("quarantined", "WorkerLost", f"it was lost with its worker {losses} times", "", _read(note))


def decide(mishap: Mishap, note: bytes | Note, policies: Sequence[Retry], now: float, random: float) -> Verdict:
    """Decide what becomes of a delivery whose handling did not succeed.

    `note` as it came with the delivery; `now` in seconds since 1970; `random` in [0, 1). An empty `policies` means
    the default one.
    """
    if isinstance(mishap, Stopped):
        return HAND_BACK
    if isinstance(mishap, Revoked):
        return CANCELLED
    known, policies = _read(note), policies or DEFAULT
    if isinstance(mishap, Refused):
        return _blocked(known, policies, random)
    if isinstance(mishap, Hopeless):
        return _give_up(mishap.reason, "", mishap.message, "", known, now)
    if isinstance(mishap, TimedOut):
        mishap = Raised(
            TimeoutError(f"the handler was stopped after its timeout of {mishap.limit_s:g} s"), mishap.stack
        )
    return _raised(mishap, known, policies, now, random)


def _raised(mishap: Raised, note: Note, policies: Sequence[Retry], now: float, random: float) -> Verdict:
    error = mishap.error
    if isinstance(error, TopicFull | DiskFull):
        return _blocked(note, policies, random)
    if isinstance(error, RetryLater):
        return _later(error, note, policies, now)
    policy = None if isinstance(error, Reject) else policy_for(error, policies)
    if policy is None:
        return _give_up(_reason(error), kind_of(type(error)), text_of(error), mishap.stack, note, now)
    after = note.failed(kind_of(type(error)), text_of(error), now, policy.label)
    return _again(policy, policy.delay_s(after.spent(policy.label), random), error, mishap.stack, after, now)


def _later(signal: RetryLater, note: Note, policies: Sequence[Retry], now: float) -> Verdict:
    """It is charged to the policy that would cover any error, since it tells nothing of what went wrong."""
    policy = policy_for(signal, policies) or policies[0]
    delay = max(FLOOR_S, signal.after_s)
    if signal.free:
        after = note.postponed(now)
        over = policy.total_s is not None and _remaining(policy.total_s, after, now) < delay
        return _dead("total time", signal, "", after) if over else RetryAt(delay, after, counted=False)
    after = note.failed(kind_of(type(signal)), str(signal), now, policy.label)
    return _again(policy, delay, signal, "", after, now)


def _again(policy: Retry, delay: float, error: BaseException, stack: str, note: Note, now: float) -> Verdict:
    """Retry after `delay`, sooner where the total time would be over then, unless attempts or time are spent."""
    if note.spent(policy.label) >= policy.attempts:
        return _dead("attempts", error, stack, note)
    if policy.total_s is None:
        return RetryAt(delay, note)
    remaining = _remaining(policy.total_s, note, now)
    # A wait that the handler asked for is not shortened: coming earlier than it said would be pointless.
    if remaining < (delay if isinstance(error, RetryLater) else policy.floor_s):
        return _dead("total time", error, stack, note)
    return RetryAt(min(delay, remaining), note)


def _blocked(note: Note, policies: Sequence[Retry], random: float) -> RetryAt:
    after = note.refused()
    return RetryAt(policies[0].delay_s(after.blocked, random), after, counted=False)


def _give_up(reason: Reason, kind: str, message: str, stack: str, note: Note, now: float) -> GiveUp:
    kind = kind or reason
    return GiveUp(reason, kind, message, stack[-STACK_CHARS:], note.failed(kind, message, now, None))


def _dead(reason: Reason, error: BaseException, stack: str, note: Note) -> GiveUp:
    return GiveUp(reason, kind_of(type(error)), text_of(error), stack[-STACK_CHARS:], note)


def text_of(error: BaseException) -> str:
    """Return the message of an error; one whose message raises must not take the decision with it."""
    try:
        return str(error)
    except Exception as fault:
        return f"(its message could not be made: {type(fault).__name__})"


def _reason(error: BaseException) -> Reason:
    if isinstance(error, Reject):
        return "rejected"
    return "undecodable" if isinstance(error, UndecodableEvent) else "permanent"


def _remaining(total_s: float, note: Note, now: float) -> float:
    """Seconds left of the total time since the first failure; a clock that was set back gives no more than all."""
    first = now if note.first_at is None else note.first_at
    return total_s - max(0.0, now - first)


def _read(note: bytes | Note) -> Note:
    return note if isinstance(note, Note) else decode_note(note)
