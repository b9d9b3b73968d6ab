"""Where an event is, as one number; and what of a put goes into which column."""

from __future__ import annotations

from typing import Final

import msgspec

from vagus.backend import Entry, Put
from vagus.message import STRUCTURED

POSITION_BITS: Final = 40
POSITION_MASK: Final = (1 << POSITION_BITS) - 1
LANES: Final = 10


def lane_id(log: int, lane: int) -> int:
    """Return the number of one lane of a log."""
    return log * LANES + lane


def floor(lane: int) -> int:
    """Return the place below all events of the lane with that id; the floor of the next lane is above all."""
    return lane << POSITION_BITS


class Extra(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """What few events have; an event without any of it has no `extra` at all."""

    content_type: str = STRUCTURED
    headers: dict[str, str] | None = None
    entry: Entry = "new"
    generation: int = 0
    note: bytes = b""
    losses: int = 0
    epoch: int = 0


PLAIN: Final = Extra()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Extra)


def pack_extra(put: Put) -> bytes | None:
    """Return the column `extra` for a put, None where there is nothing unusual about it."""
    envelope = put.envelope
    if (
        put.entry == "new"
        and not put.generation
        and not put.note
        and not put.losses
        and not put.epoch
        and envelope.headers is None
        and envelope.content_type == STRUCTURED
    ):
        return None
    more = Extra(envelope.content_type, envelope.headers, put.entry, put.generation, put.note, put.losses, put.epoch)
    return _encoder.encode(more)


def unpack_extra(column: bytes | None) -> Extra:
    """Return what the column `extra` says."""
    return PLAIN if column is None else _decoder.decode(column)
