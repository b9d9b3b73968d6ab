"""Instants: written as RFC 3339, read in whatever ISO form others write."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.errors import InvalidArgument
from vagus.message import instant_of, instant_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.1234, "2023-11-14T22:13:20.123Z"),
        (1_700_000_000.9996, "2023-11-14T22:13:21.000Z"),
        (-0.5, "1969-12-31T23:59:59.500Z"),
    ],
)
def test_an_instant_is_written_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert instant_text(seconds) == text


@given(st.integers(0, 253_402_300_799_000))
def test_an_instant_reads_back_to_the_millisecond(ms: int) -> None:
    assert instant_of(instant_text(ms / 1000)) == pytest.approx(ms / 1000, abs=0.0005)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-14t22:13:20z", 1_700_000_000),
        ("2023-11-15T06:13:20+08:00", 1_700_000_000),
        ("2023-11-14 22:13:20", 1_700_000_000),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_other_ways_to_write_an_instant_are_read(text: str | None, seconds: float | None) -> None:
    assert instant_of(text) == seconds


@pytest.mark.parametrize("seconds", [math.inf, math.nan, 1e12, -1e12, 1e30])
def test_an_instant_out_of_all_years_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidArgument, match="is not an instant: expected seconds since the epoch"):
        instant_text(seconds)
