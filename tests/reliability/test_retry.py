"""Retry policies: what they refuse, what they cover, and which of several decides."""

from __future__ import annotations

from typing import Any

import pytest

from vagus.errors import InvalidArgument, NoGroup, SchemaMismatch, UndecodableEvent
from vagus.reliability.retry import DEFAULT, Retry, RetryLater, kind_of, policies_of, policy_for

ON_TIMEOUT = Retry(on=TimeoutError, attempts=10)
ON_ANY = Retry(attempts=2, never=KeyError)


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"attempts": 0}, "attempts of 1 or more"),
        ({"attempts": True}, "attempts of 1 or more"),
        ({"attempts": 2.5}, "attempts of 1 or more"),
        ({"base_s": 0}, "base_s in seconds"),
        ({"cap_s": float("inf")}, "cap_s in seconds"),
        ({"floor_s": -1}, "floor_s in seconds"),
        ({"base_s": "1s"}, "base_s in seconds"),
        ({"base_s": True}, "base_s in seconds"),
        ({"total_s": 0}, "total_s in seconds"),
        ({"total_s": float("nan")}, "total_s in seconds"),
        ({"floor_s": 2, "cap_s": 1}, "floor_s at most cap_s"),
        ({"floor_s": 0.01}, "floor_s of 0.1 or more"),
        ({"on": ()}, "at least one kind"),
        ({"on": "TimeoutError"}, "on to be an error class"),
        ({"on": (TimeoutError, int)}, "on to be an error class"),
        ({"never": [KeyError]}, "never to be an error class"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidArgument, match=expected):
        Retry(**options)


@pytest.mark.parametrize(
    ("given", "policies"),
    [
        (None, DEFAULT),
        (3, (Retry(attempts=3),)),
        (ON_ANY, (ON_ANY,)),
        ([ON_TIMEOUT, ON_ANY], (ON_TIMEOUT, ON_ANY)),
    ],
)
def test_retry_takes_a_policy_several_or_a_number(given: Any, policies: tuple[Retry, ...]) -> None:
    assert policies_of(given) == policies


@pytest.mark.contract("G19")
@pytest.mark.parametrize("given", [True, "often", [], [3], 2.5, object()])
def test_anything_else_as_retry_is_refused(given: Any) -> None:
    with pytest.raises(InvalidArgument, match="retry="):
        policies_of(given)


@pytest.mark.contract("G5")
@pytest.mark.parametrize(
    ("error", "policy"),
    [
        (TimeoutError(), ON_TIMEOUT),
        (ValueError(), ON_ANY),
        (SystemExit(1), ON_ANY),
        (KeyError(), None),
        (UndecodableEvent("x"), None),
        (SchemaMismatch("x"), None),
        (NoGroup("x"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_first_policy_that_covers_the_error_decides(error: BaseException, policy: Retry | None) -> None:
    assert policy_for(error, [ON_TIMEOUT, ON_ANY]) is policy


def test_an_error_that_no_policy_covers_has_none() -> None:
    assert policy_for(ValueError(), [ON_TIMEOUT]) is None


def test_never_wins_over_a_policy_named_earlier() -> None:
    assert policy_for(KeyError(), [Retry(on=LookupError), ON_ANY]) is None


def test_an_error_is_named_with_its_module_unless_built_in() -> None:
    assert [kind_of(TimeoutError), kind_of(NoGroup)] == ["TimeoutError", "vagus.errors.NoGroup"]


def test_attempts_are_counted_under_the_kinds_of_a_policy() -> None:
    assert [ON_TIMEOUT.label, Retry(on=(OSError, NoGroup)).label] == ["TimeoutError", "OSError|vagus.errors.NoGroup"]


@pytest.mark.contract("G19")
@pytest.mark.parametrize("after_s", [-1, float("nan"), "soon", None])
def test_retry_later_refuses_what_is_no_duration(after_s: Any) -> None:
    with pytest.raises(InvalidArgument, match="after_s in seconds"):
        RetryLater(after_s)
