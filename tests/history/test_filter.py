"""Which events a filter means: any of the values of one kind, each of the kinds that are named."""

from __future__ import annotations

from typing import Any

import pytest

from vagus.errors import InvalidArgument
from vagus.history import Filter
from vagus.history.filter import field_test
from vagus.message import CloudEvent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
EVENT = CloudEvent(
    id="e1",
    source="till",
    type="shop.order",
    correlationid="r1",
    traceparent=f"00-{TRACE}-00f067aa0ba902b7-01",
    data={"lang": "zh", "paid": True, "order": {"lines": [{"cents": 5}]}, "none": None, "text": "5"},
)


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        ({}, True),
        ({"types": ("shop.order",)}, True),
        ({"types": ("bill", "shop.*")}, True),
        ({"types": ("bill",)}, False),
        ({"keys": ("k", "other")}, True),
        ({"keys": ("other",)}, False),
        ({"runs": ("r1",), "sources": ("till",)}, True),
        ({"runs": ("r1",), "sources": ("web",)}, False),
        ({"runs": ("e1",)}, False),
        ({"traces": (TRACE,)}, True),
        ({"traces": (f"00-{TRACE}-00f067aa0ba902b7-01",)}, True),
        ({"traces": ("0" * 32,)}, False),
        ({"fields": {"lang": "zh"}}, True),
        ({"fields": {"lang": "en"}}, False),
        ({"fields": {"paid": True}}, True),
        ({"fields": {"paid": 1}}, False),
        ({"fields": {"order.lines.0.cents": 5}}, True),
        ({"fields": {"order.lines.1.cents": 5}}, False),
        ({"fields": {"text": 5}}, True),
        ({"fields": {"order.lines.0.cents": "5"}}, False),
        ({"fields": {"none": None}}, True),
        ({"fields": {"nothing": None}}, False),
        ({"fields": {"lang.deeper": "zh"}}, False),
    ],
)
def test_event_fits_where_every_kind_fits(options: dict[str, Any], fits: bool) -> None:
    assert Filter(**options).fits(EVENT, "k") is fits


def test_run_of_a_first_event_is_its_id() -> None:
    assert Filter(runs=("e1",)).fits(CloudEvent(id="e1", source="s", type="t"), None)


def test_event_that_cannot_be_read_fits_only_by_its_key() -> None:
    assert Filter().fits(None, None)
    assert Filter(keys=("k",)).fits(None, "k")
    assert not Filter(types=("t",)).fits(None, "k")
    assert (Filter().all, Filter(keys=("k",)).all) == (True, False)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("lang=zh", ("lang", "zh")),
        ("data.lang=zh", ("lang", "zh")),
        ("paid=true", ("paid", True)),
        ("cents=900", ("cents", 900)),
        ('code="900"', ("code", "900")),
        ("text=a=b", ("text", "a=b")),
        ("text=", ("text", "")),
    ],
)
def test_field_and_value_are_read_from_one_word(text: str, meant: tuple[str, Any]) -> None:
    assert field_test(text) == meant


@pytest.mark.parametrize("text", ["lang", "=zh", "data.=zh"])
def test_word_without_field_or_value_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="names no field and value"):
        field_test(text)
