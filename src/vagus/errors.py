"""Everything that can go wrong, named by what the reader must do.

    VagusError
    ├── UsageError            fix your code or settings; never retried
    │   ├── InvalidArgument
    │   │   ├── InvalidTopic
    │   │   └── InvalidHandler
    │   ├── NoGroup
    │   ├── NotStarted
    │   ├── ForkedAfterOpen
    │   ├── UnsupportedCapability
    │   └── PickFailed
    ├── EventError            this event will never pass; it becomes a dead letter
    │   ├── UndecodableEvent
    │   │   └── SchemaMismatch
    │   └── EventTooLarge
    ├── BackendError          the outside world; try again
    │   ├── ConnectFailed
    │   │   ├── MissingDriver
    │   │   ├── DatabaseUnusable
    │   │   └── SchemaTooNew
    │   ├── ConnectionLost
    │   ├── PublishUnconfirmed
    │   ├── LeaseLost
    │   ├── DiskFull
    │   ├── TopicFull
    │   ├── BodyMissing
    │   └── BodyCorrupt
    └── ControlError          the plan does not fit what is there
        ├── GroupConflict
        ├── RunNotFound
        ├── RunFailed
        │   └── RunCancelled
        ├── RunTimeout
        ├── NotSettled
        ├── ReplayConflict
        └── HistoryGone

Each error carries its facts as attributes, a stable `code`, the `exit_code` that a command ends with, and a
`hint`: what to do about it, with a command to copy where there is one. Secrets in URLs are masked by whoever
puts a URL into an error (`mask_url`).
"""

from __future__ import annotations

import re
from typing import ClassVar

_PASSWORD = re.compile(r"(?<=://)([^/@:]*):([^/@]*)@")


def mask_url(url: str) -> str:
    """Return `url` with its password replaced by `***`; text without a password comes back unchanged."""
    return _PASSWORD.sub(r"\1:***@", url)


class VagusError(Exception):
    """The base of every error that vagus raises on purpose; never raised itself."""

    code: ClassVar[str] = "V000"
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "", **facts: object) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        self.facts = facts
        if hint:
            self.add_note(f"hint: {hint}")  # at the foot of a traceback, where whoever calls vagus from code reads it

    def __str__(self) -> str:
        return f"{self.what} ({self.where})" if self.where else self.what


class UsageError(VagusError):
    """Your code or your settings are wrong; running it again changes nothing."""

    code = "V100"
    exit_code = 2


class InvalidArgument(UsageError):
    """An argument is not of the kind expected. Raised by whatever takes it; the text names what was expected."""

    code = "V101"


class InvalidTopic(InvalidArgument):
    """A topic, pattern, group or member name breaks the grammar. Raised where the name is first given."""

    code = "V102"


class InvalidHandler(InvalidArgument):
    """A handler cannot be run: a parameter that nothing fills, two handlers of one group name, a wrong option."""

    code = "V103"


class NoGroup(UsageError):
    """A topic was published to that no group was ever declared for and that keeps nothing (`keep=`)."""

    code = "V104"


class NotStarted(UsageError):
    """Something was asked of an app or a backend that is not open (yet, or any more)."""

    code = "V105"


class ForkedAfterOpen(UsageError):
    """The process forked while a backend was open; the child must open its own."""

    code = "V106"


class UnsupportedCapability(UsageError):
    """The backend cannot keep a promise that was asked for. Raised at start-up, never at the first event."""

    code = "V107"


class PickFailed(UsageError):
    """A pick of yours raised, or answered what is no member. It is logged; the event waits, and is shown as waiting."""

    code = "V108"


class EventError(VagusError):
    """This event will never pass, however often it is tried; it becomes a dead letter."""

    code = "V200"


class UndecodableEvent(EventError):
    """The bytes of an event are not what its content type says. Raised on decoding; the event is dead-lettered."""

    code = "V201"


class SchemaMismatch(UndecodableEvent):
    """The event's data does not fit the type that the handler asked for; the text names what was expected."""

    code = "V202"


class EventTooLarge(EventError):
    """The event's body is over the size limit, or nested too deep. Raised on publish and on decoding."""

    code = "V203"


class BackendError(VagusError):
    """The outside world failed; trying again later may pass."""

    code = "V300"


class ConnectFailed(BackendError):
    """The backend could not be opened: not there, not reachable, not permitted."""

    code = "V301"
    exit_code = 3


class MissingDriver(ConnectFailed):
    """The client library of a backend is not installed; the hint is the install command."""

    code = "V302"


class DatabaseUnusable(ConnectFailed):
    """The database file is corrupt, read-only, not a vagus database, or on a file system that cannot lock."""

    code = "V303"


class SchemaTooNew(ConnectFailed):
    """The data was written by a newer vagus than this one can read; both versions are named."""

    code = "V304"


class ConnectionLost(BackendError):
    """An open connection died; what was in flight is repeated or reported by whoever owned it."""

    code = "V305"


class PublishUnconfirmed(BackendError):
    """A publish may or may not have arrived. Publishing again with the same id is safe where dedupe is native."""

    code = "V306"


class LeaseLost(BackendError):
    """A delivery was settled or extended by a holder whose lease had lapsed; another member has it now."""

    code = "V307"


class DiskFull(BackendError):
    """The disk or the file's size limit is reached; nothing of the refused commit was stored."""

    code = "V308"


class TopicFull(BackendError):
    """A topic is at its limit; the event was not stored. Wait for consumers, or raise the topic's `max_events`."""

    code = "V309"


class BodyMissing(BackendError):
    """An event refers to a body that cannot be found or read in the blob store; the event is tried again."""

    code = "V310"


class BodyCorrupt(BackendError):
    """The body that an event refers to is not the one that was published; the event is tried again."""

    code = "V311"


class ControlError(VagusError):
    """The plan does not fit what is there."""

    code = "V400"


class GroupConflict(ControlError):
    """A group exists already with settings that cannot be changed while it runs; both are named."""

    code = "V401"


class RunNotFound(ControlError):
    """No run of that id is known: it was never started here, or its record has expired."""

    code = "V402"


class RunFailed(ControlError):
    """A run ended without its result: one of its events became a dead letter, it was late, or it was cancelled."""

    code = "V403"


class RunCancelled(RunFailed):
    """A run was cancelled before it had a result; the text says by whom and why."""

    code = "V406"


class RunTimeout(ControlError):
    """A result was not there within the time that the caller gave; the run itself goes on."""

    code = "V404"


class NotSettled(ControlError):
    """An app under test did not come to rest: handlers still run, or what the test waits for never began."""

    code = "V405"


class ReplayConflict(ControlError):
    """Another replay into the same group is under way, or another process carries out this one; both are named."""

    code = "V411"


class HistoryGone(ControlError):
    """Events that are needed from the beginning on are no longer kept; the topic and how many are gone are named."""

    code = "V412"
