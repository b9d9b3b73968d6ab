"""The memory backend as the suite sees it; the witness looks into the ledger past everything that commits and takes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from vagus.backend import Put, Topic
from vagus.backends.memory.place import Place, place_of
from vagus.clock import SystemClock
from vagus.message import Envelope
from vagus.testing.subject import Subject

EXPECTED = {
    "durable": False,
    "shared": False,
    "atomic": True,
    "fenced": True,
    "notes": True,
    "dedupe": True,
    "delay": True,
    "lanes": True,
    "keyed_lanes": True,
    "replay": True,
    "bounded": True,
    "exact_stats": True,
    "switch": True,
    "inboxes": True,
}


class MemoryWitness:
    """Reads and writes the rows of the ledger themselves."""

    def append(self, url: str, topic: str, body: bytes, age_s: float = 0.0) -> None:
        """Add a row behind the others."""
        place = _place(url)
        place.ledger.logs[topic].append(Put(Topic(topic), Envelope(body, content_type="")), time.time() - age_s)
        place.wake({topic}, set())

    def read(self, url: str, topic: str) -> Sequence[bytes]:
        """Return the bodies of all rows, in the order of their positions."""
        rows = [row for lane in _place(url).ledger.logs[topic].lanes for row in lane.rows]
        return [row.put.envelope.body for row in sorted(rows, key=lambda row: row.position)]


def _place(url: str) -> Place:
    return place_of(urlsplit(url).netloc, SystemClock())


_numbers = itertools.count(1)


def memory_subject(url: str = "memory://") -> Subject:
    """Return the subject of a memory URL; each test gets a place of its own, named after that of the URL."""
    stem = urlsplit(url).netloc or "check"
    return Subject(
        url=lambda: f"memory://{stem}-{next(_numbers)}",
        witness=MemoryWitness(),
        expected=EXPECTED,
        lease_s=0.3,
        siblings=True,
        turns_clock=True,
    )
