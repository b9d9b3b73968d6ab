"""How plain JSON of other people's producers becomes an event: which of its fields stand for which attribute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from vagus.message.ident import foreign_id
from vagus.message.instant import instant_of, instant_text
from vagus.message.trace import foreign_traceparent

#: Numbers from here on are milliseconds: as seconds they would be in the year 5138.
_MILLISECONDS = 1e11


class ForeignFields(msgspec.Struct, frozen=True, kw_only=True):
    """Which fields of a plain JSON object stand for which attribute of its event; None: none does.

    `event_type` gives the type (without it: the topic), `event_id` the id (without it: a hash of place and body),
    `trace_id` the traceparent, `timestamp` the time (ISO 8601, or seconds or milliseconds since the epoch).
    `source` is the source itself (default: `foreign/TOPIC`).
    """

    event_type: str | None = "event_type"
    event_id: str | None = "event_id"
    trace_id: str | None = "trace_id"
    timestamp: str | None = "timestamp"
    source: str | None = None


def foreign_attributes(
    fields: Mapping[Any, Any], body: bytes, mapping: ForeignFields, topic: str, position: int | str
) -> dict[str, Any]:
    """Return the attributes that `mapping` finds in a document; a field of an unfit kind counts as absent."""
    kind = _text(fields.get(mapping.event_type))
    given_id = _text(fields.get(mapping.event_id))
    trace = _text(fields.get(mapping.trace_id))
    seconds = _seconds(fields.get(mapping.timestamp))
    return {
        "id": given_id or foreign_id(topic, position, body, None if seconds is None else int(seconds * 1000)),
        "source": mapping.source or f"foreign/{topic}",
        "type": kind or topic,
        "time": None if seconds is None else instant_text(seconds),
        "traceparent": foreign_traceparent(trace) if trace else None,
    }


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _seconds(value: object) -> float | None:
    """Return the instant that a foreign timestamp means, in seconds since the epoch; None where it means none."""
    if isinstance(value, str):
        seconds = instant_of(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000 if abs(value) >= _MILLISECONDS else value
    else:
        return None
    return seconds if seconds is not None and 0 <= seconds < _MILLISECONDS else None
