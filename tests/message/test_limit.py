"""Limits: depth is measured as a parser would see it, fast, and without recursion."""

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.errors import InvalidArgument
from vagus.message import Limits
from vagus.message.body.limit import json_is_deeper, msgpack_is_deeper

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text('[]{}"\\é中a')
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('[{"\\', max_size=3), inner, max_size=4),
)
WITH_BINARY = st.recursive(
    SCALARS | st.binary(max_size=300) | st.text("x", min_size=20, max_size=300) | st.datetimes(timezones=st.none()),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=3), inner, max_size=20),
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@given(NESTED, st.integers(1, 6))
def test_json_depth_agrees_with_a_parser(value: object, depth: int) -> None:
    assert json_is_deeper(msgspec.json.encode(value), depth) == (depth_of(value) > depth)


@given(WITH_BINARY, st.integers(1, 6))
def test_msgpack_depth_agrees_with_a_parser(value: object, depth: int) -> None:
    assert msgpack_is_deeper(msgspec.msgpack.encode(value), depth) == (depth_of(value) > depth)


@pytest.mark.parametrize("wide", [20, 70_000])
def test_msgpack_containers_of_every_width_are_measured(wide: int) -> None:
    wide_list, wide_map = msgspec.msgpack.encode([0] * wide), msgspec.msgpack.encode({str(at): 0 for at in range(wide)})

    for body in (wide_list, wide_map):
        assert not msgpack_is_deeper(b"\x92" + body + b"\x80" * 70, 70)
        assert msgpack_is_deeper(b"\x92" + body + b"\x91" * 70 + b"\x80", 70)


@pytest.mark.parametrize(
    "scalar",
    [
        *(
            msgspec.msgpack.encode(value)
            for value in (1, 200, 70_000, 2**40, -1, -200, -70_000, -(2**40), 1.5, "é" * 99)
        ),
        *(
            msgspec.msgpack.encode(msgspec.msgpack.Ext(5, bytes([0x91]) * size))
            for size in (1, 2, 4, 8, 16, 3, 300, 70_000)
        ),
        *(msgspec.msgpack.encode(bytes([0x91]) * size) for size in (3, 300, 70_000)),
        b"\xca\x91\x91\x91\x91",
    ],
)
def test_msgpack_scalars_are_stepped_over_whole(scalar: bytes) -> None:
    body = b"\x92" + scalar + b"\x91" * 9 + b"\xc0"

    assert not msgpack_is_deeper(body, 10)
    assert msgpack_is_deeper(body, 9)


@given(st.binary(max_size=400))
def test_any_bytes_can_be_measured_for_depth(body: bytes) -> None:
    assert json_is_deeper(body, 3) in (True, False)
    assert msgpack_is_deeper(body, 3) in (True, False)


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    "body",
    [
        b'["' + b"\\" * 400_000 + b"[" * 99,
        b'[["' * 200_000,
        b'"\\"' * 300_000 + b"[" * 99,
        b"[" * 1_000_000,
        b"[]" * 500_000,
    ],
    ids=["backslashes", "quotes", "escaped quotes", "deep", "wide"],
)
def test_hostile_json_is_measured_in_linear_time(body: bytes) -> None:
    started = time.process_time()

    json_is_deeper(body, 64)

    assert time.process_time() - started < 2  # a quadratic scan takes minutes


@pytest.mark.parametrize("given_limits", [{"size": 0}, {"depth": 0}, {"size": -1}])
def test_limits_under_one_are_refused(given_limits: dict[str, int]) -> None:
    with pytest.raises(InvalidArgument, match="limits are at least 1"):
        Limits(**given_limits)
