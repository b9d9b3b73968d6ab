"""`vagus doctor`: what a backend is, how it is set, and what in it needs somebody."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from vagus.app.app import App
from vagus.app.steering.wanted import wanted_of_groups
from vagus.backend import Ago, Backend, Capabilities, Catalogue
from vagus.cli.failure import with_url
from vagus.cli.findings import findings
from vagus.cli.findings.examined import Examined, Finding
from vagus.cli.letters import letters_of
from vagus.cli.loading import load_app
from vagus.cli.option import json_option, url_option
from vagus.cli.output import number, print_json, size, style
from vagus.cli.target import database_file, named, opened
from vagus.errors import mask_url
from vagus.registry import create_backend

_RECENT_S = 60.0
_RECENT = 100


@click.command("doctor")
@click.argument("target", metavar="[URL]", required=False)
@click.option("--app", "app_target", metavar="MODULE:APP", help="Hold the code of this app against what is there.")
@url_option
@json_option
def command(target: str | None, app_target: str | None, url: str | None, as_json: bool) -> int:
    """Look for what is wrong with a backend.

    Shows its version, settings and capabilities, and looks for groups that nobody works for or that are paused, dead
    letters that wait, topics that nobody reads, what dead members left behind, short leases, clocks that differ and
    files that others can read. With --app also for retries that nothing makes durable, outputs that nobody reads, and
    groups that the code has no handler for any more. Ends with 1 where something needs somebody.
    """
    app = load_app(app_target) if app_target else None
    backend_url = named(target or url or (app.url if app else None), "vagus doctor")
    seen = asyncio.run(_examine(backend_url, app))
    found = [_complete(finding, target, app_target) for finding in findings(seen)]
    if as_json:
        print_json(_record(seen, found))
    else:
        _print(seen, found, backend_url)
    return int(any(finding.level == "problem" for finding in found))


def _complete(finding: Finding, target: str | None, app_target: str | None) -> Finding:
    """Return the finding with a hint that works as it stands."""
    args = ["--url", target] if target else sys.argv[1:]
    hint = finding.hint.replace("app.py:app", app_target) if app_target else finding.hint
    return msgspec.structs.replace(finding, hint=with_url(hint, args))


async def _examine(url: str, app: App | None) -> Examined:
    if app is not None and (own := await _capabilities(url)) is not None:
        return _code_alone(own, app)
    async with opened(url, "vagus doctor") as (backend, capabilities):
        settings = {**_file_facts(url), **capabilities.settings}
        capabilities = msgspec.structs.replace(capabilities, settings=settings)
        return await examine(backend, capabilities, app)


async def examine(backend: Backend, capabilities: Capabilities, app: App | None = None) -> Examined:
    """Look at everything that is there."""
    catalogue = await backend.describe()
    names = [info.spec.name for info in catalogue.groups]
    books = {name: await backend.stats(name) for name in names}
    letters = {name: sum(s.standing == "open" for s in await letters_of(backend, name)) for name in names}
    read = {info.spec.name: await backend.read(info.spec.name, Ago(_RECENT_S), _RECENT) for info in catalogue.topics}
    return Examined(
        capabilities=capabilities,
        catalogue=catalogue,
        books=books,
        open_letters=letters,
        recent={topic: records for topic, records in read.items() if records},
        wanted=await wanted_of_groups(backend.store, names),
        now=time.time(),
        app=app,
    )


def _code_alone(capabilities: Capabilities, app: App) -> Examined:
    """Return what can be seen of an app whose backend lives inside its own process: what the code says."""
    return Examined(
        capabilities=capabilities,
        catalogue=Catalogue((), ()),
        books={},
        open_letters={},
        recent={},
        wanted={},
        now=time.time(),
        app=app,
    )


async def _capabilities(url: str) -> Capabilities | None:
    """Return what an app's backend can do where it lives in the app's own process; None where others can look at it."""
    if database_file(url) is not None:
        return None
    backend = create_backend(url)
    try:
        capabilities = await backend.open()
        return None if capabilities.shared else capabilities
    finally:
        await backend.close()


def _file_facts(url: str) -> dict[str, str]:
    """Return what the file system says of the file behind a URL, where there is one."""
    file = database_file(url)
    if file is None or not file.is_file():
        return {}
    found = file.stat()
    count = sum(part.stat().st_size for part in (file, Path(f"{file}-wal")) if part.exists())
    return {"file": os.fspath(file), "mode": f"{stat.S_IMODE(found.st_mode):04o}", "size": size(count)}


def _record(seen: Examined, found: list[Finding]) -> dict[str, Any]:
    able = msgspec.to_builtins(seen.capabilities)
    return {"capabilities": able, "findings": [msgspec.to_builtins(finding) for finding in found]}


def _print(seen: Examined, found: list[Finding], url: str) -> None:
    able = seen.capabilities
    click.echo(f"{style(mask_url(url), bold=True)}  {able.system} {able.version}")
    for name, value in able.settings.items():
        click.echo(f"  {name:<16} {value}")
    flags = {name: value for name, value in msgspec.structs.asdict(able).items() if isinstance(value, bool)}
    for label, wanted in (("can", True), ("cannot", False)):
        names = [name.replace("_", " ") for name, value in flags.items() if value is wanted]
        if names:
            click.echo(click.wrap_text(f"  {label:<16} {', '.join(names)}", 78, "", " " * 19))
    held = f"{number(len(seen.catalogue.topics), 'topic')}, {number(len(seen.catalogue.groups), 'group')}"
    click.echo(f"  {'holds':<16} {held}\n")
    for finding in found:
        _print_finding(finding)
    if not found:
        click.echo("nothing to complain about")


def _print_finding(finding: Finding) -> None:
    look = {"fg": "red", "bold": True} if finding.level == "problem" else {"fg": "yellow"}
    click.echo(f"{style(finding.level, **look)}  {style(finding.subject, bold=True)}: {finding.text}")
    if finding.hint:
        click.echo(f"         hint: {finding.hint}")
