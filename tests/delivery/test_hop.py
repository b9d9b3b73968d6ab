"""The hop limit: chains of events end, however handlers feed each other."""

from __future__ import annotations

import pytest

from vagus.delivery.hop import HOP_LIMIT, HopLimit, next_hops


@pytest.mark.parametrize(("cause", "limit", "hops"), [(0, 64, 1), (63, 64, 64), (-3, 64, 1), (1, 2, 2)])
def test_an_output_is_one_hop_further_than_its_cause(cause: int, limit: int, hops: int) -> None:
    assert next_hops(cause, limit) == hops


def test_an_output_beyond_the_limit_is_refused_with_a_reason() -> None:
    refusal = next_hops(HOP_LIMIT)

    assert refusal == HopLimit(65, 64)
    assert "hop 65" in refusal.sentence
    assert "limit of 64" in refusal.sentence
