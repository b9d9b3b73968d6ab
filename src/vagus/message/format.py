"""How data becomes bytes by itself, without its event: JSON and msgpack, found by name or by content type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from vagus.message.body.limit import json_is_deeper, msgpack_is_deeper


class Codec(msgspec.Struct, frozen=True):
    """A way to write data: `decoder(type)` is compiled once per type, `decode` reads plain values, and
    `is_deeper(body, depth)` measures the bytes.
    """

    name: str
    content_type: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    decoder: Callable[[Any], Callable[[bytes], Any]]
    is_deeper: Callable[[bytes, int], bool]


def is_model(cls: object) -> bool:
    """Tell whether `cls` is a pydantic model, by what it can do: pydantic is not needed to ask."""
    return hasattr(cls, "model_validate_json") and hasattr(cls, "model_dump_json")


def into_json(value: Any) -> msgspec.Raw:
    """Write a pydantic model inside a JSON document; raises TypeError for what cannot travel."""
    if is_model(value):
        return msgspec.Raw(value.model_dump_json().encode())
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def into_msgpack(value: Any) -> Any:
    """Write a pydantic model inside a msgpack document, in its JSON form; raises TypeError for what cannot travel."""
    if is_model(value):
        return value.model_dump(mode="json")
    raise TypeError(f"a value of type {type(value).__name__} has no msgpack form")


def into_model(cls: Any, value: Any) -> Any:
    """Read a pydantic model from plain values; also strict models take their JSON form, hence the way round."""
    try:
        return cls.model_validate_json(msgspec.json.encode(value))
    except ValueError as error:
        # pydantic's own text has many lines and quotes the values, which may be private; its findings have not.
        findings = error.errors(include_input=False, include_url=False) if hasattr(error, "errors") else ()
        places = (f"{'.'.join(map(str, found['loc'])) or 'it'}: {found['msg']}" for found in findings)
        raise ValueError("; ".join(places) or str(error)) from error


JSON = Codec(
    name="json",
    content_type="application/json",
    encode=msgspec.json.Encoder(enc_hook=into_json).encode,
    decode=msgspec.json.Decoder().decode,
    decoder=lambda cls: msgspec.json.Decoder(cls, dec_hook=into_model).decode,
    is_deeper=json_is_deeper,
)

MSGPACK = Codec(
    name="msgpack",
    content_type="application/msgpack",
    encode=msgspec.msgpack.Encoder(enc_hook=into_msgpack).encode,
    decode=msgspec.msgpack.Decoder().decode,
    decoder=lambda cls: msgspec.msgpack.Decoder(cls, dec_hook=into_model).decode,
    is_deeper=msgpack_is_deeper,
)

#: The codecs by content type, aliases included. A media type with the suffix `+json` or `+msgpack` is found as well.
CODECS = {
    JSON.content_type: JSON,
    "text/json": JSON,
    MSGPACK.content_type: MSGPACK,
    "application/x-msgpack": MSGPACK,
    "application/vnd.msgpack": MSGPACK,
}

_BY_NAME = {codec.name: codec for codec in CODECS.values()}


def codec_named(name: str) -> Codec | None:
    """Return the codec that settings call `name`, or None."""
    return _BY_NAME.get(name)


def codec_names() -> list[str]:
    """Return the names that `codec_named` knows."""
    return list(_BY_NAME)


def codec_for(content_type: str) -> Codec | None:
    """Return the codec for a content type, parameters (`; charset=…`) and case aside, or None where it is not known."""
    found = CODECS.get(content_type)
    if found is not None:
        return found
    media = content_type.partition(";")[0].strip().lower()
    return CODECS.get(media) or _BY_NAME.get(media.rpartition("+")[2] if "+" in media else "")
