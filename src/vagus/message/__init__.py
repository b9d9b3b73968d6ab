"""What travels? Events, what they are called, and how they become bytes. Pure: nothing here waits or looks around."""

from vagus.message.body.limit import Limits
from vagus.message.codec import decode, encode, extensions
from vagus.message.envelope import STRUCTURED, CloudEvent, Envelope
from vagus.message.event import Event, EventType, Kind, check_kind, event_type
from vagus.message.foreign import ForeignFields
from vagus.message.format import CODECS, Codec, plain_codec, register_codec
from vagus.message.ident import derived_id, foreign_id, uuid7_text
from vagus.message.instant import instant_of, instant_text
from vagus.message.topic import (
    check_group,
    check_pattern,
    check_topic,
    compile_pattern,
    dead_topic,
    inbox_topic,
    is_pattern,
    is_reserved,
    matches,
    qualify,
    snake,
)
from vagus.message.trace import child_traceparent, new_traceparent, parse_traceparent, trace_id
from vagus.message.wire import DEFAULT_WIRE, Wire

__all__ = [
    "CODECS",
    "DEFAULT_WIRE",
    "STRUCTURED",
    "CloudEvent",
    "Codec",
    "Envelope",
    "Event",
    "EventType",
    "ForeignFields",
    "Kind",
    "Limits",
    "Wire",
    "check_group",
    "check_kind",
    "check_pattern",
    "check_topic",
    "child_traceparent",
    "compile_pattern",
    "dead_topic",
    "decode",
    "derived_id",
    "encode",
    "event_type",
    "extensions",
    "foreign_id",
    "inbox_topic",
    "instant_of",
    "instant_text",
    "is_pattern",
    "is_reserved",
    "matches",
    "new_traceparent",
    "parse_traceparent",
    "plain_codec",
    "qualify",
    "register_codec",
    "snake",
    "trace_id",
    "uuid7_text",
]
