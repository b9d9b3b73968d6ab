"""What travels in a benchmark: events whose data is 200 bytes of JSON, and the document that carries them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from vagus.message import CloudEvent, Event, uuid7_text
from vagus.message.envelope import reader_class

NAME = "bench"
"""What the app that is measured is called."""
BODY_BYTES = 200
SOURCE = "vagus/bench"
KEYS = 1_000

_TEXT = "Events carry facts between the parts of a system, and each of them is handled, whatever happens to whom. "
_TIME = "2026-01-01T00:00:00.000Z"


class Note(Event, topic="bench.note"):
    """An event without a key. `number` counts from 0, `sent_ns` is the monotonic clock at its publishing."""

    number: int
    sent_ns: int = 0
    text: str = (_TEXT * 2)[:160]


class KeyedNote(Event, topic="bench.keyed_note", key="key"):
    """An event whose key is one of a thousand, drawn by lot; `number` counts within the key."""

    key: str
    number: int
    sent_ns: int = 0
    text: str = (_TEXT * 2)[:150]


class OtherNote(Event, topic="bench.other_note"):
    """An event of a second topic."""

    number: int


def keyed_notes(count: int, seed: int = 1) -> Iterator[KeyedNote]:
    """Return that many events in the order in which they are published; the same for the same seed."""
    draw = random.Random(seed)
    numbers = [0] * KEYS
    for _ in range(count):
        key = draw.randrange(KEYS)
        yield KeyedNote(f"key-{key}", numbers[key])
        numbers[key] += 1


class Documents:
    """Writes and reads events as a program without vagus would: the same bytes, by the same codec, and no more."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode
        self.decode = msgspec.json.Decoder(reader_class(Note)).decode
        self._start = uuid7_text(1_767_225_600_000, 0)[:24]
        self._trace = self._start.replace("-", "")

    def write(self, number: int, sent_ns: int = 0) -> tuple[bytes, str]:
        """Return the document of a note and the text that it is deduplicated by."""
        tail = f"{number:012x}"
        id = self._start + tail
        event = CloudEvent(
            id=id,
            source=SOURCE,
            type="bench.note",
            time=_TIME,
            correlationid=id,
            traceparent=f"00-{self._trace}{tail}-8000{tail}-01",
            data=Note(number, sent_ns),
        )
        return self._encode(event), f"{id}:{SOURCE}:0:36"


BARE_BODY = b"x" * BODY_BYTES
