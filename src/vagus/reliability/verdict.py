"""The values of this room's decisions: what may befall a delivery, and what is to be done about it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from vagus.reliability.note import EMPTY, Note

Reason: TypeAlias = Literal[
    "attempts",  # the retry policy's attempts are spent
    "total time",  # the retry policy's total time is over
    "permanent",  # an error that no attempt mends, or that no policy covers
    "rejected",  # the handler said Reject
    "undecodable",  # the bytes are not what they claim to be
    "unhandled type",  # no handler of the group takes an event of this type
    "hop limit",  # its outputs would be too far from the first event of the chain
    "quarantined",  # it was lost with its worker too often
]
"""Why a group gave up on an event: a closed set."""

# --- what may befall a delivery ------------------------------------------------------------------------------------


class Raised(msgspec.Struct, frozen=True):
    """The handler, or the decoding before it, raised `error`; `stack` is its traceback as text."""

    error: BaseException
    stack: str = ""


class TimedOut(msgspec.Struct, frozen=True):
    """The handler was still running after its `timeout=` of `limit_s` seconds and was stopped."""

    limit_s: float
    stack: str = ""


class Refused(msgspec.Struct, frozen=True):
    """Something has no room for the event yet: an output was refused (a full topic, a full disk), or it is in use."""

    why: str = "full"


class Hopeless(msgspec.Struct, frozen=True):
    """The event cannot be handled, for a reason known without an exception: unhandled type, hop limit."""

    reason: Reason
    message: str


class Stopped(msgspec.Struct, frozen=True):
    """The worker shuts down before the handler finished; nobody is to blame."""


class Revoked(msgspec.Struct, frozen=True):
    """The run of the event was cancelled."""


Mishap: TypeAlias = Raised | TimedOut | Refused | Hopeless | Stopped | Revoked

# --- what to do after it -------------------------------------------------------------------------------------------


class RetryAt(msgspec.Struct, frozen=True):
    """Release the delivery, due again in `after_s` seconds, and keep `note` with it.

    `counted`: whether an attempt was spent.
    """

    after_s: float
    note: Note
    counted: bool = True


class GiveUp(msgspec.Struct, frozen=True):
    """Store a dead letter, and once that is confirmed settle the delivery as dead.

    `kind`, `message` and `stack` describe the last error; `note` includes it, so `note.failures` are the attempts.
    """

    reason: Reason
    kind: str
    message: str
    stack: str = ""
    note: Note = EMPTY


class HandBack(msgspec.Struct, frozen=True):
    """Release the delivery at once with the note that it has: no attempt is spent and no loss counted."""


class LetGo(msgspec.Struct, frozen=True):
    """Settle the delivery without handling it, counted as `ending`."""

    ending: Literal["cancelled", "expired"]


Verdict: TypeAlias = RetryAt | GiveUp | HandBack | LetGo

# --- what to do before an attempt ----------------------------------------------------------------------------------


class Handle(msgspec.Struct, frozen=True):
    """Give it to the handler; `alone`: while the member holds nothing else, since it may kill its worker."""

    alone: bool = False


Admission: TypeAlias = Handle | GiveUp | LetGo

HANDLE: Final = Handle()
ALONE: Final = Handle(alone=True)
EXPIRED: Final = LetGo("expired")
CANCELLED: Final = LetGo("cancelled")
HAND_BACK: Final = HandBack()
