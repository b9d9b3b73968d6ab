"""`vagus tail`: the events of topics as they come, without consuming them."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import click

from vagus.backend import After, Ago, Backend, End, First, Record, Start
from vagus.cli.option import SPAN, json_option, url_option
from vagus.cli.output import print_json_line, style
from vagus.cli.selecting import checked, filter_of, filter_options
from vagus.cli.target import opened
from vagus.clock import SystemClock
from vagus.errors import EventError
from vagus.history import Filter, Reader, Selection
from vagus.message import DEFAULT_WIRE, CloudEvent, decode, is_pattern, is_reserved, matches

_PAGE = 200
_WAIT_S = 3_600.0
_LOOK_AGAIN_S = 2.0
"""How often new topics are looked for while a pattern is watched, in seconds."""


@click.command("tail")
@click.argument("patterns", metavar="TOPIC...", nargs=-1)
@click.option("--since", type=SPAN, metavar="AGE", help="Begin with what was stored in the last AGE (10m, 2h).")
@click.option("--from-start", is_flag=True, help="Begin with the oldest event that is kept.")
@click.option("--after", type=int, metavar="POSITION", help="Begin after this position of the topic.")
@filter_options
@click.option("-n", "--limit", type=click.IntRange(1), help="Stop after so many events.")
@click.option("--no-follow", is_flag=True, help="Stop at the end instead of waiting for more.")
@url_option
@json_option
def command(
    patterns: tuple[str, ...],
    since: float | None,
    from_start: bool,
    after: int | None,
    limit: int | None,
    no_follow: bool,
    url: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Watch the events of topics as they come. Nothing is consumed.

    TOPIC may be a pattern: `*` stands for one word, a last `#` for the rest; default: all topics. `$dead.GROUP` shows
    dead letters. With --no-follow, the events of several topics come in the order in which they were stored: with
    --key, --run or --trace, all that happened to a session, in a run, along a trace.
    """
    patterns = patterns or ("#",)
    checked(patterns, "vagus tail")
    start: Start = End()
    if from_start or (no_follow and since is None):
        start = First()
    if since is not None:
        start = Ago(since)
    if after is not None:
        start = After(after)
    show = _Show(as_json, filter_of(options), limit)
    asyncio.run(_tail(url, patterns, start, show, follow=not no_follow))


async def _tail(url: str | None, patterns: Iterable[str], start: Start, show: _Show, *, follow: bool) -> None:
    async with opened(url, "vagus tail") as (backend, _):
        await _tell_missing(backend, patterns)
        if not follow:
            there = await _there(backend)
            topics = [name for name in await _topics(backend, patterns) if name in there or is_reserved(name)]
            if topics:
                await _show_all(backend, topics, start, show)
            return
        try:
            async with asyncio.TaskGroup() as group:
                await _follow_all(backend, patterns, start, show, group)
        except* _Enough:
            pass


async def _tell_missing(backend: Backend, patterns: Iterable[str]) -> None:
    """Say which topics are not there yet: whoever mistyped a name would wait for ever."""
    there = await _there(backend)
    for pattern in patterns:
        if not is_pattern(pattern) and not pattern.startswith("$") and pattern not in there:
            click.echo(f"there is no topic {pattern!r} yet (vagus topics lists those that there are)", err=True)


async def _there(backend: Backend) -> set[str]:
    return {info.spec.name for info in (await backend.describe()).topics}


async def _follow_all(
    backend: Backend, patterns: Iterable[str], start: Start, show: _Show, group: asyncio.TaskGroup
) -> None:
    """Follow every topic that is meant; a topic that comes later is followed from its beginning."""
    followed: set[str] = set()
    while True:
        for topic in await _topics(backend, patterns):
            if topic not in followed:
                followed.add(topic)
                group.create_task(_follow(backend, topic, start, show))
        if not any(is_pattern(pattern) for pattern in patterns):
            return
        start = First()
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _topics(backend: Backend, patterns: Iterable[str]) -> list[str]:
    plain = [pattern for pattern in patterns if not is_pattern(pattern)]
    wild = [pattern for pattern in patterns if is_pattern(pattern)]
    there = [info.spec.name for info in (await backend.describe()).topics] if wild else []
    return list(dict.fromkeys([*plain, *(name for name in there if any(matches(p, name) for p in wild))]))


