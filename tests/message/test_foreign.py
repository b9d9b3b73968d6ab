"""Plain JSON of foreign producers: mapped by the topic's settings, kept whole as data."""

import json
from typing import Any

import msgspec
import pytest

from vagus.errors import EventTooLarge, SchemaMismatch, UndecodableEvent
from vagus.message import (
    CloudEvent,
    Envelope,
    Event,
    ForeignFields,
    Wire,
    decode,
    encode,
    event_type,
    foreign_id,
    instant_of,
    trace_id,
)

PLAIN = Wire("json")
TOPIC = "kotaemon-dialog-events"


class UserQuery(Event, key="session_id"):
    session_id: str
    query: str


def read(document: Any, wire: Wire = PLAIN, etype: Any = None, position: int = 7) -> CloudEvent:
    return decode(etype, Envelope(json.dumps(document).encode(), "application/json"), wire, TOPIC, position)


def test_a_plain_event_is_mapped_by_its_usual_fields() -> None:
    document = {
        "event_type": "user_query",
        "event_id": "e-9",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "timestamp": "2024-05-01T12:00:00+08:00",
        "query": "怎么退货",
    }

    found = read(document)

    assert (found.id, found.type, found.source) == ("e-9", "user_query", f"foreign/{TOPIC}")
    assert found.time == "2024-05-01T04:00:00.000Z"
    assert trace_id(found.traceparent) == document["trace_id"]
    assert found.data == document


def test_without_fields_the_place_gives_type_and_id() -> None:
    found = read({"query": "hi"})

    assert (found.type, found.time, found.traceparent) == (TOPIC, None, None)
    assert found.id == foreign_id(TOPIC, 7, b'{"query": "hi"}')
    assert read({"query": "hi"}, position=8).id != found.id


def test_a_class_reads_the_whole_document_and_gives_the_key() -> None:
    found = read({"event_type": "user_query", "session_id": "s1", "query": "hi"}, etype=event_type(UserQuery))

    assert found.data == UserQuery("s1", "hi")
    assert found.partitionkey == "s1"


def test_other_field_names_are_a_setting() -> None:
    mapping = ForeignFields(event_type="kind", event_id="no", trace_id=None, timestamp="at", source="kotaemon")

    found = read({"kind": "k", "no": 17, "trace_id": "t", "at": 1714536000}, Wire("json", mapping=mapping))

    assert (found.type, found.id, found.source, found.traceparent) == ("k", "17", "kotaemon", None)
    assert found.time == "2024-05-01T04:00:00.000Z"


@pytest.mark.parametrize(
    ("timestamp", "seconds"),
    [
        (1714536000.25, 1714536000.25),
        (1714536000250, 1714536000.25),
        ("2024-05-01T04:00:00", 1714536000),
        ("noon", None),
        ("0001-01-01T00:00:00+14:00", None),
        (True, None),
        (-5, None),
        (1e300, None),
        ([], None),
        (None, None),
    ],
)
def test_timestamps_of_every_kind_are_understood(timestamp: Any, seconds: float | None) -> None:
    found = read({"timestamp": timestamp})

    assert instant_of(found.time) == seconds
    if seconds:
        assert found.id.replace("-", "")[:12] == f"{int(seconds * 1000):012x}"


@pytest.mark.parametrize("unfit", [None, True, [], {}, "", 1.5])
def test_fields_of_an_unfit_kind_count_as_absent(unfit: Any) -> None:
    found = read({"event_type": unfit, "event_id": unfit, "trace_id": unfit})

    assert found.type == TOPIC
    assert len(found.id) == 36
    assert found.traceparent is None


@pytest.mark.parametrize("document", [[1, 2], "text", 5, None, True])
def test_a_document_that_is_no_object_is_data_too(document: Any) -> None:
    assert read(document).data == document


@pytest.mark.parametrize("content_type", ["", "application/json; charset=utf-8", "text/plain"])
def test_plain_json_is_read_under_any_content_type(content_type: str) -> None:
    assert decode(None, Envelope(b'{"a":1}', content_type), PLAIN, TOPIC).data == {"a": 1}


def test_plain_msgpack_is_read_by_its_content_type() -> None:
    body = msgspec.msgpack.encode({"event_id": "1", "session_id": "s", "query": "q"})

    found = decode(event_type(UserQuery), Envelope(body, "application/msgpack"), PLAIN, TOPIC)

    assert (found.id, found.data) == ("1", UserQuery("s", "q"))


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_both_modes_of_cloudevents_are_read_on_a_json_topic(mode: Any) -> None:
    event = CloudEvent(id="1", source="s", type="t", data={"event_id": "not mine"})

    assert decode(None, encode(None, event, Wire(mode)), PLAIN, TOPIC) == event


def test_a_cloudevent_of_no_stated_kind_is_known_by_its_fields() -> None:
    event = CloudEvent(id="1", source="s", type="t", data={"a": 1})
    envelope = Envelope(encode(None, event, Wire()).body, "application/json")

    assert decode(None, envelope, PLAIN, TOPIC) == event


def test_what_a_json_topic_writes_is_plain_json() -> None:
    event = CloudEvent(id="1", source="s", type="t", data=UserQuery("s", "你好"))

    envelope = encode(event_type(UserQuery), event, PLAIN)

    assert envelope.body == '{"session_id":"s","query":"你好"}'.encode()
    assert envelope.content_type == "application/json"
    assert decode(event_type(UserQuery), envelope, PLAIN, TOPIC) == event


@pytest.mark.contract("G19")
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"hello"])
def test_a_plain_body_that_is_no_json_is_undecodable(body: bytes) -> None:
    with pytest.raises(UndecodableEvent, match="expected plain json"):
        decode(None, Envelope(body, ""), PLAIN, TOPIC)


@pytest.mark.contract("G19")
def test_a_plain_event_that_does_not_fit_names_the_class() -> None:
    with pytest.raises(SchemaMismatch, match=r"expected UserQuery\(session_id: str, query: str\)"):
        read({"session": "s"}, etype=event_type(UserQuery))


@pytest.mark.contract("G19")
def test_a_plain_event_with_an_unfit_key_is_a_mismatch() -> None:
    with pytest.raises(SchemaMismatch, match="key 'k' of topic 't' is a list"):
        read({"k": [1]}, etype=event_type(dict, topic="t", key="k"))


@pytest.mark.contract("G19")
def test_a_plain_event_that_is_too_deep_names_the_limit() -> None:
    with pytest.raises(EventTooLarge, match="the limit is 64 levels"):
        decode(None, Envelope(b"[" * 65 + b"]" * 65, ""), PLAIN, TOPIC)
