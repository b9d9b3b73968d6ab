"""Envelopes: every mode, codec and kind of class goes out and comes back; whatever else comes is refused by name."""

import dataclasses
import json
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vagus.errors import EventError, EventTooLarge, InvalidArgument, SchemaMismatch, UndecodableEvent
from vagus.message import (
    CODECS,
    DEFAULT_WIRE,
    STRUCTURED,
    CloudEvent,
    Envelope,
    Event,
    Limits,
    Wire,
    decode,
    encode,
    event_type,
    extensions,
)
from vagus.message.format import codec_for

WIRES = [Wire("structured"), Wire("structured", "msgpack"), Wire("binary"), Wire("binary", "msgpack"), Wire("json")]
NAMES = [f"{wire.mode}-{wire.codec}" for wire in WIRES]


class Query(Event, key="session"):
    session: str
    text: str
    scores: dict[str, float] = msgspec.field(default_factory=dict)
    raw: bytes = b""


class Model(pydantic.BaseModel):
    session: str
    text: str


@dataclasses.dataclass
class Record:
    session: str
    text: str


TEXT = st.text(st.characters(codec="utf-8"))
SOME = st.text(st.characters(codec="utf-8"), min_size=1)
QUERIES = st.builds(
    Query,
    session=TEXT,
    text=TEXT,
    scores=st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False)),
    raw=st.binary(),
)
DICTS = st.dictionaries(TEXT, st.recursive(st.none() | TEXT | st.integers(-(2**62), 2**62), st.lists, max_leaves=5))
DATA = QUERIES | st.builds(Model, session=TEXT, text=TEXT) | st.builds(Record, TEXT, TEXT) | DICTS
OPTIONAL = ("time", "subject", "dataschema", "correlationid", "causationid", "partitionkey", "sequence", "expirytime")
MORE = ("traceparent", "tracestate", "dataclassification", "vagusrun")
EVENTS = st.fixed_dictionaries(
    {"id": SOME, "source": SOME, "type": SOME, "data": DATA},
    optional={
        **dict.fromkeys((*OPTIONAL, *MORE), TEXT),
        "vagushops": st.integers(0, 64),
        "vaguspriority": st.integers(0, 9),
    },
).map(lambda attributes: CloudEvent(**attributes))


def event_of(data: Any, **attributes: Any) -> CloudEvent:
    return CloudEvent(**{"id": "e-1", "source": "app/f", "type": "query", "data": data, **attributes})


def document(**attributes: Any) -> bytes:
    return json.dumps({"specversion": "1.0", "id": "1", "source": "s", "type": "t", **attributes}).encode()


@pytest.mark.requirement("R48", "R55")
@pytest.mark.parametrize("wire", WIRES, ids=NAMES)
@given(event=EVENTS)
def test_any_event_comes_back_as_it_was_sent(wire: Wire, event: CloudEvent) -> None:
    etype = event_type(type(event.data), topic="query")

    # read under another setting than it was written with: what travels says what it is
    found = decode(etype, encode(etype, event, wire), DEFAULT_WIRE, "query")

    kind = None if wire.codec == "json" else "application/msgpack"
    assert found == msgspec.structs.replace(event, datacontenttype=kind)
    assert type(found.data) is type(event.data)


@pytest.mark.parametrize("wire", WIRES, ids=NAMES)
@given(event=EVENTS)
def test_any_event_reads_as_plain_values_without_a_class(wire: Wire, event: CloudEvent) -> None:
    found = decode(None, encode(None, event, wire), wire, "query")

    again = decode(None, encode(None, found, wire), wire, "query")
    assert isinstance(found.data, dict)
    assert again == found


def test_chinese_text_travels_unescaped() -> None:
    query = Query("会话一", "怎么退货？")

    for wire in (Wire("structured"), Wire("binary"), Wire("json")):
        envelope = encode(event_type(Query), event_of(query), wire)
        assert "怎么退货？".encode() in envelope.body
        assert decode(event_type(Query), envelope, wire, "query").data == query


