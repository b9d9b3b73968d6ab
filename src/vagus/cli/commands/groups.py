"""`vagus groups`: which groups there are, what waits for them, and how to drop one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from vagus.app.dispatch.term import State, read_states
from vagus.app.steering.wanted import Wanted, wanted_of_groups
from vagus.backend import Figures, GroupInfo, Inbox
from vagus.cli.group import Listing
from vagus.cli.option import json_option, url_option
from vagus.cli.output import number, print_json, print_table, span
from vagus.cli.target import known_group, opened, sure
from vagus.delivery.picks.text import OWN
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
    STATE, shown where any is not running: paused or draining. UNMATCHED, shown where there are any: held because no
    member matches them; see vagus mode GROUP.
    """
    groups, wanted, states = asyncio.run(_groups(url))
    if as_json:
        records = [as_record(info, books, states.get(info.spec.name)) for info, books in groups]
        print_json([{**one, "state": _state(wanted, one["group"])} for one in records])
    elif not groups:
        click.echo("no groups yet")
    else:
        _print(groups, wanted, states)


def _print(groups: Sequence[Group], wanted: dict[str, Wanted], states: dict[str, State]) -> None:
    columns = ["GROUP", ">MEMBERS", ">READY", ">HELD", ">WAITING", ">PARKED", ">DEAD", ">LOST", ">OLDEST"]
    rows = [list(_row(info, books)) for info, books in groups]
    names = [info.spec.name for info, _ in groups]
    if any(name in wanted for name in names):
        columns.insert(1, "STATE")
        for row, name in zip(rows, names, strict=True):
            row.insert(1, _state(wanted, name))
    if any(state.unmatched for state in states.values()):
        columns.append(">UNMATCHED")
        for row, name in zip(rows, names, strict=True):
            row.append(states[name].unmatched if name in states else 0)
    print_table(columns, rows)


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


async def _groups(url: str | None) -> tuple[list[Group], dict[str, Wanted], dict[str, State]]:
    async with opened(url, "vagus groups ls") as (backend, _):
        catalogue = await backend.describe()
        names = [info.spec.name for info in catalogue.groups]
        wanted = await wanted_of_groups(backend.store, names)
        states = {} if backend.store is None else await read_states(backend.store, names)
        return [(info, await backend.stats(info.spec.name)) for info in catalogue.groups], wanted, states


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


def as_record(info: GroupInfo, books: Sequence[Figures], state: State | None) -> dict[str, Any]:
    """Return a group as `--json` shows it: its settings, its members, and its books."""
    spec, steering = info.spec, info.steering
    return {
        "group": spec.name,
        "patterns": spec.patterns,
        "deliver": steering.mode,
        "pick": steering.pick or OWN,
        "epoch": steering.epoch,
        "orphans": info.orphans,
        "unmatched": state.unmatched if state else 0,
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
