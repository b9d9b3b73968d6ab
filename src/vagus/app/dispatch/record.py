"""What was switched when, by whom and why: read from the control topics, where every switch is told."""

from __future__ import annotations

from typing import Any

import msgspec

from vagus.app.dispatch.switch import SWITCH
from vagus.app.facts import ControlEvent
from vagus.app.steering.board import CONTROL
from vagus.backend import After, Backend, First, Start
from vagus.errors import EventError
from vagus.message import DEFAULT_WIRE, decode, event_type

_PAGE = 500


class Recorded(msgspec.Struct, frozen=True):
    """One switch as it was recorded. `at`: RFC 3339 text; `before`, `after`: mode and pick; `cut`: ends by topic."""

    epoch: int
    at: str
    who: str
    why: str
    before: dict[str, str]
    after: dict[str, str]
    cut: dict[str, list[Any]]


async def read_record(backend: Backend, group: str) -> list[Recorded]:
    """Return the switches of a group that are still on record, oldest first."""
    topics = [info.spec.name for info in (await backend.describe()).topics]
    entries = {}
    for topic in topics:
        if topic == CONTROL or topic.endswith(f".{CONTROL}"):
            entries.update({entry.epoch: entry for entry in await _entries(backend, topic, group)})
    return [entries[epoch] for epoch in sorted(entries)]


async def _entries(backend: Backend, topic: str, group: str) -> list[Recorded]:
    etype, start = event_type(ControlEvent), First()
    found: list[Recorded] = []
    place: Start = start
    while records := await backend.read(topic, place, _PAGE):
        place = After(records[-1].position)
        for record in records:
            try:
                event = decode(etype, record.envelope, DEFAULT_WIRE, topic)
            except EventError:
                continue  # not written by us: whoever reads news there says so
            if (event.data.action, event.data.name) == (SWITCH, group):
                found.append(_entry(event.data, event.time or ""))
    return found


def _entry(told: ControlEvent, at: str) -> Recorded:
    facts = told.facts
    return Recorded(facts["epoch"], at, told.who, told.why, facts["from"], facts["to"], facts["cut"])
