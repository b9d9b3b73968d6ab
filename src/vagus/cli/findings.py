"""What `vagus doctor` looks for: each finding is a sentence about what was seen and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from vagus.backend import Capabilities, Catalogue, Figures, GroupInfo, TopicInfo
from vagus.cli.output import number, span

Level: TypeAlias = Literal["problem", "remark"]

IDLE_S = 60.0
"""How long a group with a backlog may be without members before that is a problem, in seconds."""

FORGOTTEN_S = 7 * 86_400.0
"""How long a group may be without members before it is worth dropping, in seconds."""

SHORT_LEASE_S = 1.0
"""A lease under this many seconds lapses when a machine only pauses for a moment."""

CLOCK_S = 5.0
"""How far in the future an event may lie before clocks are said to differ, in seconds."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was seen. A `problem` needs somebody; a `remark` is good to know."""

    level: Level
    subject: str
    text: str
    hint: str = ""


class Examined(msgspec.Struct, frozen=True):
    """All that is looked at: the backend, its topics and groups, their books, how many letters are open in each."""

    capabilities: Capabilities
    catalogue: Catalogue
    books: dict[str, Sequence[Figures]]
    open_letters: dict[str, int]
    oldest_age_s: dict[str, float]


def findings(seen: Examined) -> list[Finding]:
    """Return what is worth saying, problems first."""
    found = [*_backend(seen), *_groups(seen), *_letters(seen), *_topics(seen)]
    return sorted(found, key=lambda finding: finding.level != "problem")


def _backend(seen: Examined) -> Iterator[Finding]:
    able = seen.capabilities
    if not able.durable:
        text = "events, retries and dead letters do not survive the end of its process"
        yield Finding("remark", able.system, text, "for work that must not be lost: sqlite:///vagus.db")
    if able.settings.get("synchronous", "full").lower() == "normal":
        text = "synchronous=normal: a power cut may take the last moments of what was published"
        yield Finding("remark", able.system, text, "leave out ?synchronous=normal for the safe default")
    mode = able.settings.get("mode", "0600")
    if mode.isdigit() and int(mode, 8) & 0o077:
        yield Finding("problem", able.system, f"others can read the file (mode {mode})", f"chmod 600 {_file(seen)}")
    for topic, age_s in seen.oldest_age_s.items():
        if age_s < -CLOCK_S:
            text = f"its newest event lies {span(-age_s)} in the future: clocks differ, delays and leases go by them"
            yield Finding("problem", topic, text, "timedatectl status")


def _file(seen: Examined) -> str:
    return seen.capabilities.settings.get("file", "vagus.db")


def _groups(seen: Examined) -> Iterator[Finding]:
    for group in seen.catalogue.groups:
        yield from _group(group, seen.books.get(group.spec.name, ()))


def _group(group: GroupInfo, books: Sequence[Figures]) -> Iterator[Finding]:
    name, idle_s = group.spec.name, group.idle_s
    backlog = sum(one.ready + one.waiting + one.parked for one in books)
    if idle_s is not None and backlog and idle_s >= IDLE_S:
        text = f"{number(backlog, 'event')} in its backlog, and nobody has worked on it for {span(idle_s)}"
        yield Finding("problem", name, text, "vagus worker app.py:app")
    elif idle_s is not None and idle_s >= FORGOTTEN_S:
        yield Finding("remark", name, f"it has had no member for {span(idle_s)}", f"vagus groups drop {name}")
    for member in group.members:
        if member.seen_s > group.spec.lease_s:
            text = (
                f"member {member.name} was last heard of {span(member.seen_s)} ago (lease {span(group.spec.lease_s)})"
            )
            yield Finding("remark", name, text, "it is dead or stopped; what it held goes to others")
    if group.spec.lease_s < SHORT_LEASE_S:
        text = f"a lease of {span(group.spec.lease_s)} lapses at any pause of the machine, and events are then repeated"
        yield Finding("remark", name, text, "give the handler a longer lease=")
    lost = sum(one.lost for one in books)
    if lost:
        yield Finding("remark", name, f"{number(lost, 'lease')} lapsed or ended with a worker; others took over")


def _letters(seen: Examined) -> Iterator[Finding]:
    for group, count in seen.open_letters.items():
        if count:
            yield Finding("problem", group, f"{number(count, 'open dead letter')}", f"vagus dead ls {group}")


def _topics(seen: Examined) -> Iterator[Finding]:
    for topic in seen.catalogue.topics:
        yield from _topic(topic)


def _topic(topic: TopicInfo) -> Iterator[Finding]:
    name = topic.spec.name
    if topic.unheard:
        yield Finding("remark", name, f"{number(topic.unheard, 'event')} not kept: nobody listened")
    elif topic.stored and not topic.groups and not topic.spec.archive:
        yield Finding("remark", name, f"nobody reads it, and it holds {number(topic.kept, 'event')}", "vagus topics")
