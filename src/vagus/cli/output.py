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

_GAP = 2
_FOLDED = 16
"""How narrow a column of a table may become by folding."""

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
    """Print a table; a leading `>` aligns a column to the right. Long cells are folded, names and figures never.

    The first column is what is copied into the next command: it stays whole, even where the terminal is too narrow.
    """
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[Text(str(cell)) for cell in row] for row in rows]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 0, 0, 1))
    needed = 0
    for at, column in enumerate(columns):
        name, right = column.removeprefix(">"), column.startswith(">")
        whole = right or at == 0
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=whole)
        widest = max([len(name), *(cell_len(line) for row in cells for line in row[at].plain.split("\n"))])
        needed += _GAP + (widest if whole else min(widest, _FOLDED))
    for row in cells:
        table.add_row(*row)
    Console(
        file=sys.stdout,
        width=max(shutil.get_terminal_size().columns, needed - _GAP),
        no_color=not coloured(sys.stdout),
        force_terminal=coloured(sys.stdout),
        highlight=False,
    ).print(table)


def style(text: str, **look: Any) -> str:
    """Return `text` in that look where stdout shows colour, else as it is."""
    return click.style(text, **look) if coloured(sys.stdout) else text


def number(count: int, noun: str) -> str:
    """Return the count with its noun, in the plural unless it is one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def span(seconds: float | None) -> str:
    """Return a duration in its largest fitting unit (`3.5s`, `12m`, `2.1d`); `-` for none."""
    if seconds is None:
        return "-"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + unit
    return f"{seconds:.1f}".removesuffix(".0") + "s"


def progress(count: int, label: str) -> Any:
    """Return a context that shows a progress bar of `count` steps on stderr, where that is a terminal."""
    return click.progressbar(length=count, label=label, file=sys.stderr, hidden=not sys.stderr.isatty())


def size(count: float) -> str:
    """Return a number of bytes in a readable unit (`12 kB`, `3.4 MB`)."""
    for unit in ("B", "kB", "MB"):
        if count < 1_000:
            return f"{count:.3g} {unit}"
        count /= 1_000
    return f"{count:.3g} GB"
