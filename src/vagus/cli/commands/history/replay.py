"""`vagus replay`: what lies in the log, handed out again: to a group, to a side group beside it, or into a file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from vagus.app.app import App
from vagus.cli.loading import load_app
from vagus.cli.option import json_option, url_option
from vagus.cli.output import number, print_json, print_table, progress
from vagus.cli.selecting import checked, filter_options, rate_of, selection_of, stretch_options, stretch_record
from vagus.cli.target import opened
from vagus.clock import SystemClock
from vagus.errors import UsageError
from vagus.history import (
    Again,
    Reader,
    Selection,
    Side,
    SidePlan,
    SideReport,
    Stretch,
    export_events,
    whole_file,
)

_EXAMPLE = "vagus replay --since 3d --to side:fix"


@click.command("replay")
@click.argument("topics", metavar="TOPIC...", nargs=-1)
@click.option("--to", "target", required=True, metavar="TARGET", help="group, side:NAME, or file:PATH.")
@stretch_options
@click.option("--group", metavar="GROUP", help="The group whose events are meant; for side: default all of the app.")
@click.option("--member", metavar="NAME", help="With --to group: only this named member of a group that is for all.")
@filter_options
@click.option("--outputs", metavar="PREFIX", help="Side groups publish to PREFIX.TOPIC; default: outputs are withheld.")
@click.option("--keep", is_flag=True, help="Keep side groups afterwards, also those without dead letters.")
@click.option("--rate", metavar="N/s", help="At most so many events a second, for each group.")
@click.option("--dry-run", is_flag=True, help="Say how many events it would touch, and move nothing.")
@click.option("--restart", is_flag=True, help="Begin anew where the same replay, or another, is half done.")
@click.option("--force", is_flag=True, help="With --to file: write over a file that is there already.")
@click.option("--app", "module", metavar="MODULE:APP", help="The app; default app:app where there is an app.py.")
@url_option
@json_option
def command(
    topics: tuple[str, ...],
    target: str,
    group: str | None,
    member: str | None,
    outputs: str | None,
    keep: bool,
    rate: str | None,
    dry_run: bool,
    restart: bool,
    force: bool,
    module: str | None,
    url: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Hand out again what lies in the log of TOPIC, or of all topics of the group.

    `--to group`: the group itself gets it, in a new generation. `--to side:NAME`: the app's handlers run on it in
    groups of their own, outputs withheld; live traffic is untouched. `--to file:PATH`: it is written as JSON lines.
    A replay that was stopped goes on where it was when the same is asked again.
    """
    checked(topics, "vagus replay")
    kind, _, name = target.partition(":")
    if (kind, bool(name)) not in (("group", False), ("side", True), ("file", True)):
        raise UsageError(f"--to {target!r}: expected group, side:NAME or file:PATH", hint=_EXAMPLE)
    given = {"--member": member, "--outputs": outputs, "--keep": keep, "--rate": rate, "--force": force}
    _fitting(kind, {**given, "--restart": restart})
    app = _app(module, url, needed=kind == "side")
    names = tuple(topics if app is None else (app.topics.qualified(topic) for topic in topics))
    selection = selection_of(names, options, must_start=_EXAMPLE)
    job = _Job(app, url, selection, dry_run, as_json, force)
    if kind == "side":
        asyncio.run(job.beside(name, group, outputs, keep, rate_of(rate), restart))
    elif kind == "group":
        asyncio.run(job.again(_group(app, group), member, rate_of(rate), restart))
    else:
        asyncio.run(job.into(Path(name), None if group is None else _group(app, group)))


_FITS = {
    "--member": "group",
    "--outputs": "side",
    "--keep": "side",
    "--rate": "group side",
    "--restart": "group side",
    "--force": "file",
}


def _fitting(kind: str, given: dict[str, object]) -> None:
    for option, value in given.items():
        if value and kind not in _FITS[option].split():
            raise UsageError(f"{option} means nothing with --to {kind}", hint="vagus replay --help")


def _app(module: str | None, url: str | None, *, needed: bool) -> App | None:
    if module is None and Path("app.py").is_file():
        module = "app:app"
    if module is None and needed:
        text = "a side group runs the handlers of an app, and there is no app.py here: expected --app"
        raise UsageError(text, hint=f"{_EXAMPLE} --app package.module:app")
    return None if module is None else load_app(module, url)


def _group(app: App | None, group: str | None) -> str:
    """Return the full name of the group that is meant: the one that was named, or the app's only one."""
    if app is None:
        if group is None:
            raise UsageError("expected --group, the group that gets the events again", hint="vagus groups ls")
        return group
    known = {name: full for g, h in app.handlers.items() for full in [app.topics.qualified(g)] for name in (g, full)}
    known |= {handler.name: app.topics.qualified(name) for name, handler in app.handlers.items()}
    if group is None and len(app.handlers) == 1:
        return next(iter(known.values()))
    if group is None:
        names = ", ".join(app.handlers) or "none"
        raise UsageError(f"app {app.name!r} has several groups ({names}): expected --group", hint="vagus groups ls")
    return known.get(group, group)


