"""A topic on its backend, beside its copies on a second one: read from both, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from vagus.backend import After, Backend, First, Record
from vagus.delivery.difference import Difference, Seen, compare
from vagus.errors import EventError
from vagus.message import Wire, decode

_PAGE = 500


async def difference(topic: str, first: Backend, second: Backend, wire: Wire, settle_s: float) -> Difference:
    """Return how the second backend's copy of a topic differs. The copy is read first, so that it is never newer."""
    copies = await _seen(second, topic, wire)
    return compare(topic, await _seen(first, topic, wire), copies, settle_s)


async def _seen(backend: Backend, topic: str, wire: Wire) -> list[Seen]:
    found: list[Seen] = []
    page: Sequence[Record] = await backend.read(topic, First(), _PAGE)
    while page:
        found += [_one(topic, record, wire) for record in page]
        page = await backend.read(topic, After(page[-1].position), _PAGE) if len(page) == _PAGE else ()
    return found


def _one(topic: str, record: Record, wire: Wire) -> Seen:
    envelope = record.envelope
    content = blake2b(msgspec.msgpack.encode(envelope), digest_size=16).digest()
    try:
        event = decode(None, envelope, wire, topic, record.position)
        id = f"{event.source} {event.id}"
    except EventError:
        id = f"undecodable {content.hex()}"
    return Seen(id, content, record.key, record.age_s)
