"""`vagus import`: JSON lines into the log, each event once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import click
import msgspec

from vagus.cli.option import SPAN, json_option, url_option
from vagus.cli.output import number, print_json
from vagus.cli.target import opened
from vagus.errors import InvalidArgument
from vagus.history import Imported, Intake
from vagus.history.intake import LONGEST


@click.command("import")
@click.argument("file", metavar="FILE")
@click.option("--topic-prefix", metavar="PREFIX", help="Store into PREFIX.TOPIC instead of TOPIC.")
@click.option("--keep", type=SPAN, metavar="TIME", help="Let topics that nobody listens to keep events for so long.")
@url_option
@json_option
def command(file: str, topic_prefix: str | None, keep: float | None, url: str | None, as_json: bool) -> None:
    """Store the events of FILE (or - for stdin), as `vagus export` writes them, a line each.

    An event keeps its id, so that importing it again changes nothing. A line that is no event is named by its number,
    the others are stored, and the command ends with 1. Groups that listen to the topics get the events.
    """
    done = asyncio.run(_import(url, file, topic_prefix, keep))
    if as_json:
        print_json(msgspec.to_builtins(done))
    else:
        _tell(done)
    if done.failed:
        raise SystemExit(1)


def _tell(done: Imported) -> None:
    for bad in done.bad:
        click.echo(f"line {bad.number}: {bad.why}", err=True)
    if done.failed > len(done.bad):
        click.echo(f"and {number(done.failed - len(done.bad), 'more line')}", err=True)
    before = f", {done.duplicates} stored before" if done.duplicates else ""
    failed = f", {number(done.failed, 'line')} not stored" if done.failed else ""
    click.echo(f"{number(done.stored, 'event')} stored in {number(len(done.topics), 'topic')}{before}{failed}")


async def _import(url: str | None, file: str, prefix: str | None, keep: float | None) -> Imported:
    with _opened(file) as lines:
        async with opened(url, "vagus import", make=True) as (backend, _):
            return await Intake(backend, prefix=prefix, keep_s=keep).run(_lines(lines))


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = open(file, "rb")  # noqa: SIM115  closed below
    except OSError as error:
        raise InvalidArgument(f"cannot read {file!r}: {error.strerror}", hint="vagus export -o FILE") from error
    with stream:
        yield stream


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; of one that is too long only its beginning, which is enough to refuse it."""
    while line := stream.readline(LONGEST + 2):
        if len(line) > LONGEST and not line.endswith(b"\n"):
            while (rest := stream.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
        yield line
