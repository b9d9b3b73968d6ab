"""`vagus topics`: which topics there are, what they hold, and who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click

from vagus.backend import TopicInfo
from vagus.cli.option import json_option, url_option
from vagus.cli.output import print_json, print_table
from vagus.cli.target import opened


@click.command("topics")
@url_option
@json_option
def command(url: str | None, as_json: bool) -> None:
    """List topics and what they hold.

    KEPT: events that are stored now. DELAYED: those that wait for their due time. STORED: all that ever entered.
    UNHEARD: those that nobody listened to, counted and not kept.
    """
    topics = asyncio.run(_topics(url))
    if as_json:
        print_json([as_record(info) for info in topics])
    elif not topics:
        click.echo("no topics yet")
    else:
        columns = ("TOPIC", ">KEPT", ">DELAYED", ">STORED", ">UNHEARD", "GROUPS")
        print_table(columns, [_row(info) for info in topics])


async def _topics(url: str | None) -> Sequence[TopicInfo]:
    async with opened(url, "vagus topics") as (backend, _):
        return (await backend.describe()).topics


def as_record(info: TopicInfo) -> dict[str, Any]:
    """Return a topic as `--json` shows it."""
    return {
        "topic": info.spec.name,
        "kept": info.kept,
        "scheduled": info.scheduled,
        "stored": info.stored,
        "duplicates": info.duplicates,
        "unheard": info.unheard,
        "groups": info.groups,
        "lanes": info.spec.lanes,
        "keep_s": info.spec.keep_s,
        "archive": info.spec.archive,
        "max_events": info.spec.max_events,
    }


def _row(info: TopicInfo) -> Sequence[object]:
    groups = "\n".join(info.groups) or ("(archive)" if info.spec.archive else "-")
    return info.spec.name, info.kept, info.scheduled, info.stored, info.unheard, groups
