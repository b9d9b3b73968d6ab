"""`vagus dev`: an app while it is being written, run anew whenever a file of it changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from vagus.cli.dev.reload import Reload, Wish
from vagus.cli.dev.screen import JsonLines, Lines
from vagus.cli.loading import must_be_there
from vagus.cli.option import SPAN, url_option


@click.command("dev")
@click.argument("target", metavar="MODULE:APP")
@click.option(
    "--watch",
    "places",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Look at this file, or at the Python files below this folder; default: the current folder.",
)
@click.option("--grace", type=SPAN, metavar="TIME", help="How long the code from before may finish; default 10s.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines; what the app prints goes to stderr.")
@url_option
def command(target: str, places: tuple[Path, ...], grace: float | None, as_json: bool, url: str | None) -> int:
    """Run the handlers of an app, show its events, and take over edited code.

    When a file changes, a new process imports the code and works, and the one before it takes no more events, finishes
    what it began within its grace time, hands back the rest and ends. Code that cannot be imported is shown, and the
    process before it works on. Files are looked at twice a second. Each line is an event that was handled: its time,
    topic, key, data, handler, what it came to and how long that took.
    """
    must_be_there(target)
    wish = Wish(target, url, grace, places or (Path.cwd(),), as_json)
    return asyncio.run(Reload(wish, JsonLines() if as_json else Lines()).run())
