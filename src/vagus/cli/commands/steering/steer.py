"""`vagus pause|resume|cancel|drain`: steer groups, members and runs while events flow, with or without workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import click

from vagus.app.bodies.bodies import Bodies
from vagus.app.run import Run
from vagus.app.steering.board import Board, board_beside
from vagus.app.steering.steering import Drained, Steered, Steering
from vagus.app.topics import Topics
from vagus.cli.option import SPAN, json_option, url_option
from vagus.cli.output import number, print_json
from vagus.cli.target import opened
from vagus.clock import SystemClock
from vagus.errors import UnsupportedCapability, UsageError
from vagus.store import Store

Function = TypeVar("Function", bound=Callable[..., Any])


class Desk(NamedTuple):
    """What steers on an open backend."""

    steering: Steering
    store: Store
    board: Board

    def run(self, run_id: str) -> Run:
        """Return a run by its id."""
        return Run(run_id, self.store, Topics(None), SystemClock(), self.board, Bodies(None))


def _steers(function: Function) -> Function:
    """Add what the commands of this file have in common."""
    for option in (
        json_option,
        url_option,
        click.option("--why", default="", metavar="TEXT", help="A reason, for the record on vagus.control."),
        click.option("--member", help="Only this member of the group: vagus groups ls --json."),
        click.argument("group", required=False),
    ):
        function = option(function)
    return function


_run_option = click.option("--run", "run_id", metavar="ID", help="This run, instead of a group.")


@click.command("pause")
@_run_option
@_steers
def pause(group: str | None, run_id: str | None, member: str | None, why: str, url: str | None, as_json: bool) -> int:
    """Let a group, one member of it, or a run wait until it is resumed.

    Members finish what runs, hand back what waits, and take nothing more; publishing and all other groups go on. It
    stays so over restarts, and holds for workers that start later.
    """
    return asyncio.run(_steer("pause", group, run_id, member, why, url, as_json))


@click.command("resume")
@_run_option
@_steers
def resume(group: str | None, run_id: str | None, member: str | None, why: str, url: str | None, as_json: bool) -> int:
    """Let a group, one member of it, or a run go on."""
    return asyncio.run(_steer("resume", group, run_id, member, why, url, as_json))


@click.command("cancel")
@_run_option
@_steers
def cancel(group: str | None, run_id: str | None, member: str | None, why: str, url: str | None, as_json: bool) -> int:
    """Cancel a run, or all that was published for a group until now.

    Its events settle as cancelled instead of being handled, running handlers are cancelled, and their outputs are
    dropped. With --member: the member hands back all that it holds at once, and leaves; nothing is cancelled.
    """
    return asyncio.run(_steer("cancel", group, run_id, member, why, url, as_json))


@click.command("drain")
@click.option("--timeout", type=SPAN, metavar="TIME", help="Wait at most that long; it goes on. Default: no limit.")
@_steers
def drain(
    group: str | None, timeout: float | None, member: str | None, why: str, url: str | None, as_json: bool
) -> int:
    """Pause a group and wait until its members hold nothing; with --member, let that one finish and leave.

    Ends with 1 where something is still held when the time is over.
    """
    return asyncio.run(_drain(group, timeout, member, why, url, as_json))


@asynccontextmanager
async def _desk(url: str | None, command: str) -> AsyncIterator[Desk]:
    async with opened(url, command) as (backend, capabilities):
        store = backend.store
        if store is None:
            raise UnsupportedCapability(f"{command} needs a store, and {capabilities.system} has none")
        clock = SystemClock()
        board = await board_beside(backend, clock)
        try:
            yield Desk(Steering(backend, board, clock), store, board)
        finally:
            await board.close()


async def _steer(
    action: str, group: str | None, run_id: str | None, member: str | None, why: str, url: str | None, as_json: bool
) -> int:
    command = f"vagus {action}"
    if (group is None) == (run_id is None) or (run_id and member):
        raise UsageError("expected a group, or --run with the id of one", where=command, hint=f"{command} shop.answer")
    async with _desk(url, command) as desk:
        if run_id is not None:
            return await _steer_run(desk.run(run_id), action, why, as_json)
        steer = {"pause": desk.steering.pause, "resume": desk.steering.resume, "cancel": desk.steering.cancel}[action]
        found = await steer(str(group), member, why=why)
    if as_json:
        print_json(found)
    else:
        click.echo(_sentence(found))
    return 0


async def _steer_run(run: Run, action: str, why: str, as_json: bool) -> int:
    before = await run.status()
    done = await {"pause": run.pause, "resume": run.resume, "cancel": run.cancel}[action](why)
    status = await run.status()
    if as_json:
        print_json({"action": action, "run": run.id, "before": before, "after": status, "changed": before != status})
    elif done:
        click.echo(f"run {run.id} is {status}" + (" already" if before == status else f", it was {before}"))
    else:
        click.echo(f"run {run.id} had ended before: {status}", err=True)
    return 0 if done else 1


def _sentence(found: Steered) -> str:
    backlog = f"{number(found.backlog, 'event')} in its backlog"
    if found.action == "cancel" and found.member is None:
        return f"group {found.group}: {backlog} settle as cancelled, as its members come to them"
    name = f"member {found.member} of group {found.group}" if found.member else f"group {found.group}"
    return f"{name} is {found.after}{f', it was {found.before}' if found.changed else ' already'}; {backlog}"


async def _drain(
    group: str | None, timeout: float | None, member: str | None, why: str, url: str | None, as_json: bool
) -> int:
    command = "vagus drain"
    if group is None:
        raise UsageError("expected a group", where=command, hint=f"{command} shop.answer")
    last = ""

    def show(found: Drained) -> None:
        nonlocal last
        line = f"{number(found.held, 'event')} held, {found.finished} finished, {found.handed_back} handed back"
        if line != last and not as_json and not found.complete:
            click.echo(line, err=True)
            last = line

    async with _desk(url, command) as desk:
        found = await desk.steering.drain(group, member, why=why, timeout_s=timeout, progress=show)
    if as_json:
        print_json(found)
    else:
        name = f"member {member} of group {group}" if member else f"group {group}"
        state = "is drained" if found.complete else f"still holds {number(found.held, 'event')}"
        click.echo(
            f"{name} {state}: {found.finished} finished, {found.handed_back} handed back, {found.backlog} waiting"
        )
    return 0 if found.complete else 1
