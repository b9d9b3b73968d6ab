"""Codecs that are registered: found by name and content type, held to types and depth, and to names of their own."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from vagus.errors import EventTooLarge, InvalidArgument, SchemaMismatch, UndecodableEvent
from vagus.message import (
    CODECS,
    CloudEvent,
    Codec,
    Envelope,
    Event,
    Wire,
    decode,
    encode,
    event_type,
    plain_codec,
    register_codec,
)
from vagus.message import format as module
from vagus.message.body.limit import values_are_deeper

HEADERS = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "order"}


class Order(Event):
    number: int
    blob: bytes = b""


class Model(BaseModel):
    number: int


@dataclass
class Record:
    model: Model


def turned(name: str = "turned", media: str = "application/x-turned", **more: Any) -> Codec:
    """JSON written backwards: nobody else's."""
    return plain_codec(
        name, media, lambda value: json.dumps(value).encode()[::-1], lambda body: json.loads(body[::-1]), **more
    )


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    names, types, more = dict(module._BY_NAME), dict(CODECS), list(module._more)
    yield
    for known, before in ((module._BY_NAME, names), (CODECS, types)):
        known.clear()
        known.update(before)
    module._more[:] = more


def wrapped(body: bytes, media: str = "application/x-turned") -> Envelope:
    return Envelope(body, media, HEADERS)


@pytest.mark.requirement("R48")
@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_registered_codec_carries_typed_data(mode: Any) -> None:
    register_codec(turned())
    wire = Wire(mode=mode, codec="turned")
    event = CloudEvent(id="1", source="s", type="order", data=Order(7, b"\x00\xff"))

    envelope = encode(event_type(Order), event, wire)
    found = decode(event_type(Order), envelope, wire, "order")

    assert found.data == Order(7, b"\x00\xff")
    assert found.datacontenttype == "application/x-turned"
    assert decode(None, envelope, wire, "order").data["number"] == 7


@pytest.mark.requirement("R48")
@pytest.mark.parametrize("media", ["APPLICATION/X-TURNED; v=1", "text/turned", "application/vnd.shop+turned"])
def test_content_type_is_honoured_whatever_the_topic_says(media: str) -> None:
    codec = register_codec(turned(aliases=("text/turned",)))

    found = decode(event_type(Order), wrapped(codec.encode({"number": 7}), media), Wire(), "order")

    assert found.data == Order(7)


def test_bytes_of_another_codec_are_undecodable_and_other_data_a_mismatch() -> None:
    codec = register_codec(turned())

    with pytest.raises(UndecodableEvent, match="turned: ") as broken:
        decode(event_type(Order), wrapped(b"nonsense"), Wire(), "order")
    with pytest.raises(SchemaMismatch, match="number"):
        decode(event_type(Order), wrapped(codec.encode({"number": "x"})), Wire(), "order")
    assert not isinstance(broken.value, SchemaMismatch)
    with pytest.raises(UndecodableEvent):
        decode(None, wrapped(b"nonsense"), Wire(), "order")


def test_data_that_is_too_deep_is_refused_in_any_codec() -> None:
    codec = register_codec(turned())
    deep: Any = 1
    for _ in range(70):
        deep = [deep]
    endless = b"]" * 100_000 + b"[" * 100_000

    for body in (codec.encode(deep), endless):
        with pytest.raises(EventTooLarge, match="too deep"):
            decode(None, wrapped(body), Wire(), "order")
    with pytest.raises(RecursionError):
        codec.decode(endless)


def test_depth_of_plain_values_is_measured_without_end_or_copies() -> None:
    round_about: list[Any] = []
    round_about.append(round_about)
    shared: Any = [1]
    for _ in range(60):
        shared = [shared] * 10

    assert values_are_deeper(round_about, 64)
    assert not values_are_deeper(shared, 64)
    assert not values_are_deeper({"a": (1, [2])}, 3)
    assert values_are_deeper({"a": (1, [2])}, 2)


def test_models_and_structs_become_plain_values() -> None:
    codec = turned()

    assert codec.decode(codec.encode(Record(Model(number=7)))) == {"model": {"number": 7}}
    assert codec.decoder(Record)(codec.encode({"model": {"number": 7}})) == Record(Model(number=7))
    assert codec.decode(codec.encode(Order(1, b"\xff"))) == {"number": 1, "blob": base64.b64encode(b"\xff").decode()}
    with pytest.raises(TypeError, match="no plain form"):
        codec.encode({"x": object()})
    with pytest.raises(msgspec.DecodeError):
        codec.decode(b"{")


def test_name_or_content_type_of_another_is_refused() -> None:
    codec = turned()

    assert register_codec(codec) is codec
    assert register_codec(codec) is codec
    for other in (
        turned(),
        turned("json"),
        turned("other", "application/json"),
        turned("other", aliases=("text/json",)),
    ):
        with pytest.raises(InvalidArgument, match="would take the place of"):
            register_codec(other)
    for wrong, reason in ((turned("Upper"), "cannot name"), (turned("x", "Text/Plain"), "no content type")):
        with pytest.raises(InvalidArgument, match=reason):
            register_codec(wrong)
    with pytest.raises(InvalidArgument, match="is no codec"):
        register_codec(json)  # type: ignore[arg-type]


def test_more_codecs_are_loaded_once_when_one_is_missing() -> None:
    calls: list[int] = []
    module._more[:] = []

    def load() -> None:
        calls.append(1)
        register_codec(turned())

    module.when_unknown(load)
    assert module.codec_for("application/json") is module.JSON
    assert calls == []
    assert module.codec_for("") is None
    assert calls == []
    assert module.codec_for("application/x-turned") is CODECS["application/x-turned"]
    assert module.codec_for("image/png") is None
    assert module.codec_named("turned") is CODECS["application/x-turned"]
    assert module.codec_named("nothing") is None
    assert (calls, module.codec_names()) == ([1], ["json", "msgpack", "turned"])


def test_unknown_name_of_a_codec_loads_more() -> None:
    module._more[:] = [lambda: None, lambda: register_codec(turned())]  # type: ignore[list-item]

    assert Wire(codec="turned").data_codec.name == "turned"
