"""How data becomes bytes by itself, without its event: JSON, msgpack, and what users and packages register.

A codec is found by its name, which a topic's settings say, and by the content type that an event says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from vagus.errors import InvalidArgument
from vagus.message.body.limit import json_is_deeper, msgpack_is_deeper, values_are_deeper


class Codec(msgspec.Struct, frozen=True):
    """A way to write data: `decoder(type)` is compiled once per type, `decode` reads plain values, and
    `is_deeper(body, depth)` measures the bytes, without raising. `aliases`: other content types that it reads.

    `plain_codec` makes one from two functions.
    """

    name: str
    content_type: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    decoder: Callable[[Any], Callable[[bytes], Any]]
    is_deeper: Callable[[bytes, int], bool]
    aliases: tuple[str, ...] = ()


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


def into_plain(value: Any) -> Any:
    """Write a pydantic model as plain values, in its JSON form; raises TypeError for what cannot travel."""
    if is_model(value):
        return value.model_dump(mode="json")
    raise TypeError(f"a value of type {type(value).__name__} has no plain form")


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
_more: list[Callable[[], None]] = []

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_MEDIA = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")


def plain_codec(
    name: str,
    content_type: str,
    encode: Callable[[Any], bytes],
    decode: Callable[[bytes], Any],
    *,
    aliases: tuple[str, ...] = (),
) -> Codec:
    """Return a codec made of two functions that know plain values alone: objects, arrays, text, numbers, truth values.

    Structs, models and dataclasses become plain values before `encode`, and are made of what `decode` returns, checked;
    bytes and dates within them travel as text, as in JSON. Whatever the functions raise blames the value or the bytes.
    """

    def read(body: bytes) -> Any:
        try:
            return decode(body)
        except RecursionError:
            raise
        except Exception as error:
            raise msgspec.DecodeError(f"{name}: {error}") from error

    def reader(cls: Any) -> Callable[[bytes], Any]:
        return lambda body: msgspec.convert(read(body), cls, dec_hook=into_model, str_keys=True)

    def is_deeper(body: bytes, depth: int) -> bool:
        try:
            return values_are_deeper(decode(body), depth)
        except RecursionError:
            return True
        except Exception:
            return False

    def written(value: Any) -> bytes:
        return bytes(encode(msgspec.to_builtins(value, str_keys=True, enc_hook=into_plain)))

    return Codec(name, content_type, written, read, reader, is_deeper, aliases)


def register_codec(codec: Codec) -> Codec:
    """Make a codec known, by its name and its content types, to all of this process; return it. Idempotent.

    Raises InvalidArgument where it is no codec, or its name or a content type is that of another.
    """
    if not isinstance(codec, Codec):
        raise InvalidArgument(f"{codec!r} is no codec: expected what plain_codec returns, or a Codec")
    if not _NAME.fullmatch(codec.name):
        raise InvalidArgument(f"{codec.name!r} cannot name a codec: expected lower-case letters, digits, '-', '.'")
    media = (codec.content_type, *codec.aliases)
    for text in media:
        if not _MEDIA.fullmatch(text):
            raise InvalidArgument(f"{text!r} is no content type: expected such as application/x-yaml, in lower case")
    there = (_BY_NAME.get(codec.name), *(CODECS.get(text) for text in media))
    taken = [known for known in there if known is not None and known is not codec]
    if taken:
        other = taken[0]
        raise InvalidArgument(f"codec {codec.name!r} would take the place of {other.name!r} ({other.content_type})")
    _BY_NAME[codec.name] = codec
    CODECS.update(dict.fromkeys(media, codec))
    return codec


def when_unknown(load: Callable[[], None]) -> None:
    """Call `load` once, when a codec is asked for that is not known: it may register more, and must not raise."""
    _more.append(load)


def _load_more() -> bool:
    """Let more codecs be registered; return whether there was anybody to do so."""
    loads, _more[:] = _more[:], []
    for load in loads:
        load()
    return bool(loads)


def codec_named(name: str) -> Codec | None:
    """Return the codec that settings call `name`, or None."""
    found = _BY_NAME.get(name)
    return _BY_NAME.get(name) if found is None and _load_more() else found


def codec_names() -> list[str]:
    """Return the names that `codec_named` knows."""
    _load_more()
    return list(_BY_NAME)


def codec_for(content_type: str) -> Codec | None:
    """Return the codec for a content type, parameters (`; charset=…`) and case aside, or None where it is not known."""
    found = CODECS.get(content_type)
    if found is not None:
        return found
    media = content_type.partition(";")[0].strip().lower()
    found = _of_media(media)
    return _of_media(media) if found is None and media and _load_more() else found


def _of_media(media: str) -> Codec | None:
    return CODECS.get(media) or _BY_NAME.get(media.rpartition("+")[2] if "+" in media else "")