def test_a_structured_event_is_one_json_document() -> None:
    envelope = encode(event_type(Query), event_of(Query("s", "t"), vagusrun="", vaguspriority=0), DEFAULT_WIRE)

    assert (envelope.content_type, envelope.headers) == (STRUCTURED, None)
    assert json.loads(envelope.body) == {
        "specversion": "1.0",
        "id": "e-1",
        "source": "app/f",
        "type": "query",
        "vagusrun": "",
        "vaguspriority": 0,
        "data": {"session": "s", "text": "t", "scores": {}, "raw": ""},
    }


def test_a_binary_event_has_data_alone_in_its_body() -> None:
    envelope = encode(event_type(Record), event_of(Record("s", "t"), time="2024-01-01T00:00:00Z"), Wire("binary"))

    assert envelope.body == b'{"session":"s","text":"t"}'
    assert envelope.content_type == "application/json"
    assert envelope.headers == {
        "ce-specversion": "1.0",
        "ce-id": "e-1",
        "ce-source": "app/f",
        "ce-type": "query",
        "ce-time": "2024-01-01T00:00:00Z",
    }


def test_msgpack_in_a_document_travels_as_base64() -> None:
    envelope = encode(None, event_of({"a": 1}), Wire("structured", "msgpack"))

    found = json.loads(envelope.body)
    assert found["datacontenttype"] == "application/msgpack"
    assert found["data_base64"] == "gaFhAQ=="
    assert "data" not in found


def test_events_read_by_class_equal_those_made_by_hand() -> None:
    event = event_of(Query("s", "t"))
    found = decode(event_type(Query), encode(event_type(Query), event, DEFAULT_WIRE), DEFAULT_WIRE, "query")

    assert (found == event, hash(found), str(found)) == (True, hash(event), str(event))
    assert found.specversion == "1.0"
    assert (found != event) is False
    assert found != msgspec.structs.replace(event, subject="x")
    assert found != "an event"


@pytest.mark.requirement("R48")
@pytest.mark.parametrize("mode", ["structured", "binary"])
@pytest.mark.parametrize("stated", ["image/png", None])
def test_bytes_travel_as_they_are_under_their_content_type(mode: Any, stated: str | None) -> None:
    event = event_of(b"\x89PNG\x00", datacontenttype=stated)

    found = decode(None, encode(None, event, Wire(mode)), DEFAULT_WIRE, "query")

    assert (found.data, found.datacontenttype) == (b"\x89PNG\x00", stated or "application/octet-stream")


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_empty_bytes_are_not_absent_data(mode: Any) -> None:
    assert decode(None, encode(None, event_of(b""), Wire(mode)), DEFAULT_WIRE, "t").data == b""


@pytest.mark.parametrize("wire", WIRES, ids=NAMES)
def test_an_event_without_data_is_read_without_data(wire: Wire) -> None:
    envelope = encode(None, event_of(None), wire)

    assert decode(None, envelope, wire, "t") == event_of(None)
    with pytest.raises(SchemaMismatch, match=r"it has no data; expected Query\(session: str"):
        decode(event_type(Query), envelope, wire, "t")


@pytest.mark.parametrize("wire", WIRES, ids=NAMES)
def test_data_by_reference_is_left_to_be_fetched(wire: Wire) -> None:
    event = event_of(None, dataref="file:blob-1")

    assert decode(event_type(Query), encode(event_type(Query), event, wire), wire, "t") == event


def test_a_stated_json_content_type_is_kept() -> None:
    event = event_of({"a": 1}, datacontenttype="application/vnd.shop+json")

    for wire in (Wire("structured"), Wire("binary")):
        assert decode(None, encode(None, event, wire), wire, "t") == event


def test_a_content_type_that_does_not_fit_the_codec_is_replaced() -> None:
    read_from_msgpack = event_of({"a": 1}, datacontenttype="application/msgpack")

    found = decode(None, encode(None, read_from_msgpack, DEFAULT_WIRE), DEFAULT_WIRE, "t")

    assert found == event_of({"a": 1})


@pytest.mark.requirement("R48")
@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("application/json", "json"),
        ("application/json; charset=utf-8", "json"),
        ("Text/JSON", "json"),
        ("application/vnd.shop+json", "json"),
        ("application/x-msgpack", "msgpack"),
        ("application/vnd.shop+msgpack;v=1", "msgpack"),
    ],
)
def test_a_codec_is_found_by_content_type(content_type: str, name: str) -> None:
    found = codec_for(content_type)

    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("content_type", ["", "json", "application/xml", "application/x+yaml", "+"])
