"""`vagus mode`: how a group delivers, what it was switched to, and the switch itself while its workers run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import click
import msgspec

from vagus.app.dispatch.record import Recorded, read_record
from vagus.app.dispatch.switch import Switched, Switcher, Wish, find_group, pick_text
from vagus.app.dispatch.term import State, read_states
from vagus.app.steering.board import board_beside
from vagus.backend import Figures, GroupInfo, Steering
from vagus.cli.option import SPAN, json_option, url_option
from vagus.cli.output import number, print_json, print_table
from vagus.cli.target import opened
from vagus.clock import SystemClock
from vagus.delivery.picks.text import OWN
from vagus.errors import UnsupportedCapability


class View(NamedTuple):
    """All that is shown of a group."""

    info: GroupInfo
    books: Sequence[Figures]
    state: State | None
    record: Sequence[Recorded]


@click.command("mode")
@click.argument("group")
@click.argument("deliver", required=False, type=click.Choice(["once", "all"]))
@click.option(
    "--pick",
    metavar="PICK",
    help="Who gets an event in once: own, round_robin, random, by_key, by_label('lang'), least_busy, weighted, "
    "a registered name, or module:Class.",
)
@click.option("--why", default="", metavar="TEXT", help="The reason, for the record.")
@click.option("--timeout", type=SPAN, metavar="TIME", help="Give up before the cut after so long; default: never.")
@url_option
@json_option
def command(
    group: str, deliver: str | None, pick: str | None, why: str, timeout: float | None, url: str | None, as_json: bool
) -> None:
    """Show how a group delivers, or switch it while its workers run.

    With `once`, `all` or --pick the group is switched: events that come after the cut go the new way, those before it
    stay with whom they were for. Without them, its mode, its pick and its switches are shown. No worker needs to be
    restarted; Ctrl-C before the cut leaves everything as it was.
    """
    if deliver is None and pick is None:
        view = asyncio.run(_view(url, group))
        print_json(_view_json(view)) if as_json else _show(view)
        return
    wish = Wish(deliver, None if pick is None else pick_text(pick), why)
    switched = asyncio.run(_switch(url, group, wish, timeout))
    print_json(_switched_json(switched)) if as_json else _tell(switched)


async def _view(url: str | None, group: str) -> View:
    async with opened(url, f"vagus mode {group}") as (backend, _):
        info = await find_group(backend, group)
        store = backend.store
        states = {} if store is None else await read_states(store, [group])
        return View(info, await backend.stats(group), states.get(group), await read_record(backend, group))


async def _switch(url: str | None, group: str, wish: Wish, within_s: float | None) -> Switched:
    async with opened(url, f"vagus mode {group}") as (backend, capabilities):
        if backend.store is None:
            raise UnsupportedCapability(f"a switch needs a store, and {capabilities.system} has none")
        clock = SystemClock()
        await find_group(backend, group)
        board = await board_beside(backend, clock)
        return await Switcher(backend, board, capabilities, clock).switch(group, wish, within_s)


def _tell(switched: Switched) -> None:
    for warning in switched.warnings:
        click.echo(f"warning: {warning}", err=True)
    if switched.cut is None:
        click.echo(f"{switched.group} delivers {_words(switched.after)} already")
        return
    click.echo(
        f"{switched.group} delivers {_words(switched.after)} from epoch {switched.after.epoch} on "
        f"(before: {_words(switched.before)})"
    )
    for topic, ends in sorted(switched.cut.ends.items()):
        click.echo(f"  {topic}: cut after {', '.join(map(str, ends))}")


def _show(view: View) -> None:
    info, state = view.info, view.state
    click.echo(f"{info.spec.name} delivers {_words(info.steering)}, epoch {info.steering.epoch}")
    if state is not None:
        waiting = f"{number(state.unmatched, 'event')} that nobody matches, {state.blocked} that wait for credit"
        click.echo(f"dispatched by {state.member or 'nobody now'} to {', '.join(state.team) or 'nobody'}: {waiting}")
        if state.why:
            click.echo(f"the pick failed: {state.why}")
    if info.orphans:
        click.echo(f"inboxes of members that are gone, still to be moved: {', '.join(info.orphans)}")
    rows = [_row(one) for one in view.books]
    click.echo("")
    print_table(("WHOSE", ">READY", ">HELD", ">WAITING", ">PARKED"), rows)
    if not info.cuts:
        return
    known = {entry.epoch: entry for entry in view.record}
    click.echo("")
    print_table(
        (">EPOCH", "DELIVERS", "CUT", "WHEN", "WHO", "WHY"),
        [_history(cut.epoch, Steering(cut.mode, cut.pick), cut.ends, known.get(cut.epoch)) for cut in info.cuts],
    )


def _row(one: Figures) -> Sequence[object]:
    return one.member or "the group's", one.ready, one.held, one.waiting, one.parked


def _history(epoch: int, steering: Steering, ends: dict[str, Any], entry: Recorded | None) -> Sequence[object]:
    cut = ", ".join(f"{topic} {'/'.join(map(str, places))}" for topic, places in sorted(ends.items()))
    told = (entry.at, entry.who, entry.why) if entry is not None else ("", "", "")
    return epoch, _words(steering), cut, *told


def _words(steering: Steering) -> str:
    return f"{steering.mode}, pick {steering.pick or OWN}" if steering.mode == "once" else steering.mode


def _view_json(view: View) -> dict[str, Any]:
    info = view.info
    return {
        "group": info.spec.name,
        "deliver": info.steering.mode,
        "pick": info.steering.pick or OWN,
        "epoch": info.steering.epoch,
        "first": {"deliver": info.spec.mode, "pick": info.spec.pick or OWN},
        "dispatch": None if view.state is None else _dispatch(view.state),
        "orphans": info.orphans,
        "books": [msgspec.to_builtins(one) | {"estimated": sorted(one.estimated)} for one in view.books],
        "cuts": [msgspec.to_builtins(cut) for cut in info.cuts],
        "record": [msgspec.to_builtins(entry) for entry in view.record],
    }


def _dispatch(state: State) -> dict[str, Any]:
    shown = ("member", "team", "unmatched", "blocked", "why")
    return {name: getattr(state, name) for name in shown}


def _switched_json(switched: Switched) -> dict[str, Any]:
    return {
        "group": switched.group,
        "before": msgspec.to_builtins(switched.before),
        "after": msgspec.to_builtins(switched.after),
        "cut": None if switched.cut is None else switched.cut.ends,
        "warnings": switched.warnings,
    }
