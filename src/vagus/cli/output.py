"""What a command prints: JSON for programs, tables of at most the terminal's width for people, colour where wanted.

Its imports are few, since every command line starts here: msgspec and rich are loaded when something is printed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any

import click

_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "m"))


def coloured(stream: IO[Any]) -> bool:
    """Whether to use colour on `stream`: on a terminal, and never with NO_COLOR or TERM=dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_json(value: object) -> None:
    """Print `value` as one indented JSON document."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_json_line(value: object) -> None:
    """Print `value` as one line of JSON, at once."""
    import msgspec

    click.echo(msgspec.json.encode(value).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; columns named in capitals with a leading `>` are aligned to the right, long cells are folded."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.removeprefix(">"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console(
        file=sys.stdout,
        width=shutil.get_terminal_size().columns,
        no_color=not coloured(sys.stdout),
        force_terminal=coloured(sys.stdout),
        highlight=False,
    )
    console.print(table)


def style(text: str, **look: Any) -> str:
    """Return `text` in that look where stdout shows colour, else as it is."""
    return click.style(text, **look) if coloured(sys.stdout) else text


def span(seconds: float | None) -> str:
    """Return a duration in its largest fitting unit (`3.5s`, `12m`, `2.1d`); `-` for none."""
    if seconds is None:
        return "-"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + unit
    return f"{seconds:.1f}".removesuffix(".0") + "s"


def size(count: float) -> str:
    """Return a number of bytes in a readable unit (`12 kB`, `3.4 MB`)."""
    for unit in ("B", "kB", "MB"):
        if count < 1_000:
            return f"{count:.3g} {unit}"
        count /= 1_000
    return f"{count:.3g} GB"
