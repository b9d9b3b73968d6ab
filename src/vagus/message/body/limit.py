"""How large and how deep an event may be; measuring never recurses, however deep the bytes are nested."""

from __future__ import annotations

import re
from itertools import accumulate

import msgspec

from vagus.errors import EventTooLarge, InvalidArgument

# A string without its end runs to the end of the body, so that broken input is scanned once, not once a quote.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_JSON_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NOT_BRACKET = bytes(set(range(256)) - set(_JSON_STEPS))

# msgpack: the first bytes that open an array or a map, and how far each other first byte reaches.
_CONTAINERS = frozenset((*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF))
_NOT_CONTAINER = bytes(set(range(256)) - _CONTAINERS)
_LENGTH_WIDTH = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_LENGTH_WIDTH |= {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_PAYLOAD = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_PAYLOAD |= {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17, 0xC7: 1, 0xC8: 1, 0xC9: 1}


class Limits(msgspec.Struct, frozen=True):
    """How much an event may be: `size` in bytes (default 1 MiB) and `depth` in levels of nesting (default 64)."""

    size: int = 1 << 20
    depth: int = 64

    def __post_init__(self) -> None:
        if self.size < 1 or self.depth < 1:
            raise InvalidArgument(f"limits are at least 1, not size={self.size}, depth={self.depth}")


def too_large(body: bytes, limit: int, topic: str) -> EventTooLarge:
    """Return the error for an event of `topic` that has more than `limit` bytes."""
    return EventTooLarge(
        f"an event of topic {topic!r} has {len(body)} bytes; the limit is {limit}",
        hint='App(..., blobs="bodies/") lets large bodies travel by reference; or raise the limits of its wire',
        topic=topic,
        size=len(body),
        limit=limit,
    )


def too_deep(topic: str, limit: int | None = None) -> EventTooLarge:
    """Return the error for an event of `topic` that is nested deeper than `limit` levels (None: than Python can go)."""
    bound = "deeper than Python can follow" if limit is None else f"too deep; the limit is {limit} levels"
    text = f"an event of topic {topic!r} is nested {bound}"
    return EventTooLarge(text, hint="flatten the data of the event", topic=topic, limit=limit)


def json_is_deeper(body: bytes, depth: int) -> bool:
    """Tell whether a JSON document has more than `depth` levels of arrays and objects; broken JSON may say either."""
    # Two counts at the speed of C answer for nearly every event: that many levels need as many opening brackets.
    if len(body) <= depth or body.count(b"[") + body.count(b"{") <= depth:
        return False
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKET)
    return max(accumulate(map(_JSON_STEPS.__getitem__, brackets)), default=0) > depth


def msgpack_is_deeper(body: bytes, depth: int) -> bool:
    """Tell whether a msgpack document has more than `depth` levels of arrays and maps; broken ones may say either."""
    if len(body) <= depth or len(body.translate(None, _NOT_CONTAINER)) <= depth:
        return False
    awaited: list[int] = []  # for each open container, how many of its items are still to come
    at = 0
    while at < len(body) and len(awaited) <= depth:
        while awaited and awaited[-1] == 0:
            awaited.pop()
        if awaited:
            awaited[-1] -= 1
        items, at = _msgpack_item(body, at)
        if items is not None:
            awaited.append(items)
    return len(awaited) > depth


def _msgpack_item(body: bytes, at: int) -> tuple[int | None, int]:
    """Return how many items the container at `at` opens (None: it is no container), and where the next item is."""
    first = body[at]
    width = _LENGTH_WIDTH.get(first, 0)
    if width:
        length = int.from_bytes(body[at + 1 : at + 1 + width], "big")
    else:
        length = first & (0x1F if 0xA0 <= first < 0xC0 else 0x0F)
    after = at + 1 + width
    if first in _CONTAINERS:
        is_map = first < 0x90 or first >= 0xDE
        return (2 * length if is_map else length), after
    if width or 0xA0 <= first < 0xC0:
        after += length
    return None, after + _PAYLOAD.get(first, 0)


def values_are_deeper(value: object, depth: int) -> bool:
    """Tell whether plain values have more than `depth` levels of arrays and objects, also where they hold themselves.

    What occurs several times on one level is looked at once, so that a few shared values cannot grow without end.
    """
    level = [value]
    for _ in range(depth + 1):
        held = {id(one): one for one in level if isinstance(one, dict | list | tuple)}.values()
        if not held:
            return False
        level = [child for one in held for child in (one.values() if isinstance(one, dict) else one)]
    return True
