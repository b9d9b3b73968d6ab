"""The delay before a retry: between the floor and a top that doubles up to the cap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.reliability.backoff import CAP_S, FLOOR_S, delay_s


@pytest.mark.requirement("R63")
@pytest.mark.contract("G5")
@pytest.mark.parametrize(
    ("failures", "random", "delay"),
    [
        (1, 0.0, 0.1),
        (1, 0.5, 0.55),
        (2, 0.5, 1.05),
        (3, 0.5, 2.05),
        (7, 0.5, 30.05),
        (10**9, 0.5, 30.05),
        (0, 0.5, 0.55),
    ],
)
def test_the_delay_is_drawn_under_a_doubling_top(failures: int, random: float, delay: float) -> None:
    assert delay_s(failures, random) == pytest.approx(delay)


@pytest.mark.contract("G5")
@given(failures=st.integers(0), random=st.floats(0, 1, exclude_max=True))
def test_the_delay_stays_between_floor_and_cap(failures: int, random: float) -> None:
    assert FLOOR_S <= delay_s(failures, random) <= CAP_S


@pytest.mark.contract("G5")
@given(base=st.floats(1e-9, 1e300), cap=st.floats(1e-9, 1e300), floor=st.floats(0.1, 1e3), random=st.floats(0, 0.999))
def test_no_policy_gives_less_than_its_floor(base: float, cap: float, floor: float, random: float) -> None:
    assert floor <= delay_s(2**70, random, base, cap, floor) <= max(cap, floor)