def test_an_unknown_content_type_has_no_codec(content_type: str) -> None:
    assert codec_for(content_type) is None


@pytest.mark.requirement("R48")
def test_the_content_type_on_read_goes_before_the_topics_codec() -> None:
    body = msgspec.msgpack.encode({"session": "s", "text": "t"})
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"}

    for content_type in ("application/msgpack", "application/x-msgpack"):
        found = decode(event_type(Record), Envelope(body, content_type, headers), Wire("binary", "json"), "t")
        assert found.data == Record("s", "t")


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_binary_data_of_no_stated_type_is_the_topics(codec: str) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"}
    body = next(one for one in CODECS.values() if one.name == codec).encode({"a": 1})

    assert decode(None, Envelope(body, "", headers), Wire("binary", codec), "t").data == {"a": 1}


def test_text_data_in_headers_mode_is_read_as_text() -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"}

    assert decode(None, Envelope("退货".encode(), "text/plain", headers), DEFAULT_WIRE, "t").data == "退货"
    with pytest.raises(UndecodableEvent, match="expected text/plain"):
        decode(None, Envelope(b"\xff", "text/plain", headers), DEFAULT_WIRE, "t")


@pytest.mark.parametrize(
    ("etype", "stated", "data"),
    [(None, None, b"\xde\xad"), (None, "image/png", b"\xde\xad"), (event_type(dict, topic="t"), None, {"a": 1})],
)
def test_base64_data_is_bytes_unless_a_class_asks(etype: Any, stated: str | None, data: Any) -> None:
    packed = "3q0=" if isinstance(data, bytes) else "eyJhIjoxfQ=="
    body = document(data_base64=packed, **({"datacontenttype": stated} if stated else {}))

    assert decode(etype, Envelope(body), DEFAULT_WIRE, "t").data == data


def test_a_content_type_with_parameters_is_structured_too() -> None:
    envelope = Envelope(document(data={"a": 1}), "Application/CloudEvents+JSON; charset=utf-8")

    assert decode(None, envelope, DEFAULT_WIRE, "t").data == {"a": 1}


@pytest.mark.parametrize("content_type", ["", "application/json"])
def test_a_document_of_no_stated_mode_is_tried_as_structured(content_type: str) -> None:
    assert decode(None, Envelope(document(data=5), content_type), DEFAULT_WIRE, "t").data == 5


def test_unknown_extensions_are_found_in_the_envelope() -> None:
    mine = {"comexampleflag": True, "comexamplecount": 7, "comexamplename": "中 文"}

    structured = encode(None, event_of({"a": 1}), DEFAULT_WIRE, mine)
    packed = encode(None, event_of({"a": 1}), Wire("structured", "msgpack"), mine)
    binary = encode(None, event_of({"a": 1}), Wire("binary"), mine)

    assert extensions(structured) == extensions(packed) == mine
    assert extensions(binary) == {"comexampleflag": "true", "comexamplecount": "7", "comexamplename": "中 文"}
    assert decode(None, structured, DEFAULT_WIRE, "t") == decode(None, binary, DEFAULT_WIRE, "t") == event_of({"a": 1})


@pytest.mark.parametrize("body", [b'{"a":1}', b"[1]", document()])
def test_an_envelope_without_extensions_has_none(body: bytes) -> None:
    assert extensions(Envelope(body)) == {}


@pytest.mark.contract("G19")
@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000])
def test_extensions_of_a_broken_body_are_refused(body: bytes) -> None:
    with pytest.raises(EventError):
        extensions(Envelope(body))


@pytest.mark.parametrize("name", ["subject", "data", "specversion", "Upper", "a_b", "a-b", ""])
@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_an_extension_by_an_illegal_name_is_refused(mode: Any, name: str) -> None:
    with pytest.raises(InvalidArgument, match="cannot be an extension: expected lower-case letters"):
        encode(None, event_of({}), Wire(mode), {name: "x"})


