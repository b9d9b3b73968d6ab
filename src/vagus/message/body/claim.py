"""A body too large to travel: the event goes without its data, and refers to where that is kept (`dataref`).

A reference names the bytes by their hash, `vagus-blob:sha256-…`, and so says what they must be, not where they are:
every process that is told of the same blob store finds them. The same bytes are kept once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final

import msgspec

from vagus.errors import BodyCorrupt
from vagus.message.body.limit import too_large
from vagus.message.codec import packed_data, written
from vagus.message.envelope import CloudEvent, Envelope
from vagus.message.event import EventType
from vagus.message.wire import Wire

PREFIX: Final = "vagus-blob:sha256-"

LIMIT: Final = 256 * 1024
"""Above how many bytes an event's data travels by reference where a blob store is named, unless told otherwise."""

MOST: Final = 256 * 1024 * 1024
"""How large a body may be at all, in bytes: it is in memory while it is written and while it is handled."""

_REFERENCE = re.compile(rb"vagus-blob:sha256-([0-9a-f]{64})")


class Claimed(Envelope, frozen=True, kw_only=True, gc=False):
    """The envelope of an event that refers to a body which is not kept yet: `name` and `content` of the blob."""

    name: str
    content: bytes

    @property
    def slim(self) -> Envelope:
        """The envelope as it travels, once the body is kept."""
        return Envelope(self.body, self.content_type, self.headers)


def claimed(
    etype: EventType | None,
    event: CloudEvent,
    wire: Wire,
    limit: int,
    extensions: Mapping[str, str | int | bool] | None = None,
) -> Envelope:
    """Return the envelope of an event, `Claimed` where it would be over `limit` bytes; otherwise as `encode`.

    Raises EventTooLarge where it is too large even without its data, or where that is over 256 MiB.
    """
    whole = written(etype, event, wire, extensions)
    if len(whole.body) <= min(limit, wire.limits.size):
        return whole
    content, content_type = packed_data(etype, event, wire)
    if len(content) > MOST:
        raise too_large(content, MOST, event.type)
    name = sha256(content).hexdigest()
    bare = msgspec.structs.replace(
        event, data=None, dataref=PREFIX + name, datacontenttype=event.datacontenttype or _stated(content_type)
    )
    slim = written(None, bare, wire, extensions)
    if not content or len(slim.body) > wire.limits.size:
        raise too_large(whole.body, wire.limits.size, event.type)
    return Claimed(slim.body, slim.content_type, slim.headers, name=name, content=content)


def _stated(content_type: str) -> str | None:
    return None if content_type == "application/json" else content_type


def blob_of(dataref: str | None) -> str | None:
    """Return the name of the blob that a reference of ours is to; None for any other one, which is left as it is."""
    found = None if dataref is None else _REFERENCE.fullmatch(dataref.encode(errors="replace"))
    return None if found is None else found[1].decode()


def named_in(envelope: Envelope) -> Iterator[str]:
    """Yield the names of all blobs that an envelope may refer to; one too many at times, never one too few."""
    yield from referred(envelope.body)
    for value in (envelope.headers or {}).values():
        yield from referred(value.encode(errors="replace"))


def referred(text: bytes) -> Iterator[str]:
    """Yield the names of all blobs whose references stand somewhere in `text`."""
    for found in _REFERENCE.finditer(text):
        yield found[1].decode()


def check_content(name: str, content: bytes) -> bytes:
    """Return the content of the blob with that name. Raises BodyCorrupt where it is not what it was."""
    if sha256(content).hexdigest() != name:
        raise BodyCorrupt(
            f"the body kept as {name[:12]}… is not what was published: {len(content)} bytes of another content",
            hint="restore the file from a backup of the blob store; the event is tried again meanwhile",
        )
    return content
