"""`vagus blobs`: which large bodies are kept, and removing those that nothing refers to any more."""

from __future__ import annotations

import asyncio
from typing import Any

import click
import msgspec

from vagus.app.app import App
from vagus.app.bodies.collect import GRACE_S, Collected, blobs_of
from vagus.blob import BlobInfo, BlobStore
from vagus.cli.group import Listing
from vagus.cli.loading import load_app
from vagus.cli.option import SPAN, json_option
from vagus.cli.output import number, print_json, print_table, size, span
from vagus.cli.target import must_be_shared
from vagus.errors import InvalidArgument


@click.group("blobs", cls=Listing)
def command() -> None:
    """List large bodies, or remove those that nobody needs."""


@command.command("ls")
@click.argument("target", metavar="MODULE:APP")
@json_option
def list_blobs(target: str, as_json: bool) -> None:
    """List the bodies in the blob store of an app.

    IDLE: since when nobody has published it; a body that is held for a delayed event is not idle yet (-).
    """
    found = asyncio.run(_listed(_blobs(load_app(target), target)))
    if as_json:
        print_json([msgspec.structs.asdict(info) for info in found])
    elif not found:
        click.echo("no bodies")
    else:
        rows = [(info.name, size(info.size), span(info.idle_s) if info.idle_s >= 0 else "-") for info in found]
        print_table(("BLOB", ">SIZE", ">IDLE"), rows)


@command.command("collect")
@click.argument("target", metavar="MODULE:APP")
@click.option("--grace", type=SPAN, default=GRACE_S, metavar="TIME", help="Keep what was published since; default 1d.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@json_option
def collect_blobs(target: str, grace: float, dry_run: bool, as_json: bool) -> None:
    """Remove the bodies that nothing refers to: no event that is kept, no dead letter, no run, no join, no outbox."""
    app = load_app(target)
    _blobs(app, target)
    found = asyncio.run(_collected(app, grace, dry_run))
    if as_json:
        print_json(msgspec.structs.asdict(found))
    else:
        click.echo(_told(found))


def _blobs(app: App, target: str) -> BlobStore:
    if app.blobs is None:
        raise InvalidArgument(f"the app {app.name!r} has no blob store", where=target, hint='App(..., blobs="bodies/")')
    return app.blobs


async def _listed(blobs: BlobStore) -> list[BlobInfo]:
    await blobs.open()
    try:
        return [info async for info in blobs_of(blobs)]
    finally:
        await blobs.close()


async def _collected(app: App, grace_s: float, dry_run: bool) -> Collected:
    async with app:
        # A backend that lives in another process would look empty here, and every body unneeded.
        must_be_shared(app.capabilities, app.url, "vagus blobs collect")
        return await app.collect_blobs(grace_s, dry_run=dry_run)


def _told(found: Collected) -> str:
    done = "would remove" if found.dry_run else "removed"
    rest: list[Any] = [f"{number(found.needed, 'body').replace('bodys', 'bodies')} needed ({size(found.needed_bytes)})"]
    rest.append(f"{found.fresh} too fresh to tell ({size(found.fresh_bytes)})")
    return f"{done} {found.removed} ({size(found.removed_bytes)}); {'; '.join(rest)}"