@pytest.mark.contract("G19")
@pytest.mark.parametrize("wire", WIRES, ids=NAMES)
def test_text_that_no_encoding_takes_is_a_wrong_argument(wire: Wire) -> None:
    for event, added in (
        (event_of({}, subject="\ud800"), {}),
        (event_of({"a": "\ud800"}), {}),
        (event_of({}), {"x": "\ud800"}),
    ):
        with pytest.raises(InvalidArgument, match="cannot be written"):
            encode(None, event, wire, added)


@pytest.mark.contract("G19")
def test_data_of_another_class_is_refused_on_publish() -> None:
    with pytest.raises(InvalidArgument, match=r"topic 'query' carries Query\(session: str, .*not a dict"):
        encode(event_type(Query), event_of({"session": "s", "text": "t"}), DEFAULT_WIRE)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"mode": "xml"}, "wire mode 'xml' is not known: expected one of structured, binary, json"),
        ({"codec": "pickle"}, "codec 'pickle' is not known: expected one of json, msgpack"),
        ({"mode": "json", "codec": "msgpack"}, "expected codec 'json', not 'msgpack'"),
    ],
)
def test_wrong_wire_settings_are_refused_by_name(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        Wire(**settings)


@pytest.mark.contract("G19")
@pytest.mark.parametrize("wire", WIRES, ids=NAMES)
def test_a_body_over_the_size_limit_is_refused_both_ways(wire: Wire) -> None:
    tight = msgspec.structs.replace(wire, limits=Limits(size=1000))
    event = event_of({"a": "x" * 1000})

    with pytest.raises(EventTooLarge, match="the limit is 1000"):
        encode(None, event, tight)
    with pytest.raises(EventTooLarge, match="the limit is 1000"):
        decode(None, encode(None, event, wire), tight, "query")


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(levels - 1):
        inner = {"a": inner}
    return inner


@pytest.mark.contract("G19")
@pytest.mark.parametrize("wire", WIRES, ids=NAMES)
def test_data_over_the_depth_limit_is_refused_both_ways(wire: Wire) -> None:
    loose = msgspec.structs.replace(wire, limits=Limits(depth=500))
    etype = event_type(dict, topic="query")

    assert decode(etype, encode(etype, event_of(nested(63)), wire), wire, "query").data == nested(63)
    with pytest.raises(EventTooLarge, match="nested too deep; the limit is 64 levels"):
        encode(etype, event_of(nested(65)), wire)
    with pytest.raises(EventTooLarge, match="nested too deep; the limit is 64 levels"):
        decode(etype, encode(etype, event_of(nested(65)), loose), wire, "query")


@pytest.mark.contract("G19")
def test_depth_beyond_recursion_is_refused_in_skipped_fields() -> None:
    deep = b'{"specversion":"1.0","id":"1","source":"s","type":"t","x":%b,"data":{"session":"s","text":"t"}}'
    body = deep % (b"[" * 50_000 + b"]" * 50_000)

    with pytest.raises(EventTooLarge, match="nested deeper than Python can follow"):
        decode(event_type(Record), Envelope(body), DEFAULT_WIRE, "t")


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "truncated"),
        (b"nonsense", "malformed"),
        (b'{"id":"\xff"}', "utf-8"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"specversion":"1.0","source":"s","type":"t"}', "missing required field `id`"),
        (document(id=""), "Expected `str` of length >= 1 - at `$.id`"),
        (document(specversion="0.3"), "Invalid value '0.3' - at `$.specversion`"),
        (document(vagushops="many"), "Expected `int`, got `str` - at `$.vagushops`"),
        (document(data={}, data_base64="AA=="), "both data and data_base64"),
        (document(data_base64="!"), "Invalid base64 encoded string"),
    ],
)
def test_a_broken_document_is_undecodable_with_a_reason(body: bytes, reason: str) -> None:
    for etype in (None, event_type(dict, topic="t")):
        with pytest.raises(UndecodableEvent) as caught:
            decode(etype, Envelope(body), DEFAULT_WIRE, "shop.orders")
        assert type(caught.value) is UndecodableEvent
        assert reason in str(caught.value)
        assert "'shop.orders'" in str(caught.value)
        assert caught.value.facts["expected"] == "a CloudEvents 1.0 event"