async def _show_all(backend: Backend, topics: Sequence[str], start: Start, show: _Show) -> None:
    """Show what is there, topics merged by the time of storing."""
    reader = Reader(backend, SystemClock())
    stretches = await reader.survey(Selection(topics=tuple(topics), start=start))
    async for found in reader.found(stretches):
        show.record(found.topic, found.record)
        if not show.has_room:
            return


async def _follow(backend: Backend, topic: str, start: Start, show: _Show) -> None:
    if isinstance(start, End):
        start = await _end_of(backend, topic)
    while True:
        for record in await backend.read(topic, start, _PAGE, _WAIT_S):
            show.record(topic, record)
            start = After(record.position)
            if not show.has_room:
                raise _Enough


async def _end_of(backend: Backend, topic: str) -> Start:
    """Return the place after what is there now, so that nothing is missed between two reads."""
    stored = [info.stored for info in (await backend.describe()).topics if info.spec.name == topic]
    return After(stored[0]) if stored else First()


class _Enough(Exception):
    """As many events as were asked for have been shown."""


class _Show:
    """Prints events, and counts them."""

    def __init__(self, as_json: bool, only: Filter, limit: int | None) -> None:
        self._as_json = as_json
        self._only = only
        self._left = limit

    @property
    def has_room(self) -> bool:
        """Whether more events are wanted."""
        return self._left is None or self._left > 0

    def record(self, topic: str, record: Record) -> None:
        """Print one event, if it is wanted."""
        if not self._only.all and not self._only.fits(_event(topic, record), record.key):
            return
        shown = as_record(topic, record)
        if self._left is not None:
            self._left -= 1
        if self._as_json:
            print_json_line(shown)
            return
        click.echo(_line(shown, time.time() - record.age_s))
        sys.stdout.flush()


def _event(topic: str, record: Record) -> CloudEvent | None:
    with suppress(EventError):
        return decode(None, record.envelope, DEFAULT_WIRE, topic, record.position)
    return None


def as_record(topic: str, record: Record) -> dict[str, Any]:
    """Return an event as `--json` shows it; one that cannot be decoded shows its bytes and says why."""
    shown: dict[str, Any] = {"topic": topic, "position": record.position, "age_s": round(record.age_s, 3)}
    shown |= {"key": record.key, "generation": record.generation}
    try:
        event = decode(None, record.envelope, DEFAULT_WIRE, topic, record.position)
    except EventError as error:
        return shown | {"undecodable": error.what, "body": record.envelope.body.decode("utf-8", "backslashreplace")}
    names = {"id": event.id, "type": event.type, "source": event.source, "time": event.time}
    chain = {"run": event.correlationid or event.id, "cause": event.causationid, "traceparent": event.traceparent}
    body = {} if event.dataref is None else {"dataref": event.dataref}
    return shown | names | chain | body | {"data": event.data}


def _line(shown: dict[str, Any], at: float) -> str:
    from msgspec import json

    clock = time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at * 1000) % 1000:03d}"
    head = f"{clock}  {shown['topic']} #{shown['position']}"
    rest = f"  key={shown['key']}" if shown["key"] else ""
    if "undecodable" in shown:
        rest += f"  undecodable: {shown['body']!r}"
    else:
        data = shown.get("dataref") if shown["data"] is None else shown["data"]
        rest += "  " + (repr(data) if isinstance(data, bytes) else json.encode(data).decode())
    if sys.stdout.isatty():
        room = max(20, shutil.get_terminal_size().columns - len(head))
        rest = rest if len(rest) <= room else rest[: room - 1] + "…"
    return style(head, fg="cyan") + rest
