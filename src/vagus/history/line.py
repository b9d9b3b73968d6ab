"""One event as a line of JSON, and back: for people and programs to read, and to be stored again as it was. Pure.

    {"topic":"order","position":7,"stored":"2026-05-01T12:00:00.250Z","key":"ann","event":{…a CloudEvent…}}

`event` is the CloudEvent as one JSON document. Where it travelled in another form (binary, msgpack, plain JSON), the
bytes and headers that it had stand beside it under `envelope`, and these are what is stored again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vagus.backend import Put, Topic
from vagus.errors import EventError, InvalidArgument, UndecodableEvent, VagusError
from vagus.history.reading import Found
from vagus.message import (
    DEFAULT_WIRE,
    STRUCTURED,
    CloudEvent,
    Envelope,
    Limits,
    Wire,
    check_topic,
    decode,
    encode,
    extensions,
    foreign_id,
    instant_text,
)
from vagus.message.headers import is_binary
from vagus.reliability.dedupe import published

_ANY_SIZE = Wire(limits=Limits(size=1 << 31, depth=1_000))
_INLINE = ("", STRUCTURED, "application/json")


class Bytes(msgspec.Struct, frozen=True, omit_defaults=True):
    """An envelope as it was; `body` is base64 in JSON."""

    body: bytes
    content_type: str = ""
    headers: dict[str, str] | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a line says; `event` and `data` are bytes of JSON within it (`msgspec.Raw`).

    `data`: the event's data for people, where the event itself has it in base64.
    """

    topic: str
    position: int | str | None = None
    stored: str | None = None
    key: str | None = None
    lane: int = 0
    generation: int = 0
    event: Any = None
    data: Any = None
    envelope: Bytes | None = None
    undecodable: str | None = None


class _Read(Line, frozen=True, kw_only=True):
    """A line as it is read: the event stays the bytes that it is."""

    event: msgspec.Raw = msgspec.Raw(b"null")


class _Attributes(msgspec.Struct):
    """What a structured event cannot be without."""

    specversion: str
    id: str
    source: str
    type: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Read).decode
_NULL = b"null"
_attributes = msgspec.json.Decoder(_Attributes).decode


def line_of(found: Found, wire: Wire = DEFAULT_WIRE) -> bytes:
    """Return the line for a stored event, with its line feed. An event that cannot be decoded says why."""
    record = found.record
    event, why = None, None
    try:
        event = decode(None, record.envelope, wire, found.topic, record.position)
    except EventError as error:
        why = error.what
    inline = event is not None and _stands_for_itself(record.envelope)
    body = msgspec.Raw(record.envelope.body) if inline else _document(event, record.envelope)
    line = Line(
        topic=found.topic,
        position=record.position,
        stored=instant_text(found.at),
        key=record.key,
        lane=record.lane,
        generation=record.generation,
        event=body,
        data=_readable(event, record.envelope) if inline else None,
        envelope=None if inline else Bytes(*_parts(record.envelope)),
        undecodable=why,
    )
    return _encode(line) + b"\n"


def _parts(envelope: Envelope) -> tuple[bytes, str, dict[str, str] | None]:
    return envelope.body, envelope.content_type, envelope.headers


def _stands_for_itself(envelope: Envelope) -> bool:
    """Return whether the body is the CloudEvent as one line of JSON already."""
    media = envelope.content_type.partition(";")[0].strip().lower()
    if media not in _INLINE or is_binary(envelope.headers) or b"\n" in envelope.body or b"\r" in envelope.body:
        return False
    try:
        _attributes(envelope.body)
    except msgspec.MsgspecError:
        return False
    return True


def _document(event: CloudEvent | None, envelope: Envelope) -> msgspec.Raw | None:
    """Return an event in another form as one JSON document; None where it has none."""
    if event is None:
        return None
    try:
        return msgspec.Raw(encode(None, event, _ANY_SIZE, extensions(envelope)).body)
    except VagusError:
        return None  # its envelope says all there is


def _readable(event: CloudEvent | None, envelope: Envelope) -> msgspec.Raw | None:
    if event is None or isinstance(event.data, bytes) or b'"data_base64"' not in envelope.body:
        return None
    try:
        return msgspec.Raw(_encode(event.data))
    except (TypeError, ValueError, RecursionError):
        return None


def put_of(text: bytes, prefix: str | None = None) -> Put:
    """Return the put that stores the event of a line again: same identity, key, lane and generation.

    A line that is a CloudEvent and nothing else goes to the topic of its type. `prefix` is put before the topic.
    Raises InvalidArgument or EventError, naming what was expected.
    """
    line = _line(text)
    if bytes(line.event) == _NULL and line.envelope is None:
        raise InvalidArgument('the line has no event: expected {"topic": …, "event": {…}}')
    topic = check_topic(line.topic if prefix is None else f"{prefix}.{line.topic}")
    if line.envelope is not None:
        envelope = Envelope(*_bytes(line.envelope))
    else:
        envelope = Envelope(bytes(line.event))
    try:
        event = decode(None, envelope, _ANY_SIZE, line.topic)
    except UndecodableEvent:
        if line.envelope is None:
            raise
        event = None  # it could not be read where it came from, either
    if event is None:
        key, id = line.key, foreign_id(line.topic, line.position or 0, envelope.body)
        return Put(Topic(topic), envelope, key=key, lane=line.lane, dedupe=id, generation=line.generation)
    return Put(
        Topic(topic),
        envelope,
        key=line.key or event.partitionkey,
        lane=line.lane,
        dedupe=published(event.source, event.id, line.generation),
        generation=line.generation,
    )


def _bytes(kept: Bytes) -> tuple[bytes, str, dict[str, str] | None]:
    return kept.body, kept.content_type, kept.headers


def _line(text: bytes) -> _Read:
    try:
        document: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidArgument(f"the line is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidArgument(f"the line is a JSON {type(document).__name__}: expected an object")
    if "specversion" in document and "event" not in document:
        return _Read(topic=str(document.get("type")), event=msgspec.Raw(text.strip()))
    try:
        return _decode(text)
    except msgspec.ValidationError as error:
        raise InvalidArgument(f"the line does not fit: {error}; expected what `vagus export` writes") from error
