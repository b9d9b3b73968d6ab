"""How often and how long a handler's failure is tried again, by kind of error; and the signals of a handler."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from vagus.errors import EventError, InvalidArgument, UsageError
from vagus.reliability.backoff import BASE_S, CAP_S, FLOOR_S, delay_s

Kinds: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]

PERMANENT: tuple[type[BaseException], ...] = (EventError, UsageError)
"""Errors that no number of attempts mends: they go to the dead letters at once, whatever the policies say."""


class RetryLater(Exception):
    """Raised by a handler: "not now; give it to me again in `after_s` seconds". Not an error.

    It costs an attempt like any failure, so that it cannot go on for ever; with `free=True` it costs none, and only
    the policy's `total_s` bounds it. Never earlier than 0.1 s.
    """

    def __init__(self, after_s: float, *, free: bool = False) -> None:
        if not _is_duration(after_s):
            raise InvalidArgument(f"RetryLater: expected after_s in seconds, 0 or more, got {after_s!r}")
        super().__init__(f"the handler asked for it again in {after_s:g} s")
        self.after_s = float(after_s)
        self.free = free


class Reject(Exception):
    """Raised by a handler: "this event will never pass, because `reason`". Not an error; a dead letter at once."""

    def __init__(self, reason: str = "rejected by the handler") -> None:
        super().__init__(reason)
        self.reason = reason


class Drop(Exception):
    """Raised by middleware: "let this event go, because `reason`". Not an error; it is not handled, and not kept.

    On the way out it is not published, and its receipt says why; on the way in it is settled and counted as dropped.
    """

    def __init__(self, reason: str) -> None:
        if not reason:
            raise InvalidArgument(f"Drop: expected a reason in words, got {reason!r}")
        super().__init__(reason)
        self.reason = reason


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """A retry policy: which errors it is for, how often, how long.

    `attempts`: how often the event is handed to the handler before it becomes a dead letter, the first time
    included (default 5; 1 means no retry). The delay after the n-th failure is drawn between `floor_s` (0.1 s) and
    min(`cap_s` (60 s), `base_s` (1 s) * 2^(n-1)). `total_s`: no attempt starts later than that many seconds after
    the first failure (default: no such limit). `on`: the kinds of error that it is for, one class or several
    (default: all). `never`: kinds that are a dead letter at once.

    A handler may have several policies: the first whose `on` covers the error counts and decides, each with its own
    count of attempts. An error that no policy covers is not retried. Raises `InvalidArgument` for a value that
    cannot be meant.
    """

    attempts: int = 5
    base_s: float = BASE_S
    cap_s: float = CAP_S
    floor_s: float = FLOOR_S
    total_s: float | None = None
    on: Kinds = (Exception,)
    never: Kinds = ()

    def __post_init__(self) -> None:
        if not _is_count(self.attempts):
            raise InvalidArgument(f"Retry: expected attempts of 1 or more (1 means no retry), got {self.attempts!r}")
        for name in ("base_s", "cap_s", "floor_s"):
            if not _is_duration(value := getattr(self, name)) or value == 0:
                raise InvalidArgument(f"Retry: expected {name} in seconds, more than 0, got {value!r}")
        if self.total_s is not None and (not _is_duration(self.total_s) or self.total_s == 0):
            raise InvalidArgument(f"Retry: expected total_s in seconds, more than 0, or None, got {self.total_s!r}")
        if self.floor_s < FLOOR_S:
            raise InvalidArgument(f"Retry: expected floor_s of {FLOOR_S:g} or more, got {self.floor_s:g}")
        if self.floor_s > self.cap_s:
            raise InvalidArgument(f"Retry: expected floor_s at most cap_s, got {self.floor_s:g} and {self.cap_s:g}")
        if not _kinds("on", self.on):
            raise InvalidArgument("Retry: expected at least one kind of error in on=, got none")
        _kinds("never", self.never)

    @property
    def label(self) -> str:
        """The name under which its attempts are counted: the kinds of error that it is for."""
        return "|".join(kind_of(kind) for kind in _tuple(self.on))

    def covers(self, error: BaseException) -> bool:
        """Whether the policy is for `error`; `Exception` covers all, also a handler's `sys.exit`."""
        kinds = _tuple(self.on)
        return Exception in kinds or isinstance(error, kinds)

    def delay_s(self, failures: int, random: float) -> float:
        """Return the seconds to wait after that many failures; `random` is in [0, 1)."""
        return delay_s(failures, random, self.base_s, self.cap_s, self.floor_s)


def policies_of(retry: Retry | Iterable[Retry] | int | None) -> tuple[Retry, ...]:
    """Return what a handler's `retry=` means: a policy, several, a number of attempts, or None for the default.

    Raises `InvalidArgument` for anything else.
    """
    if retry is None:
        return DEFAULT
    if isinstance(retry, int) and not isinstance(retry, bool):
        return (Retry(attempts=retry),)
    policies = (retry,) if isinstance(retry, Retry) else tuple(retry) if isinstance(retry, Iterable) else ()
    if not policies or not all(isinstance(policy, Retry) for policy in policies):
        raise InvalidArgument(f"expected retry= to be a Retry, several of them or a number of attempts, got {retry!r}")
    return policies


def policy_for(error: BaseException, policies: Sequence[Retry]) -> Retry | None:
    """Return the first policy that covers `error`; None when it is not to be retried.

    A kind that any of the policies names in `never`, and an error that is permanent by nature, has none.
    """
    if isinstance(error, PERMANENT) or any(isinstance(error, _tuple(policy.never)) for policy in policies):
        return None
    return next((policy for policy in policies if policy.covers(error)), None)


def kind_of(kind: type[BaseException]) -> str:
    """Return the name of a kind of error as it is counted and shown: with its module, unless built in."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _tuple(kinds: Kinds) -> tuple[type[BaseException], ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def _kinds(name: str, kinds: object) -> tuple[type[BaseException], ...]:
    found = kinds if isinstance(kinds, tuple) else (kinds,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in found):
        raise InvalidArgument(f"Retry: expected {name} to be an error class or a tuple of them, got {kinds!r}")
    return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


DEFAULT = (Retry(),)
"""The policies of a handler that names none: 5 attempts for any error."""
