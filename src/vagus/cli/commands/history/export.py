"""`vagus export`: a part of the log as JSON lines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from vagus.cli.option import url_option
from vagus.cli.output import number, progress
from vagus.cli.selecting import checked, filter_options, selection_of, stretch_options
from vagus.cli.target import opened
from vagus.clock import SystemClock
from vagus.history import Reader, Selection, export_events, whole_file
from vagus.history.export import Write


@click.command("export")
@click.argument("topics", metavar="TOPIC...", nargs=-1)
@click.option("-o", "--output", default="-", metavar="FILE", help="The file to write; default: standard output.")
@click.option("--force", is_flag=True, help="Write over a file that is there already.")
@stretch_options
@filter_options
@url_option
def command(topics: tuple[str, ...], output: str, force: bool, url: str | None, **options: Any) -> None:
    """Write what lies in the log as JSON lines: of TOPIC, or of all topics.

    Each line is an event as CloudEvents JSON with its topic, position, time, key, lane and generation. A file appears
    when it is complete, and not before. `vagus import` stores the lines again.
    """
    checked(topics, "vagus export")
    asyncio.run(_export(url, selection_of(topics, options), output, force))


async def _export(url: str | None, selection: Selection, output: str, force: bool) -> None:
    async with opened(url, "vagus export") as (backend, _):
        reader = Reader(backend, SystemClock())
        stretches = await reader.survey(selection)
        count = sum(stretch.count for stretch in stretches)
        with _sink(output, force) as write, progress(count, "writing") as bar:
            done = await export_events(reader, selection, write, stretches=stretches, told=bar.update)
    where = "standard output" if output == "-" else output
    click.echo(f"{number(done.count, 'event')} of {number(len(done.stretches), 'topic')} written to {where}", err=True)


@contextmanager
def _sink(output: str, force: bool) -> Iterator[Write]:
    if output != "-":
        with whole_file(Path(output), replace=force) as write:
            yield write
        return
    yield sys.stdout.buffer.write
    sys.stdout.buffer.flush()
