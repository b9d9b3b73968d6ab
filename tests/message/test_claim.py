"""A body over the limit: the event goes without it, and says by a hash what it was."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
import pytest

from vagus.errors import BodyCorrupt, EventTooLarge, InvalidArgument, SchemaMismatch
from vagus.message import CloudEvent, Envelope, Event, Limits, Wire, decode, event_type
from vagus.message.body import claim
from vagus.message.body.claim import Claimed, blob_of, check_content, claimed, named_in, referred
from vagus.message.codec import with_body

pytestmark = pytest.mark.requirement("R65")


class Page(Event):
    text: str


PAGE = event_type(Page)
WIRES = [Wire(), Wire(codec="msgpack"), Wire(mode="binary"), Wire(mode="binary", codec="msgpack"), Wire(mode="json")]
LONG = "word " * 1_000


def event(data: Any, **attributes: Any) -> CloudEvent:
    return CloudEvent(id="e-1", source="shop", type="page", data=data, **attributes)


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: f"{wire.mode}-{wire.codec}")
@pytest.mark.parametrize(
    "data", [Page(LONG), {"text": LONG}, LONG.encode(), [LONG]], ids=["class", "dict", "bytes", "list"]
)
def test_large_data_comes_back_as_it_went(wire: Wire, data: Any) -> None:
    etype = PAGE if isinstance(data, Page) else None
    envelope = claimed(etype, event(data), wire, 1_000, {"tenant": "blue"})

    assert isinstance(envelope, Claimed)
    assert len(envelope.body) < 1_000
    assert type(envelope.slim) is Envelope
    read = decode(etype, envelope.slim, wire, "page")
    assert blob_of(read.dataref) == envelope.name
    whole = with_body(etype, read, envelope.content, wire, "page")
    assert whole.data == data
    assert whole.id == "e-1"


def test_data_within_the_limit_travels_with_its_event() -> None:
    envelope = claimed(PAGE, event(Page("short")), Wire(), 1_000)
    assert type(envelope) is Envelope
    assert decode(PAGE, envelope, Wire(), "page").data == Page("short")


def test_same_data_has_the_same_name() -> None:
    one, other = (claimed(PAGE, event(Page(LONG), subject=each), Wire(), 1_000) for each in "ab")
    assert isinstance(one, Claimed)
    assert isinstance(other, Claimed)
    assert one.name == other.name == sha256(one.content).hexdigest()


def test_event_that_is_too_large_without_its_data_is_refused() -> None:
    wire = Wire(limits=Limits(size=2_000))
    with pytest.raises(EventTooLarge):
        claimed(PAGE, event(Page("x"), subject=LONG), wire, 1_000)
    with pytest.raises(EventTooLarge):
        claimed(None, event(None, subject=LONG), wire, 1_000)


def test_data_over_every_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "MOST", 3_000)
    with pytest.raises(EventTooLarge, match="the limit is 3000"):
        claimed(PAGE, event(Page(LONG)), Wire(), 1_000)


def test_data_of_another_class_is_refused_before_anything_is_kept() -> None:
    with pytest.raises(InvalidArgument):
        claimed(PAGE, event({"text": LONG}), Wire(), 1_000)


def test_content_of_another_shape_is_a_mismatch_with_its_event() -> None:
    envelope = claimed(None, event({"other": LONG}), Wire(), 1_000)
    assert isinstance(envelope, Claimed)
    read = decode(PAGE, envelope.slim, Wire(), "page")
    with pytest.raises(SchemaMismatch):
        with_body(PAGE, read, envelope.content, Wire(), "page")


def test_content_that_has_changed_is_named_and_refused() -> None:
    name = sha256(b"this").hexdigest()
    assert check_content(name, b"this") == b"this"
    with pytest.raises(BodyCorrupt, match="is not what was published"):
        check_content(name, b"that")


@pytest.mark.parametrize(
    "dataref", [None, "", "https://example.com/a", "vagus-blob:sha256-0", "vagus-blob:sha256-\ud800"]
)
def test_reference_of_others_is_none_of_ours(dataref: str | None) -> None:
    assert blob_of(dataref) is None


def test_references_are_found_in_bodies_headers_and_anywhere() -> None:
    structured = claimed(PAGE, event(Page(LONG)), Wire(), 1_000)
    binary = claimed(PAGE, event(Page(LONG)), Wire(mode="binary"), 1_000)
    assert isinstance(structured, Claimed)
    assert isinstance(binary, Claimed)
    assert list(named_in(structured.slim)) == [structured.name]
    assert list(named_in(binary.slim)) == [binary.name]
    assert list(named_in(Envelope(b"{}"))) == []
    assert list(referred(msgspec.msgpack.encode({"in": structured.slim}))) == [structured.name]
