"""Writing a part of the log as JSON lines, a page at a time, into a file that is there whole or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from vagus.errors import DiskFull, InvalidArgument
from vagus.history.line import line_of
from vagus.history.reading import Reader, Selection, Stretch

CHUNK = 1 << 18
"""How many bytes are gathered before they are written."""

Write = Callable[[bytes], object]


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: how many events, and what of each topic was looked at."""

    count: int
    stretches: tuple[Stretch, ...]


async def export_events(
    reader: Reader,
    selection: Selection,
    write: Write,
    *,
    stretches: list[Stretch] | None = None,
    told: Callable[[int], object] = lambda count: None,
) -> Exported:
    """Write the events that are meant, a line each, in the order of storing; within a topic that of positions.

    `write` is called in a thread, with whole lines. `stretches`: what `Reader.survey` found, to spare another look.
    `told` is told how many lines were written. Holds a page of each topic in memory. Events that wait for their due
    time are not in the log yet, and not among them.
    """
    meant = await reader.survey(selection) if stretches is None else stretches
    chunk = bytearray()
    lines = count = 0
    async for found in reader.found(meant):
        if not reader.fits(selection.only, found):
            continue
        chunk += line_of(found, reader.wire_of(found.topic))
        lines += 1
        if len(chunk) >= CHUNK:
            await asyncio.to_thread(write, bytes(chunk))
            told(lines)
            count, lines = count + lines, 0
            chunk.clear()
    await asyncio.to_thread(write, bytes(chunk))
    told(lines)
    return Exported(count=count + lines, stretches=tuple(meant))


@contextmanager
def whole_file(path: Path, *, replace: bool = False) -> Iterator[Write]:
    """Open a file that appears under its name when the block ends well, and not at all when it does not.

    Readable by its owner alone. Raises InvalidArgument where the file is there already (unless `replace`) or cannot be
    made, DiskFull where it does not fit.
    """
    if path.exists() and not replace:
        raise InvalidArgument(f"there is a file {str(path)!r} already", hint="name another, or add --force")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise InvalidArgument(f"cannot write {str(path)!r}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        text = f"cannot write {str(path)!r}: {error.strerror}"
        raise DiskFull(text, hint="free some space, and run it again; no half file is left") from error
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
