"""How an event becomes an envelope and back: structured, binary, and the plain JSON of foreign producers.

What is written is a topic's setting (`Wire`). What is read goes by the envelope itself: both modes of CloudEvents are
always understood; only what is neither is read by the topic's setting, or refused with a sentence.

    content type                     headers                     is read as
    application/cloudevents+json     -                           structured
    any                              ce-specversion              binary
    any other                        -                           plain, where the topic says wire="json"
    JSON or unknown                  -                           structured, where the topic says anything else
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import msgspec

from vagus.errors import InvalidArgument, UndecodableEvent
from vagus.message.body.limit import too_deep, too_large
from vagus.message.envelope import ATTRIBUTES, STRUCTURED, CloudEvent, Envelope, ReadEvent, reader_class
from vagus.message.event import EventType, is_broken, unreadable, write
from vagus.message.foreign import foreign_attributes
from vagus.message.format import JSON, Codec, codec_for
from vagus.message.headers import PREFIX, encode_value, from_headers, is_binary, to_headers
from vagus.message.wire import Wire

OCTETS = "application/octet-stream"

_EXTENSION = re.compile(r"[a-z0-9]+")
_IN_DATA = re.compile(r"`\$\.data[`.\[]")
_REQUIRED = {"specversion", "id", "source", "type"}
_TAKEN = ATTRIBUTES | {"data", "data_base64"}
_ASIDE = (bytes, type(None))  # data that is not written as JSON
_ANY = msgspec.json.Decoder(reader_class(Any)).decode
_EVENT = "a CloudEvents 1.0 event"


def encode(
    etype: EventType | None,
    event: CloudEvent,
    wire: Wire,
    extensions: Mapping[str, str | int | bool] | None = None,
) -> Envelope:
    """Return the envelope of an event. Data that is `bytes` travels as it is, under its `datacontenttype`.

    `etype` is the class that the data must be of (None: anything that can be written); `extensions` are attributes
    of other people's to add. Costs one encode.

    Raises InvalidArgument for data of another class or that cannot be written, EventTooLarge over the limits.
    """
    envelope = written(etype, event, wire, extensions)
    if len(envelope.body) > wire.limits.size:
        raise too_large(envelope.body, wire.limits.size, event.type)
    return envelope


def written(
    etype: EventType | None,
    event: CloudEvent,
    wire: Wire,
    extensions: Mapping[str, str | int | bool] | None = None,
) -> Envelope:
    """Return the envelope of an event however large it is; otherwise as `encode`."""
    data = event.data
    if etype is not None and not isinstance(data, etype.cls) and event.dataref is None:
        etype.check(data)
    if (
        wire.mode == "structured"
        and wire.codec == "json"
        and event.datacontenttype is None
        and type(data) not in _ASIDE
    ):
        body = write(JSON.encode, event, event.type)
        if etype is None or not etype.bounded:
            _check_depth(JSON, body, wire, event.type)
        return Envelope(_extended(body, extensions, event.type) if extensions else body)
    return _encode_otherwise(etype, event, wire, extensions or {})


def _encode_otherwise(
    etype: EventType | None, event: CloudEvent, wire: Wire, extensions: Mapping[str, str | int | bool]
) -> Envelope:
    packed, content_type = packed_data(etype, event, wire)
    if wire.mode == "structured":
        return Envelope(_extended(_document(event, packed, content_type), extensions, event.type))
    headers = write(to_headers, event, event.type)
    if extensions:
        headers |= write(_extension_headers, _checked(extensions), event.type)
    return Envelope(packed, content_type, headers)


def packed_data(etype: EventType | None, event: CloudEvent, wire: Wire) -> tuple[bytes, str]:
    """Return the data as bytes by itself, and what they are ("": there is none, and none anywhere else)."""
    data, stated = event.data, event.datacontenttype
    if data is None:
        return b"", stated or "" if event.dataref else ""
    if type(data) is bytes:
        return data, stated or OCTETS
    codec = wire.data_codec
    body = write(codec.encode, data, event.type)
    if etype is None or not etype.bounded:
        _check_depth(codec, body, wire, event.type)
    return body, stated if stated and codec_for(stated) is codec else codec.content_type


def _document(event: CloudEvent, packed: bytes, content_type: str) -> bytes:
    """Return a structured document around data that is bytes already."""
    if event.data is not None and codec_for(content_type) is JSON:
        stated = None if content_type == JSON.content_type else content_type
        whole = msgspec.structs.replace(event, data=msgspec.Raw(packed), datacontenttype=stated)
        return write(JSON.encode, whole, event.type)
    bare = msgspec.structs.replace(event, data=msgspec.UNSET, datacontenttype=content_type or None)
    body = write(JSON.encode, bare, event.type)
    return b'%b,"data_base64":"%b"}' % (body[:-1], b64encode(packed)) if event.data is not None else body


def _extended(body: bytes, extensions: Mapping[str, str | int | bool], topic: str) -> bytes:
    """Return a structured document with extensions added at its end."""
    if not extensions:
        return body
    return body[:-1] + b"," + write(JSON.encode, _checked(extensions), topic)[1:]


def _extension_headers(extensions: Mapping[str, str | int | bool]) -> dict[str, str]:
    return {PREFIX + name: encode_value(_extension_text(value)) for name, value in extensions.items()}


def _extension_text(value: str | int | bool) -> str:
    # CloudEvents writes a boolean as `true`, not as Python does.
    return str(value).lower() if isinstance(value, bool) else str(value)


def _checked(extensions: Mapping[Any, Any]) -> Mapping[str, str | int | bool]:
    for name, value in extensions.items():
        if not isinstance(name, str) or not _EXTENSION.fullmatch(name) or name in _TAKEN:
            expected = "lower-case letters and digits that name no attribute of ours"
            raise InvalidArgument(f"{name!r} cannot be an extension: expected {expected}", expected=expected)
        if not isinstance(value, str | int):
            expected = "text, a whole number, or a truth value"
            raise InvalidArgument(f"extension {name!r} cannot be {value!r}: expected {expected}", expected=expected)
    return extensions


def decode(etype: EventType | None, envelope: Envelope, wire: Wire, topic: str, position: int | str = 0) -> CloudEvent:
    """Return the event in an envelope, its data as an instance of the class of `etype` (None: as plain values).

    `topic` is where it was found and `position` its place there: a foreign event that brings neither type nor id has
    them from these. Data under a content type that nobody here reads stays `bytes` (`str` for text). Costs one decode.

    Raises UndecodableEvent for broken bytes, SchemaMismatch for data that does not fit, EventTooLarge over the
    limits; nothing else, whatever the bytes are.
    """
    if len(envelope.body) > wire.limits.size:
        raise too_large(envelope.body, wire.limits.size, topic)
    if envelope.content_type == STRUCTURED:
        return _decode_structured(etype, envelope.body, wire, topic)
    media = envelope.content_type.partition(";")[0].strip().lower()
    if media == STRUCTURED:
        return _decode_structured(etype, envelope.body, wire, topic)
    if media.startswith("application/cloudevents"):
        raise _undecodable(topic, f"its content type is {media}", STRUCTURED)
    if is_binary(envelope.headers):
        return _decode_binary(etype, envelope, wire, topic)
    if wire.mode == "json":
        return _decode_plain(etype, envelope, wire, topic, position)
    if media and codec_for(media) is not JSON:
        raise _undecodable(topic, f"its content type is {media}, and it has no CloudEvents headers", _EVENT)
    return _decode_structured(etype, envelope.body, wire, topic)


def _decode_structured(etype: EventType | None, body: bytes, wire: Wire, topic: str) -> CloudEvent:
    if etype is None or not etype.bounded:
        _check_depth(JSON, body, wire, topic)
    try:
        event = _ANY(body) if etype is None else etype.structured(body)
    except Exception as error:  # a validator of the user's may raise anything; the event is refused, not the worker
        raise _refused(error, etype, topic) from error
    if event.data is msgspec.UNSET or event.data_base64 is not None:
        return _with_late_data(etype, event, wire, topic)
    return event


def _with_late_data(etype: EventType | None, event: ReadEvent, wire: Wire, topic: str) -> CloudEvent:
    """Return the event with the data that was in `data_base64`, or with none."""
    packed = event.data_base64
    if packed is None:
        _check_no_data(etype, event.dataref)
        data = None
    elif event.data is not msgspec.UNSET:
        raise _undecodable(topic, "it has both data and data_base64", _EVENT)
    else:
        stated = event.datacontenttype or (OCTETS if etype is None else wire.data_codec.content_type)
        data = _data(etype, packed, stated, wire, topic)
    return msgspec.structs.replace(event, data=data, data_base64=None)


def _decode_binary(etype: EventType | None, envelope: Envelope, wire: Wire, topic: str) -> CloudEvent:
    attributes: dict[str, Any] = dict(from_headers(envelope.headers or {}))
    stated = envelope.content_type or attributes.get("datacontenttype") or ""
    kind = stated or wire.data_codec.content_type
    if envelope.body or codec_for(kind) is None:
        attributes["data"] = _data(etype, envelope.body, kind, wire, topic)
        stated = kind
    else:
        _check_no_data(etype, attributes.get("dataref"))
    attributes["datacontenttype"] = None if stated in ("", JSON.content_type) else stated
    try:
        return msgspec.convert(attributes, CloudEvent, strict=False)
    except msgspec.ValidationError as error:
        raise _undecodable(topic, str(error), f"{_EVENT} in headers") from error


def _decode_plain(
    etype: EventType | None, envelope: Envelope, wire: Wire, topic: str, position: int | str
) -> CloudEvent:
    """Return the event that a foreign producer's document is mapped to; the data is the whole document."""
    codec = codec_for(envelope.content_type) or JSON
    _check_depth(codec, envelope.body, wire, topic)
    try:
        document = codec.decode(envelope.body)
    except Exception as error:
        raise unreadable(error, topic, f"plain {codec.name}") from error
    fields = document if isinstance(document, dict) else {}
    if codec is JSON and fields.keys() >= _REQUIRED:
        return _decode_structured(etype, envelope.body, wire, topic)
    data = document if etype is None else etype.decode_data(envelope.body, codec)
    attributes = foreign_attributes(fields, envelope.body, wire.mapping, topic, position)
    return CloudEvent(**attributes, partitionkey=_key_of(etype, data), data=data)