@pytest.mark.contract("G19")
@pytest.mark.requirement("R55")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"session": "s"}, "missing required field `text` - at `$.data`"),
        ({"session": 1, "text": "t"}, "Expected `str`, got `int` - at `$.data.session`"),
        ([], "Expected `object`, got `array` - at `$.data`"),
        (None, "Expected `object`, got `null` - at `$.data`"),
    ],
)
def test_data_that_does_not_fit_is_a_schema_mismatch(data: Any, reason: str) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        decode(event_type(Record), Envelope(document(data=data)), DEFAULT_WIRE, "t")

    assert reason in str(caught.value)
    assert caught.value.facts["expected"] == "Record(session: str, text: str)"


@pytest.mark.contract("G19")
def test_a_bug_in_a_users_validator_refuses_the_event_alone() -> None:
    class Picky(Event):
        def __post_init__(self) -> None:
            raise LookupError("bug of the user's")

    with pytest.raises(SchemaMismatch, match="bug of the user's"):
        decode(event_type(Picky), Envelope(document(data={})), DEFAULT_WIRE, "t")


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"ce-specversion": "1.0", "ce-source": "s", "ce-type": "t"}, "missing required field `id`"),
        ({"ce-specversion": "0.3", "ce-id": "1", "ce-source": "s", "ce-type": "t"}, "Invalid value '0.3'"),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-vagushops": "x"}, "vagushops"),
    ],
)
def test_broken_headers_are_undecodable_with_a_reason(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(UndecodableEvent, match=r"expected a CloudEvents 1\.0 event in headers") as caught:
        decode(None, Envelope(b"{}", "application/json", headers), DEFAULT_WIRE, "t")

    assert reason in str(caught.value)


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        ("application/cloudevents-batch+json", "its content type is application/cloudevents-batch+json"),
        ("application/cloudevents+avro", "its content type is application/cloudevents"),
        ("image/png", "its content type is image/png, and it has no CloudEvents headers"),
        ("application/msgpack", "its content type is application/msgpack, and it has no"),
        ("application/json", "missing required field"),
    ],
)
def test_a_foreign_event_is_refused_with_a_way_out(content_type: str, reason: str) -> None:
    with pytest.raises(UndecodableEvent) as caught:
        decode(None, Envelope(b'{"query":"hi"}', content_type), DEFAULT_WIRE, "t")

    assert reason in str(caught.value)


@pytest.mark.contract("G19")
def test_data_of_an_unknown_content_type_fits_no_class() -> None:
    envelope = encode(None, event_of(b"x", datacontenttype="image/png"), DEFAULT_WIRE)

    with pytest.raises(SchemaMismatch, match="its content type is image/png; expected Record"):
        decode(event_type(Record), envelope, DEFAULT_WIRE, "t")


CONTENT_TYPES = [
    "",
    STRUCTURED,
    "application/json",
    "application/msgpack",
    "text/plain",
    "image/png",
    "a/b+json",
    "\x00",
]
HEADERS = st.none() | st.dictionaries(
    st.sampled_from(["ce-specversion", "ce-id", "ce-type", "ce-source", "ce-vagushops", "ce_id", "content-type"]),
    st.sampled_from(["1.0", "1", "", "%ff", "x"]) | TEXT,
)
PIECES = st.sampled_from(
    [b'{"', b'":', b'",', b"}", b"[", b"]", b"id", b"data", b"specversion", b"1.0", b"\\u", b"\xff", b"1e9"]
)
BODIES = (
    st.binary(max_size=200)
    | st.lists(PIECES, max_size=30).map(b"".join)
    | EVENTS.map(lambda event: encode(None, event, DEFAULT_WIRE).body[:-3])
)
CLASSES = st.sampled_from([None, *(event_type(cls, topic="t") for cls in (Query, Model, Record, dict))])


@pytest.mark.contract("G19")
@given(BODIES, st.sampled_from(CONTENT_TYPES), HEADERS, CLASSES, st.sampled_from(WIRES))
def test_garbage_raises_an_event_error_and_nothing_else(
    body: bytes, content_type: str, headers: dict[str, str] | None, etype: Any, wire: Wire
) -> None:
    try:
        found = decode(etype, Envelope(body, content_type, headers), wire, "t")
    except UndecodableEvent:
        found = None
    assert found is None or (found.id and found.source)
