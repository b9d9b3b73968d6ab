"""How attributes travel as headers in binary mode: `ce-` names, percent-encoded values (CloudEvents HTTP, 3.1.3).

Written in the `ce-` form, which HTTP, NATS, and by practice Redis and RabbitMQ carry. Read in the forms of the Kafka
(`ce_`) and AMQP (`cloudEvents:`, `cloudEvents_`) bindings as well; those carry plain text, without percent signs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from vagus.message.envelope import ATTRIBUTES, CloudEvent

PREFIX = "ce-"
_PLAIN_PREFIXES = ("ce_", "cloudevents:", "cloudevents_")

# Printable ASCII without space, double quote and percent travels as it is.
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_IS_SAFE = re.compile(r"[!#$&-~]*")
_QUOTED_PAIR = re.compile(r"\\(.)")

_FIRST = ("id", "source", "type")
_WRITTEN = _FIRST + tuple(sorted(ATTRIBUTES - {*_FIRST, "specversion", "datacontenttype"}))
_NAMES = tuple((name, PREFIX + name) for name in _WRITTEN)
_ATTRIBUTE_OF = {PREFIX + name: name for name in ATTRIBUTES}


def to_headers(event: CloudEvent) -> dict[str, str]:
    """Return the attributes of an event as headers; those that are absent, and the content type, are left out."""
    headers = {"ce-specversion": event.specversion}
    for name, header in _NAMES:
        value = getattr(event, name)
        if value is not None and value != 0:
            headers[header] = encode_value(value if type(value) is str else str(value))
    if event.vaguspriority == 0:
        headers["ce-vaguspriority"] = "0"  # priority 0 is a lane; 0 hops are the default
    return headers


def from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes that headers carry, by attribute name, extensions included; other headers are left out."""
    found = {}
    for header, value in headers.items():
        name = _ATTRIBUTE_OF.get(header)
        if name is not None:
            found[name] = decode_value(value)
        else:
            found |= _from_other(header.lower(), value)
    return found


def _from_other(header: str, value: str) -> dict[str, str]:
    if header.startswith(PREFIX):
        return {header[len(PREFIX) :]: decode_value(value)}
    prefix = next(filter(header.startswith, _PLAIN_PREFIXES), None)
    return {header[len(prefix) :]: value} if prefix else {}


def is_binary(headers: Mapping[str, str] | None) -> bool:
    """Tell whether headers are those of a binary-mode event: they name a version of CloudEvents."""
    if not headers:
        return False
    if "ce-specversion" in headers:
        return True
    versions = {prefix + "specversion" for prefix in (PREFIX, *_PLAIN_PREFIXES)}
    return any(header.lower() in versions for header in headers)


def encode_value(value: str) -> str:
    """Return a header value: characters that a header cannot carry as UTF-8 bytes, percent-encoded."""
    return value if _IS_SAFE.fullmatch(value) else quote(value, safe=_SAFE)


def decode_value(value: str) -> str:
    """Return the text of a header value; also one in double quotes (RFC 7230). Broken UTF-8 becomes U+FFFD."""
    if value[:1] == '"' == value[-1:] and len(value) > 1:
        value = _QUOTED_PAIR.sub(r"\1", value[1:-1])
    return unquote(value) if "%" in value else value
