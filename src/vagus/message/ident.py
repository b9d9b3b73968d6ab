"""How events are identified: time-ordered ids in UUIDv7's shape, and ids that follow from a cause.

Ids made here sort by time, because a dedupe index over random ids costs several times more. A derived id is a
function of its cause alone: a handler that runs again after a crash publishes the same ids.
"""

from __future__ import annotations

import re
from hashlib import blake2b

import msgspec

#: How many random bits `uuid7_text` uses; more are ignored.
RANDOM_BITS = 74

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TIME_MASK = (1 << 48) - 1
_LOW_MASK = (1 << 62) - 1


def uuid7_text(ms: int, random: int) -> str:
    """Return an id of UUIDv7's shape, 36 characters; ids of a later millisecond sort after it.

    `ms` is milliseconds since the epoch, `random` at least 74 random bits. A caller that wants order within a
    millisecond counts in the upper 12 of them.
    """
    high = (ms & _TIME_MASK) << 16 | 0x7000 | random >> 62 & 0xFFF
    # One format of a large number: five of small ones cost twice as much.
    text = f"{high << 64 | 1 << 63 | random & _LOW_MASK:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def derived_id(cause_id: str, cause_generation: int, group: str, member: str | None, index: int) -> str:
    """Return the id of output number `index` of a handling: same arguments, same id, on every machine.

    `member` is None except in a group that delivers to all, where each member's output is an event of its own.
    The id keeps the first 48 bits (the time) of a cause whose id has the shape of a UUID.
    """
    digest = _digest((cause_id, cause_generation, group, member, index))
    return _shaped(cause_id[:13].lower() if _UUID.fullmatch(cause_id) else None, digest)


def foreign_id(topic: str, position: int | str, body: bytes, ms: int | None = None) -> str:
    """Return the id of an event that came without one: the same for each reading of the same place.

    `position` is its place in the topic, `ms` its time in milliseconds since the epoch where it is known.
    """
    time = None if ms is None else uuid7_text(ms, 0)[:13]
    return _shaped(time, _digest((topic, position, body)))


def _digest(parts: tuple[object, ...]) -> str:
    # msgpack keeps the parts apart: ("a", "bc") and ("ab", "c") must not meet in one hash.
    return blake2b(msgspec.msgpack.encode(parts), digest_size=16).hexdigest()


def _shaped(time: str | None, digest: str) -> str:
    """Return an id with the first 13 characters of `time` and the rest from a digest; without a time, all from it."""
    start = time or f"{digest[18:26]}-{digest[26:30]}"
    return f"{start}-7{digest[:3]}-8{digest[3:6]}-{digest[6:18]}"