def _key_of(etype: EventType | None, data: Any) -> str | None:
    if etype is None:
        return None
    try:
        return etype.key_of(data)
    except InvalidArgument as error:
        raise etype.mismatch(error.what) from error


def with_body(etype: EventType | None, event: CloudEvent, body: bytes, wire: Wire, topic: str) -> CloudEvent:
    """Return an event whose data had travelled by reference with its data, read from the `body` that it refers to.

    Raises UndecodableEvent for broken bytes, SchemaMismatch for data that does not fit.
    """
    stated = event.datacontenttype or JSON.content_type
    return msgspec.structs.replace(event, data=_data(etype, body, stated, wire, topic))


def _data(etype: EventType | None, body: bytes, content_type: str, wire: Wire, topic: str) -> Any:
    codec = codec_for(content_type)
    if codec is None and etype is not None:
        raise etype.mismatch(f"its content type is {content_type}")
    if codec is not None:
        if etype is None or not etype.bounded:
            _check_depth(codec, body, wire, topic)
        if etype is not None:
            return etype.decode_data(body, codec)
    try:
        if codec is not None:
            return codec.decode(body)
        return body.decode() if content_type.startswith("text/") else body
    except Exception as error:
        raise unreadable(error, topic, content_type) from error


def _check_no_data(etype: EventType | None, dataref: str | None) -> None:
    """Agree that an event has no data: nobody asked for a class, or its data travels by reference."""
    if etype is not None and not dataref:
        raise etype.mismatch("it has no data")


