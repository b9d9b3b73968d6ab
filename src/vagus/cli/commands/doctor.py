"""`vagus doctor`: what a backend is, how it is set, and what in it needs somebody."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from vagus.backend import Ago, Backend, Capabilities
from vagus.cli.failure import with_url
from vagus.cli.findings import Examined, Finding, findings
from vagus.cli.letters import letters_of
from vagus.cli.option import json_option, url_option
from vagus.cli.output import number, print_json, size, style
from vagus.cli.target import database_file, named, opened
from vagus.errors import mask_url

_RECENT_S = 60.0


@click.command("doctor")
@click.argument("target", metavar="[URL]", required=False)
@url_option
@json_option
def command(target: str | None, url: str | None, as_json: bool) -> int:
    """Look for what is wrong with a backend.

    Shows its version, settings and capabilities, and looks for groups that nobody works for, dead letters that wait,
    topics that nobody reads, stalled members, short leases, clocks that differ and files that others can read. Ends
    with 1 where something needs somebody.
    """
    backend_url = named(target or url, "vagus doctor")
    seen = asyncio.run(_examine(backend_url))
    found = [_complete(finding, target) for finding in findings(seen)]
    if as_json:
        print_json(_record(seen, found))
    else:
        _print(seen, found, backend_url)
    return int(any(finding.level == "problem" for finding in found))


def _complete(finding: Finding, target: str | None) -> Finding:
    """Return the finding with a hint that works as it stands."""
    args = ["--url", target] if target else sys.argv[1:]
    return msgspec.structs.replace(finding, hint=with_url(finding.hint, args))


async def _examine(url: str) -> Examined:
    async with opened(url, "vagus doctor") as (backend, capabilities):
        settings = {**_file_facts(url), **capabilities.settings}
        capabilities = msgspec.structs.replace(capabilities, settings=settings)
        return await examine(backend, capabilities)


async def examine(backend: Backend, capabilities: Capabilities) -> Examined:
    """Look at everything that is there."""
    catalogue = await backend.describe()
    names = [info.spec.name for info in catalogue.groups]
    books = {name: await backend.stats(name) for name in names}
    letters = {name: sum(s.standing == "open" for s in await letters_of(backend, name)) for name in names}
    ages: dict[str, float] = {}
    for info in catalogue.topics:
        recent = await backend.read(info.spec.name, Ago(_RECENT_S), 100)
        if recent:
            ages[info.spec.name] = min(record.age_s for record in recent)
    return Examined(capabilities, catalogue, books, letters, ages)


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
