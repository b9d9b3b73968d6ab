"""The bodies of one open app: kept before the events that refer to them, fetched and checked before they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from vagus.backend import Put, Unit
from vagus.blob import BlobStore
from vagus.errors import BodyMissing, InvalidArgument
from vagus.message import CloudEvent, EventType, Wire
from vagus.message.body.claim import Claimed, blob_of, check_content
from vagus.message.codec import with_body

LEAST = 1_000
"""The least body limit, in bytes: an event's own attributes take some hundred."""


class Bodies:
    """Keeps and fetches bodies. `store` None: the app names none, and reads what has a body of its own alone."""

    def __init__(self, store: BlobStore | None) -> None:
        self.store = store

    def carries(self, unit: Unit) -> bool:
        """Return whether a unit has bodies that are not kept yet."""
        return any(type(put.envelope) is Claimed for put in unit.puts)

    async def kept(self, unit: Unit) -> Unit:
        """Keep the bodies of a unit and return it as it is to be committed."""
        return msgspec.structs.replace(unit, puts=await self.kept_puts(unit.puts))

    async def kept_puts(self, puts: Sequence[Put]) -> Sequence[Put]:
        """Keep the bodies of puts and return them as they are to be stored; that of a delayed one is held till then."""
        found: list[Put] = []
        for put in puts:
            envelope = put.envelope
            if isinstance(envelope, Claimed):
                assert self.store is not None, "without a store no event is claimed"
                await self.store.put(envelope.name, envelope.content, put.after_s)
                put = msgspec.structs.replace(put, envelope=envelope.slim)
            found.append(put)
        return found

    async def whole(self, etype: EventType | None, event: CloudEvent, wire: Wire, topic: str) -> CloudEvent:
        """Return an event with its data, also where that travelled by reference; a reference of others stays one.

        Raises `BodyMissing` or `BodyCorrupt`, and what reading the data raises.
        """
        name = blob_of(event.dataref)
        if name is None or event.data is not None:
            return event
        return with_body(etype, event, await self._content(name, event), wire, topic)

    async def _content(self, name: str, event: CloudEvent) -> bytes:
        if self.store is None:
            raise BodyMissing(
                f"the body of {event.type} {event.id} is in a blob store, and this app names none",
                hint='App(…, blobs="bodies/"), as its publisher does',
            )
        content = await self.store.get(name)
        if content is None:
            raise BodyMissing(
                f"the body of {event.type} {event.id} is not in the blob store: {name[:12]}…",
                hint="name the same blob store in every process; if it was removed, restore it from a backup",
            )
        return check_content(name, content)


def check_body_limit(limit: Any, blobs: BlobStore | None) -> int:
    """Return `limit`. Raises `InvalidArgument` where it makes no sense, or without a blob store to keep bodies in."""
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < LEAST:
        raise InvalidArgument(f"body_limit: expected a whole number of bytes, {LEAST} or more, got {limit!r}")
    if blobs is None:
        raise InvalidArgument("body_limit needs a blob store", hint='App(..., blobs="bodies/")')
    return limit
