"""`vagus groups`: which groups there are, what waits for them, and how to drop one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from vagus.app.steering.wanted import Wanted, wanted_of_groups
from vagus.backend import Figures, GroupInfo, Inbox
from vagus.cli.group import Listing
from vagus.cli.option import json_option, url_option
from vagus.cli.output import number, print_json, print_table, span
from vagus.cli.target import known_group, opened, sure
from vagus.errors import InvalidArgument

Group = tuple[GroupInfo, Sequence[Figures]]


@click.group("groups", cls=Listing)
def command() -> None:
    """List groups and their backlogs, or drop one."""


@command.command("ls")
@url_option
@json_option
def list_groups(url: str | None, as_json: bool) -> None:
    """List groups and their backlogs.

    READY: not handed out yet. HELD: being handled. WAITING: for a retry or a due time. PARKED: for their key to
    become free. DEAD: dead letters ever made. LOST: leases that lapsed. OLDEST: age of the oldest ready event.
    STATE, shown where any is not running: paused or draining.
    """
    groups, wanted = asyncio.run(_groups(url))
    if as_json:
        records = [as_record(info, books) for info, books in groups]
        print_json([{**one, "state": _state(wanted, one["group"])} for one in records])
    elif not groups:
        click.echo("no groups yet")
    else:
        columns = ("GROUP", "STATE", ">MEMBERS", ">READY", ">HELD", ">WAITING", ">PARKED", ">DEAD", ">LOST", ">OLDEST")
        rows = [_row(info, books) for info, books in groups]
        states = [_state(wanted, info.spec.name) for info, _ in groups]
        if set(states) == {"running"}:
            print_table([name for name in columns if name != "STATE"], rows)
        else:
            print_table(columns, [(name, state, *more) for (name, *more), state in zip(rows, states, strict=True)])


@command.command("drop")
@click.argument("group")
@click.option("--member", help="Drop only this named member of a group that delivers to all.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@url_option
def drop_group(group: str, member: str | None, yes: bool, url: str | None) -> None:
    """Remove a group with all that waits for it. Its dead letters go too."""
    asyncio.run(_drop(url, group, member, yes))


def _state(wanted: dict[str, Wanted], group: str) -> str:
    return wanted[group].state if group in wanted else "running"


async def _groups(url: str | None) -> tuple[list[Group], dict[str, Wanted]]:
    async with opened(url, "vagus groups ls") as (backend, _):
        catalogue = await backend.describe()
        wanted = await wanted_of_groups(backend.store, [info.spec.name for info in catalogue.groups])
        return [(info, await backend.stats(info.spec.name)) for info in catalogue.groups], wanted


async def _drop(url: str | None, group: str, member: str | None, yes: bool) -> None:
    async with opened(url, f"vagus groups drop {group}") as (backend, _):
        await known_group(backend, group)
        books = [b for b in await backend.stats(group) if member in (None, b.member)]
        if not books:
            text = f"group {group} has no member {member!r} that is remembered"
            raise InvalidArgument(text, hint="vagus groups ls --json")
        left = sum(b.ready + b.held + b.waiting + b.parked for b in books)
        what = f"member {member} of group {group}" if member else f"group {group}"
        if not yes:
            sure(f"drop {what} and {number(left, 'event')} in its backlog?", f"vagus groups drop {group}")
        await backend.drop(Inbox(group, member))
        click.echo(f"dropped {what}, and {number(left, 'event')} in its backlog")


def as_record(info: GroupInfo, books: Sequence[Figures]) -> dict[str, Any]:
    """Return a group as `--json` shows it: its settings, its members, and its books."""
    spec = info.spec
    return {
        "group": spec.name,
        "patterns": spec.patterns,
        "deliver": info.steering.mode,
        "pick": info.steering.pick,
        "epoch": info.steering.epoch,
        "orphans": info.orphans,
        "ordered": spec.ordered,
        "lease_s": spec.lease_s,
        "idle_s": info.idle_s,
        "members": [msgspec.to_builtins(member) for member in info.members],
        "books": [{**msgspec.to_builtins(one), "estimated": sorted(one.estimated)} for one in books],
    }


def _row(info: GroupInfo, books: Sequence[Figures]) -> Sequence[object]:
    name = info.spec.name if info.steering.mode == "once" else f"{info.spec.name} (all)"
    members: object = len(info.members)
    if info.idle_s is not None:
        members = f"0 for {span(info.idle_s)}"
    oldest = max((one.oldest_s for one in books if one.oldest_s is not None), default=None)
    figures = [_total(books, name) for name in ("ready", "held", "waiting", "parked", "dead", "lost")]
    return name, members, *figures, span(oldest)


def _total(books: Sequence[Figures], figure: str) -> str:
    guess = "~" if any(figure in one.estimated for one in books) else ""
    return f"{guess}{sum(getattr(one, figure) for one in books)}"
