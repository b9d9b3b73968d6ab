"""Makes a log that is days old, through the raw hook of its backend; run as a program, in a process of its own."""

from __future__ import annotations

import sys

import msgspec

from vagus.testing import find_subject

DAY_S = 86_400.0


def body(number: int) -> bytes:
    """The event that a foreign program would have stored."""
    data = {"number": number, "customer": "ann", "text": "你好"}
    event = {"specversion": "1.0", "id": f"order-{number}", "source": "till", "type": "order", "data": data}
    return msgspec.json.encode(event)


def append(url: str, count: int, days: float, topic: str, first: int) -> None:
    """Append events, evenly over the last days, the oldest first."""
    witness = find_subject(url).witness
    assert witness is not None
    for number in range(count):
        witness.append(url, topic, body(first + number), (count - number - 0.5) * days * DAY_S / count)


if __name__ == "__main__":
    append(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
