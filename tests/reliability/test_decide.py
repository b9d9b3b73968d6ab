"""What becomes of a delivery, before and after an attempt: the whole table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.errors import DiskFull, EventTooLarge, InvalidArgument, NoGroup, SchemaMismatch, TopicFull, UndecodableEvent
from vagus.reliability.decide import STACK_CHARS, LossLimits, admit, decide
from vagus.reliability.note import Death, Note, encode_note
from vagus.reliability.retry import DEFAULT, Reject, Retry, RetryLater
from vagus.reliability.verdict import (
    ALONE,
    CANCELLED,
    EXPIRED,
    HAND_BACK,
    HANDLE,
    GiveUp,
    Hopeless,
    Mishap,
    Raised,
    Refused,
    RetryAt,
    Revoked,
    Stopped,
    TimedOut,
    Verdict,
)

NOW = 1_000.0
BUG = Raised(ValueError("boom"), "the stack")
CAUGHT = (Retry(on=TimeoutError, attempts=3), Retry(on=OSError))


def after(count: int, *, policy: str = "Exception", first_at: float = NOW, kind: str = "ValueError") -> Note:
    note = Note()
    for _ in range(count):
        note = note.failed(kind, "before", first_at, policy)
    return note


def retry(mishap: Mishap, note: Note | None = None, policies: Any = DEFAULT, random: float = 0.5) -> RetryAt:
    verdict = decide(mishap, note or Note(), policies, NOW, random)
    assert isinstance(verdict, RetryAt)
    return verdict


def give_up(mishap: Mishap, note: Note | None = None, policies: Any = DEFAULT) -> GiveUp:
    verdict = decide(mishap, note or Note(), policies, NOW, 0.5)
    assert isinstance(verdict, GiveUp)
    return verdict


# --- before an attempt ---------------------------------------------------------------------------------------------


@pytest.mark.contract("G4")
@pytest.mark.parametrize(
    ("losses", "decision"), [(0, HANDLE), (1, HANDLE), (2, ALONE), (4, ALONE)], ids=["none", "one", "two", "four"]
)
def test_an_event_that_was_lost_twice_runs_alone(losses: int, decision: object) -> None:
    assert admit(losses) == decision


@pytest.mark.contract("G4", "G6")
def test_an_event_that_was_lost_five_times_is_quarantined() -> None:
    death = Death("g", "attempts", 1.0, 0)

    verdict = admit(5, encode_note(Note(deaths=(death,))))

    assert isinstance(verdict, GiveUp)
    assert (verdict.reason, verdict.kind) == ("quarantined", "WorkerLost")
    assert verdict.message == "it was lost with its worker 5 times"
    assert verdict.note.deaths == (death,)


@pytest.mark.contract("G4", "G6")
def test_an_event_that_others_were_lost_with_is_not_quarantined() -> None:
    assert [admit(20, begun_alone=begun) for begun in (0, 2)] == [ALONE, ALONE]
    assert isinstance(admit(5, begun_alone=3), GiveUp)
    assert admit(4, begun_alone=3) == ALONE


def test_the_limits_of_losses_can_be_set() -> None:
    limits = LossLimits(alone=1, quarantine=2)

    assert [type(admit(losses, limits=limits)) for losses in (0, 1, 2)] == [type(HANDLE), type(ALONE), GiveUp]


@pytest.mark.contract("G19")
@pytest.mark.parametrize(("alone", "quarantine"), [(0, 5), (3, 2)])
def test_limits_of_losses_that_cannot_be_are_refused(alone: int, quarantine: int) -> None:
    with pytest.raises(InvalidArgument, match="1 <= alone <= quarantine"):
        LossLimits(alone, quarantine)


@pytest.mark.contract("G11")
@pytest.mark.parametrize(
    ("expires_at", "decision"),
    [(None, HANDLE), (NOW + 0.001, HANDLE), (NOW, EXPIRED), (NOW - 1, EXPIRED)],
    ids=["never", "later", "now", "before"],
)
def test_an_event_past_its_expiry_is_not_handled(expires_at: float | None, decision: object) -> None:
    assert admit(0, expires_at=expires_at, now=NOW) == decision


@pytest.mark.contract("G16")
def test_an_event_of_a_cancelled_run_is_not_handled() -> None:
    assert admit(9, expires_at=NOW - 1, now=NOW, cancelled=True) == CANCELLED


# --- after it: nothing is spent ------------------------------------------------------------------------------------


@pytest.mark.contract("G4", "G16")
def test_a_shutdown_costs_nothing() -> None:
    assert decide(Stopped(), after(4), DEFAULT, NOW, 0.5) == HAND_BACK


@pytest.mark.contract("G16")
def test_a_cancelled_handler_settles_as_cancelled() -> None:
    assert decide(Revoked(), after(4), DEFAULT, NOW, 0.5) == CANCELLED


@pytest.mark.contract("G13")
@pytest.mark.parametrize(
    "mishap",
    [Refused(), Raised(TopicFull("full")), Raised(DiskFull("full"))],
    ids=["output", "topic raised", "disk raised"],
)
def test_a_refused_output_loses_no_attempt(mishap: Mishap) -> None:
    verdict = retry(mishap, after(4))

    assert (verdict.counted, verdict.note.failures, verdict.note.spent("Exception")) == (False, 4, 4)


@pytest.mark.contract("G13")
def test_refused_outputs_back_off_on_a_count_of_their_own() -> None:
    note, delays = after(3), []
    for _ in range(8):
        verdict = retry(Refused(), note)
        note = verdict.note
        delays.append(round(verdict.after_s, 2))

    assert delays == [0.55, 1.05, 2.05, 4.05, 8.05, 16.05, 30.05, 30.05]


# --- after it: an attempt is spent ---------------------------------------------------------------------------------


@pytest.mark.contract("G5")
@pytest.mark.requirement("R16")
@pytest.mark.parametrize(("failed", "delay"), [(0, 0.55), (1, 1.05), (2, 2.05), (3, 4.05)])
def test_a_failure_waits_longer_each_time(failed: int, delay: float) -> None:
    verdict = retry(BUG, after(failed))

    assert verdict.after_s == pytest.approx(delay)
    assert (verdict.counted, verdict.note.failures) == (True, failed + 1)


@pytest.mark.contract("G6")
@pytest.mark.requirement("R16", "R42")
def test_after_the_last_attempt_the_group_gives_up() -> None:
    verdict = give_up(BUG, after(4))

    assert (verdict.reason, verdict.kind, verdict.message, verdict.stack) == (
        "attempts",
        "ValueError",
        "boom",
        "the stack",
    )
    assert (verdict.note.failures, verdict.note.by_kind) == (5, {"ValueError": 5})


def test_one_attempt_means_no_retry() -> None:
    assert give_up(BUG, policies=[Retry(attempts=1)]).reason == "attempts"


@pytest.mark.contract("G5")
def test_each_policy_counts_its_own_attempts() -> None:
    spent = after(4, policy="OSError", kind="OSError")

    verdict = retry(Raised(TimeoutError()), spent, CAUGHT)

    assert (verdict.note.spent("TimeoutError"), verdict.note.spent("OSError")) == (1, 4)


@pytest.mark.contract("G5")
def test_a_timeout_is_a_failure_of_that_kind() -> None:
    verdict = give_up(TimedOut(60.0, "where it hung"), after(2, policy="TimeoutError"), CAUGHT)

    assert (verdict.reason, verdict.kind, verdict.stack) == ("attempts", "TimeoutError", "where it hung")
    assert "timeout of 60 s" in verdict.message


@pytest.mark.contract("G6")
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UndecodableEvent("x"), "undecodable"),
        (SchemaMismatch("x"), "undecodable"),
        (EventTooLarge("x"), "permanent"),
        (NoGroup("x"), "permanent"),
        (KeyError("x"), "permanent"),
        (Reject("spam"), "rejected"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_no_attempt_mends_is_given_up_at_once(error: Exception, reason: str) -> None:
    verdict = give_up(Raised(error), policies=[Retry(never=KeyError)])

    assert (verdict.reason, verdict.message, verdict.note.failures) == (reason, str(error), 1)


def test_an_error_that_no_policy_covers_is_permanent() -> None:
    assert give_up(BUG, policies=CAUGHT).reason == "permanent"


@pytest.mark.contract("G19")
def test_a_handler_that_exits_is_retried_like_one_that_fails() -> None:
    assert retry(Raised(SystemExit(3))).note.by_kind == {"SystemExit": 1}


@pytest.mark.parametrize("reason", ["unhandled type", "hop limit"])
def test_a_hopeless_event_is_given_up_with_its_reason(reason: Any) -> None:
    verdict = give_up(Hopeless(reason, "why"))

    assert (verdict.reason, verdict.kind, verdict.message) == (reason, reason, "why")


def test_no_policies_mean_the_default_one() -> None:
    assert [type(decide(BUG, after(n), (), NOW, 0.5)) for n in (3, 4)] == [RetryAt, GiveUp]


def test_of_a_long_stack_the_end_is_kept() -> None:
    verdict = give_up(Raised(Reject(), "x" * STACK_CHARS + "the error"))

    assert len(verdict.stack) == STACK_CHARS
    assert verdict.stack.endswith("the error")


def test_an_error_that_cannot_be_shown_is_still_given_up() -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    verdict = give_up(Raised(Unspeakable()), after(4))

    assert verdict.message == "(its message could not be made: RuntimeError)"


def test_an_unreadable_note_counts_anew_and_says_so() -> None:
    verdict = decide(BUG, b"\xc1", DEFAULT, NOW, 0.5)

    assert isinstance(verdict, RetryAt)
    assert (verdict.note.failures, verdict.note.unreadable) == (1, True)


# --- after it: total time ------------------------------------------------------------------------------------------

IN_HALF_A_MINUTE = (Retry(attempts=99, total_s=30.0),)


@pytest.mark.contract("G5")
def test_the_last_retry_comes_within_the_total_time() -> None:
    verdict = retry(BUG, after(9, first_at=NOW - 25), IN_HALF_A_MINUTE)

    assert verdict.after_s == 5.0


@pytest.mark.contract("G5", "G6")
@pytest.mark.parametrize("ago", [29.95, 30.0, 500.0])
def test_after_the_total_time_the_group_gives_up(ago: float) -> None:
    assert give_up(BUG, after(2, first_at=NOW - ago), IN_HALF_A_MINUTE).reason == "total time"


def test_the_total_time_runs_from_the_first_failure() -> None:
    assert retry(BUG, None, IN_HALF_A_MINUTE).note.first_at == NOW


def test_a_clock_that_was_set_back_gives_no_more_than_all_time() -> None:
    assert retry(BUG, after(9, first_at=NOW + 9_999), IN_HALF_A_MINUTE).after_s <= 30.0


# --- after it: the handler asked for it ----------------------------------------------------------------------------


@pytest.mark.contract("G5")
@pytest.mark.parametrize(("asked", "given"), [(0, 0.1), (0.05, 0.1), (7, 7.0), (3_600, 3_600.0)])
def test_retry_later_waits_as_long_as_asked(asked: float, given: float) -> None:
    verdict = retry(Raised(RetryLater(asked)))

    assert (verdict.after_s, verdict.counted, verdict.note.spent("Exception")) == (given, True, 1)


def test_retry_later_is_not_without_end() -> None:
    assert give_up(Raised(RetryLater(1)), after(4)).reason == "attempts"


def test_retry_later_is_charged_to_the_first_policy_where_none_covers_it() -> None:
    assert retry(Raised(RetryLater(1)), None, CAUGHT).note.by_policy == {"TimeoutError": 1}


def test_a_free_retry_later_costs_no_attempt() -> None:
    verdict = retry(Raised(RetryLater(1, free=True)), after(4))

    assert (verdict.counted, verdict.note.failures, verdict.note.spent("Exception")) == (False, 4, 4)


@pytest.mark.parametrize("free", [True, False])
def test_retry_later_beyond_the_total_time_gives_up(free: bool) -> None:
    later = Raised(RetryLater(6, free=free))

    assert give_up(later, after(2, first_at=NOW - 25), IN_HALF_A_MINUTE).reason == "total time"
    assert retry(later, after(2, first_at=NOW - 24), IN_HALF_A_MINUTE).after_s == 6.0


def test_a_free_wait_starts_the_total_time() -> None:
    assert retry(Raised(RetryLater(1, free=True)), None, IN_HALF_A_MINUTE).note.first_at == NOW


# --- always --------------------------------------------------------------------------------------------------------

MISHAPS = st.sampled_from(
    [BUG, TimedOut(1.0), Raised(OSError()), Raised(RetryLater(0)), Raised(Reject()), Refused(), Stopped(), Revoked()]
)


@pytest.mark.contract("G5")
@given(mishaps=st.lists(MISHAPS, max_size=60), attempts=st.integers(1, 8), random=st.floats(0, 1, exclude_max=True))
def test_an_event_is_never_tried_more_often_than_allowed(mishaps: list[Mishap], attempts: int, random: float) -> None:
    policies, note, counted = (Retry(on=OSError, attempts=attempts), Retry(attempts=attempts)), Note(), 0
    verdict: Verdict | None = None
    for mishap in mishaps:
        verdict = decide(mishap, note, policies, NOW, random)
        if isinstance(verdict, GiveUp):
            break
        if isinstance(verdict, RetryAt):
            assert verdict.after_s >= 0.1
            note, counted = verdict.note, counted + verdict.counted

    assert counted == note.failures <= 2 * (attempts - 1)