class _Job:
    """A replay from the command line; opens the backend, and tells."""

    def __init__(
        self, app: App | None, url: str | None, selection: Selection, dry_run: bool, as_json: bool, force: bool
    ) -> None:
        self._app = app
        self._url = url if app is None else app.url
        self._clock = SystemClock() if app is None else app.clock
        self._selection = selection
        self._dry_run = dry_run
        self._as_json = as_json
        self._force = force

    # --- beside ------------------------------------------------------------------------------------------------------

    async def beside(
        self, name: str, group: str | None, outputs: str | None, keep: bool, rate: float | None, restart: bool
    ) -> None:
        """Replay into side groups."""
        assert self._app is not None, "was asked for"
        async with opened(self._url, "vagus replay") as (backend, _):
            only = [] if group is None else [group]
            side = Side(self._app, backend, name, only=only, outputs=outputs, keep=keep)
            plans = await side.survey(self._selection, restart=restart)
            if self._dry_run:
                self._tell_plan([(plan.side, stretch) for plan in plans for stretch in plan.stretches])
                return
            self._tell_resumed(plans)
            left = sum(plan.count - plan.resumed for plan in plans)
            with progress(left, "replaying") as bar:
                run = side.run(self._selection, rate=rate, restart=restart, told=lambda _, count: bar.update(count))
                reports = await run
        self._tell_sides(reports)

    def _tell_resumed(self, plans: Sequence[SidePlan]) -> None:
        for plan in plans:
            if plan.resumed:
                click.echo(f"{plan.side}: going on after {plan.resumed} of {plan.count} events", err=True)

    def _tell_sides(self, reports: Sequence[SideReport]) -> None:
        if self._as_json:
            print_json([{**_books(report), **_rest(report)} for report in reports])
        elif not reports:
            click.echo("nothing to replay: no group of the app hears anything that is meant")
        for report in reports if not self._as_json else ():
            done = f"{number(report.books.acked, 'event')} of {report.count} handled"
            dead = f", {number(report.books.dead, 'dead letter')}" if report.books.dead else ""
            stays = "kept" if report.kept else "dropped"
            click.echo(f"{report.side}: {done}{dead} in generation {report.generation}; {stays}")
            if report.books.dead:
                click.echo(f"look at them: vagus dead ls {report.side}")
            if report.kept:
                click.echo(f"remove it with all that it holds: vagus groups drop {report.side}")
        if any(report.books.dead for report in reports):
            raise SystemExit(1)

    # --- again -------------------------------------------------------------------------------------------------------

    async def again(self, group: str, member: str | None, rate: float | None, restart: bool) -> None:
        """Replay into the group itself."""
        async with opened(self._url, "vagus replay") as (backend, _):
            again = Again(backend, self._reader(backend), self._clock, group, member)
            if self._dry_run:
                self._tell_plan([(group, stretch) for stretch in await again.survey(self._selection)])
                return
            with progress(0, "replaying") as bar:
                done = await again.run(self._selection, rate=rate, restart=restart, told=bar.update)
        if self._as_json:
            print_json(msgspec.to_builtins(done))
        else:
            resumed = f", {done.resumed} of them before" if done.resumed else ""
            told = f"{number(done.count, 'event')} handed out again to {group} in generation {done.generation}"
            click.echo(told + resumed)

    def _reader(self, backend: Any) -> Reader:
        topics = None if self._app is None else self._app.topics
        if topics is None:
            return Reader(backend, self._clock)
        return Reader(backend, self._clock, lambda topic: topics.settings(topics.bare(topic)).wire)

    # --- into a file -------------------------------------------------------------------------------------------------

    async def into(self, path: Path, group: str | None) -> None:
        """Write to a file what a group, or anybody, would be handed."""
        async with opened(self._url, "vagus replay") as (backend, _):
            reader = self._reader(backend)
            if group is None:
                stretches = await reader.survey(self._selection)
            else:
                stretches = await Again(backend, reader, self._clock, group).survey(self._selection)
            if self._dry_run:
                self._tell_plan([(str(path), stretch) for stretch in stretches])
                return
            count = sum(stretch.count for stretch in stretches)
            with whole_file(path, replace=self._force) as write, progress(count, "writing") as bar:
                done = await export_events(reader, self._selection, write, stretches=stretches, told=bar.update)
        if self._as_json:
            print_json({"file": str(path), "count": done.count, "topics": [stretch_record(s) for s in done.stretches]})
        else:
            click.echo(f"{number(done.count, 'event')} written to {path}")

    def _tell_plan(self, planned: Sequence[tuple[str, Stretch]]) -> None:
        if self._as_json:
            print_json([{"to": to, **stretch_record(stretch)} for to, stretch in planned])
            return
        count = sum(stretch.count for _, stretch in planned)
        if planned:
            rows = [(to, r["topic"], r["events"], r["first_at"], r["last_at"]) for to, r in _records(planned)]
            print_table(("TO", "TOPIC", ">EVENTS", "FIRST", "LAST"), rows)
        click.echo(f"{number(count, 'event')} would be replayed; nothing was moved")


def _records(planned: Sequence[tuple[str, Stretch]]) -> list[tuple[str, dict[str, Any]]]:
    return [(to, stretch_record(stretch)) for to, stretch in planned]


def _rest(report: SideReport) -> dict[str, Any]:
    return {name: getattr(report, name) for name in ("group", "side", "generation", "count", "resumed", "kept")}


def _books(report: SideReport) -> dict[str, Any]:
    return {name: getattr(report.books, name) for name in ("acked", "dead", "expired", "cancelled", "skipped")}
