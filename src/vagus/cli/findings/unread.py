"""Topics that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator

from vagus.cli.findings.examined import Examined, Finding
from vagus.cli.output import number

_OWN = ("error_event", "join_timeout")
"""Facts of our own that most apps let pass."""


def unread_topics(seen: Examined) -> Iterator[Finding]:
    """Look for events that were not kept, and for those that are kept for nobody."""
    for topic in seen.catalogue.topics:
        name = topic.spec.name
        if topic.unheard and name.rpartition(".")[2] not in _OWN:
            yield Finding("remark", name, f"{number(topic.unheard, 'event')} not kept: nobody listened")
        elif topic.stored and not topic.groups and not topic.spec.archive:
            text = f"nobody reads it, and it holds {number(topic.kept, 'event')}"
            yield Finding("remark", name, text, "vagus topics")
