"""What travels: the envelope that crosses the backend seam, and the CloudEvents 1.0 event that is inside."""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec

#: The content type of a structured event: one JSON document, data and attributes together.
STRUCTURED = "application/cloudevents+json"

#: The only version of CloudEvents that is written and read.
SPECVERSION = "1.0"

#: Text that may not be empty; checked where events are read.
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """An event as an outside system carries it: the bytes, what they are, and headers where the mode has any.

    A backend that reads bytes of unknown origin says so with an empty `content_type`.
    """

    body: bytes
    content_type: str = STRUCTURED
    headers: dict[str, str] | None = None


# Not tracked by the garbage collector, which would walk each event several times: an event refers to its data, and
# nothing of an event's is ever referred to from there.
class CloudEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    repr_omit_defaults=True,
    eq=False,
    gc=False,
    tag_field="specversion",
    tag=SPECVERSION,
):
    """One event: the attributes of CloudEvents 1.0, the registered extensions in use, a few of ours, and the data.

    Instants (`time`, `expirytime`) are RFC 3339 text. Extensions of other people are not kept here: they stay in
    the envelope, where `extensions` finds them. Two events are equal where all that is listed here is equal.
    """

    id: Text
    source: Text
    type: Text
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    subject: str | None = None

    correlationid: str | None = None
    causationid: str | None = None
    partitionkey: str | None = None
    sequence: str | None = None
    expirytime: str | None = None
    dataref: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    dataclassification: str | None = None

    #: How many events caused one another before this one; a first event has 0.
    vagushops: int = 0
    #: The event types, joined by commas, that end the run besides final classes; "": final classes only; None: no run.
    vagusrun: str | None = None
    #: 0 to 9, higher first; None where the topic has no lanes.
    vaguspriority: int | None = None

    data: Any = None

    @property
    def specversion(self) -> str:
        """The version of CloudEvents; always "1.0"."""
        return SPECVERSION

    def __eq__(self, other: object) -> bool:
        # Events read from bytes are of subclasses (one for each class of data); that is no difference between events.
        if not isinstance(other, CloudEvent):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in CloudEvent.__struct_fields__)

    def __ne__(self, other: object) -> bool:
        # The base brings a comparison of its own, by identity.
        return not self == other

    def __hash__(self) -> int:
        return hash((self.source, self.id))


class ReadEvent(CloudEvent, frozen=True, kw_only=True, eq=False, gc=False):
    """An event as it is read from a structured document, with the other form in which data may come."""

    data_base64: bytes | None = None


def reader_class(data: Any) -> type[ReadEvent]:
    """Return the class that reads a structured event whose data is of the type `data`; missing data is UNSET."""
    # A class statement cannot say it: the annotation is a value here.
    fields: list[tuple[str, Any, Any]] = [("data", data, msgspec.UNSET)]
    made = msgspec.defstruct(
        "CloudEvent", fields, bases=(ReadEvent,), module=__name__, frozen=True, kw_only=True, eq=False, gc=False
    )
    return cast("type[ReadEvent]", made)


#: The names that are attributes here; every other one is somebody's extension.
ATTRIBUTES = frozenset(CloudEvent.__struct_fields__) - {"data"} | {"specversion"}
