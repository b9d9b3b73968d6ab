"""Clocks that differ: those of publishers, of the backend, and of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vagus.backend import Record
from vagus.cli.findings.examined import Examined, Finding
from vagus.cli.output import span
from vagus.errors import EventError
from vagus.message import DEFAULT_WIRE, decode, instant_of

APART_S = 5.0
"""How far two clocks may lie apart before that is said, in seconds."""


def clocks_apart(seen: Examined) -> Iterator[Finding]:
    """Look at the newest events: their `time` is the publisher's clock, their age the backend's."""
    for topic, records in seen.recent.items():
        newest_s = min(record.age_s for record in records)
        if newest_s < -APART_S:
            text = f"its newest event lies {span(-newest_s)} in the future: clocks differ, delays and leases go by them"
            yield Finding("problem", topic, text, "timedatectl status")
            continue
        for source, ahead_s in _ahead(topic, records, seen.now).items():
            if ahead_s > APART_S:
                text = f"the clock of {source} is {span(ahead_s)} ahead of the backend's: its expiry times come late"
                yield Finding("problem", topic, text, "timedatectl status")


def _ahead(topic: str, records: Sequence[Record], now: float) -> dict[str, float]:
    """Return by publisher how far its clock is ahead of what the backend says of when its events were stored.

    Only ahead can be told: an event that was delayed, or sent again, is stored long after its time by right.
    """
    found: dict[str, float] = {}
    for record in records:
        try:
            event = decode(None, record.envelope, DEFAULT_WIRE, topic, record.position)
        except EventError:
            continue  # foreign bytes tell no time
        published_at = None if event.time is None else instant_of(event.time)
        if published_at is not None:
            ahead_s = published_at - (now - record.age_s)
            found[event.source] = max(ahead_s, found.get(event.source, ahead_s))
    return found