def extensions(envelope: Envelope) -> dict[str, Any]:
    """Return the extension attributes of other people's that an envelope carries, by name; costs one more decode.

    Raises UndecodableEvent for broken bytes.
    """
    if is_binary(envelope.headers):
        found: Any = from_headers(envelope.headers or {})
    else:
        try:
            found = JSON.decode(envelope.body)
        except Exception as error:
            raise unreadable(error, "", _EVENT) from error
    if not isinstance(found, dict) or "specversion" not in found:
        return {}
    return {name: value for name, value in found.items() if name not in _TAKEN}


def _check_depth(codec: Codec, body: bytes, wire: Wire, topic: str) -> None:
    if codec.is_deeper(body, wire.limits.depth):
        raise too_deep(topic, wire.limits.depth)


def _refused(error: Exception, etype: EventType | None, topic: str) -> Exception:
    # A validator of the user's may raise what it likes; an error of msgspec's own says in its path whether it is data.
    of_data = not isinstance(error, msgspec.ValidationError) or _IN_DATA.search(str(error))
    if etype is not None and of_data and not is_broken(error):
        return etype.mismatch(str(error))
    return unreadable(error, topic, _EVENT)


def _undecodable(topic: str, reason: str, expected: str) -> UndecodableEvent:
    text = f"an event of topic {topic!r} cannot be decoded: {reason}; expected {expected}"
    hint = "if the producer sends plain JSON, give the topic wire='json'"
    return UndecodableEvent(text, hint=hint, topic=topic, reason=reason, expected=expected)
