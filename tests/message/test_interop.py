"""The `cloudevents` package reads what we write, and we read what it writes, in both modes."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.v1.event import CloudEvent as TheirEvent

from vagus.message import CloudEvent, Envelope, Event, Wire, decode, encode, event_type, extensions

pytestmark = [pytest.mark.requirement("R48"), pytest.mark.requirement("R55")]


class Order(Event, key="number"):
    number: str
    goods: list[str]


OURS = CloudEvent(
    id="018bcfe5-6800-7000-8000-000000003039",
    source="shop/checkout",
    type="order",
    time="2023-11-14T22:13:20.000Z",
    subject='订单 100% "ok"',
    partitionkey="n-1",
    correlationid="run-1",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    vagushops=2,
    data=Order("n-1", ["茶", "tea"]),
)
WHEN = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def theirs(**more: Any) -> TheirEvent:
    attributes = {"id": "1", "source": "/them", "type": "order", "subject": OURS.subject, "time": WHEN, **more}
    return TheirEvent(attributes, {"number": "n-1", "goods": ["茶", "tea"]})


def received(message: http.HTTPMessage) -> Envelope:
    headers = dict(message.headers)
    return Envelope(message.body, headers.pop("content-type", ""), headers)


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_their_package_reads_our_event_whole(mode: Any) -> None:
    envelope = encode(event_type(Order), OURS, Wire(mode))
    message = http.HTTPMessage({**(envelope.headers or {}), "content-type": envelope.content_type}, envelope.body)

    found = http.from_http_event(message)

    assert (found.get_id(), found.get_source(), found.get_type()) == (OURS.id, OURS.source, OURS.type)
    assert (found.get_subject(), found.get_time(), found.get_specversion()) == (OURS.subject, WHEN, "1.0")
    assert found.get_extension("partitionkey") == "n-1"
    assert str(found.get_extension("vagushops")) == "2"
    assert found.get_data() == {"number": "n-1", "goods": ["茶", "tea"]}


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_their_package_reads_our_msgpack_bytes(mode: Any) -> None:
    envelope = encode(event_type(Order), OURS, Wire(mode, "msgpack"))
    message = http.HTTPMessage({**(envelope.headers or {}), "content-type": envelope.content_type}, envelope.body)

    found = http.from_http_event(message)

    assert found.get_datacontenttype() == "application/msgpack"
    assert msgspec.msgpack.decode(found.get_data()) == {"number": "n-1", "goods": ["茶", "tea"]}
    assert found.get_extension("traceparent") == OURS.traceparent


@pytest.mark.parametrize("write", [http.to_structured_event, http.to_binary_event], ids=["structured", "binary"])
def test_we_read_an_event_of_their_package_whole(write: Any) -> None:
    envelope = received(write(theirs(partitionkey="n-1", comexamplemood="froh")))

    found = decode(event_type(Order), envelope, Wire(), "order")

    assert (found.id, found.source, found.type, found.subject) == ("1", "/them", "order", OURS.subject)
    assert (found.time, found.partitionkey) == ("2023-11-14T22:13:20Z", "n-1")
    assert found.data == OURS.data
    assert extensions(envelope) == {"comexamplemood": "froh"}


@pytest.mark.parametrize("write", [http.to_structured_event, http.to_binary_event], ids=["structured", "binary"])
def test_we_read_bytes_that_their_package_writes(write: Any) -> None:
    event = TheirEvent({"id": "1", "source": "/them", "type": "t", "datacontenttype": "image/png"}, b"\x89PNG")

    assert decode(None, received(write(event)), Wire(), "t").data == b"\x89PNG"


@pytest.mark.parametrize("write", [http.to_structured_event, http.to_binary_event], ids=["structured", "binary"])
def test_we_read_msgpack_that_their_package_carries(write: Any) -> None:
    body = msgspec.msgpack.encode({"number": "n-1", "goods": ["茶", "tea"]})
    event = TheirEvent({"id": "1", "source": "/them", "type": "order", "datacontenttype": "application/msgpack"}, body)

    assert decode(event_type(Order), received(write(event)), Wire(), "order").data == OURS.data


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_extension_of_a_user_reaches_their_package(mode: Any) -> None:
    envelope = encode(event_type(Order), OURS, Wire(mode), {"comexamplemood": "茶 100%", "n2": 7})
    message = http.HTTPMessage({**(envelope.headers or {}), "content-type": envelope.content_type}, envelope.body)

    found = http.from_http_event(message)

    assert found.get_extension("comexamplemood") == "茶 100%"
    assert str(found.get_extension("n2")) == "7"


def test_we_read_their_kafka_headers() -> None:
    message = kafka.to_binary_event(theirs(), key_mapper=lambda event: None)
    headers = {name: value.decode() for name, value in message.headers.items()}

    found = decode(
        event_type(Order), Envelope(message.value, headers.pop("content-type", ""), headers), Wire(), "order"
    )

    assert (found.id, found.source, found.data) == ("1", "/them", OURS.data)


def test_our_document_is_what_the_json_format_asks_for() -> None:
    document = json.loads(encode(event_type(Order), OURS, Wire()).body)

    assert {"specversion", "id", "source", "type"} <= document.keys()
    assert all(name.isalnum() and name.islower() for name in document.keys() - {"data"})
    assert isinstance(document["data"], dict)
