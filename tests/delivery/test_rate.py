"""A rate over a group: what a text means, and that all claims together exceed it by no more than said."""

from __future__ import annotations

import random

import pytest

from tests.delivery.bound import most_over
from vagus.delivery.rate import LATE_S, Rate, claim, rate_of
from vagus.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "per_s"),
    [("100/s", 100.0), ("30/m", 0.5), ("5/10s", 0.5), ("36/h", 0.01), ("1.5/s", 1.5), ("864/d", 0.01)],
)
def test_text_means_a_rate(text: str, per_s: float) -> None:
    assert rate_of(text).per_s == pytest.approx(per_s)


@pytest.mark.parametrize("text", ["", "100", "fast", "0/s", "5/0s", "100/x", "-1/s", 100, None])
def test_text_that_means_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r'rate of work: expected .* "100/s"'):
        rate_of(text, "rate of work")


def test_claim_is_as_long_as_its_events_take_and_no_longer_than_a_stretch() -> None:
    rate = Rate(100.0)

    assert claim(rate, 0.0, 50.0, 3) == claim(rate, 50.0, 50.0, 3)
    found = claim(rate, 51.0, 50.0, 1_000)
    assert (found.count, found.since, found.until) == (5, 51.0, 51.05)
    assert claim(rate, 0.0, 50.0, 0).count == 1


def test_claim_is_good_from_its_beginning_until_a_moment_after_its_end() -> None:
    found = claim(Rate(100.0), 51.0, 50.0, 5)

    times = (50.9, 51.0, 51.05 + LATE_S - 0.01, 51.05 + LATE_S)
    assert [found.is_good(at) for at in times] == [False, True, True, False]


def test_number_under_a_wrong_clock_holds_nobody_up_for_ever() -> None:
    assert claim(Rate(100.0), 10_000.0, 50.0, 1).since == 50.0
    assert claim(Rate(0.001), 10_000.0, 50.0, 1).since == 10_000.0


@pytest.mark.parametrize("per_s", [0.5, 7.0, 100.0, 2_345.0])
@pytest.mark.parametrize("seed", range(5))
def test_members_that_use_claims_as_late_as_they_may_stay_within_the_bound(per_s: float, seed: int) -> None:
    rate, chance = Rate(per_s), random.Random(seed)
    free_at, now, begun = 0.0, 1_000.0, []
    for _ in range(300):
        now += chance.random() * 0.3 / per_s
        found = claim(rate, free_at, now, chance.randint(1, 2 * rate.most))
        free_at = found.until
        length_s = found.until + LATE_S - found.since
        begun += [found.since + chance.choice([0.0, 0.999, chance.random()]) * length_s for _ in range(found.count)]

    assert most_over(begun, per_s) <= rate.burst
