"""What `vagus dev` shows: a line for each event that was handled, and what becomes of the processes.

For people, lines of the terminal's width (80 columns where there is none), in colour on a terminal alone; with --json,
a JSON object a line.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import click
import msgspec
from rich.cells import cell_len, set_cell_size

from vagus.cli.dev.message import Failed, Handled, Message, Missed, Stopped, Working
from vagus.cli.output import number, print_json_line, span, style

LEAST_DATA = 12
"""How many columns of data are shown at least, however long the names are."""

LOOKS: dict[str, dict[str, Any]] = {"acked": {"fg": "green"}, "retry": {"fg": "yellow"}, "dead": {"fg": "red"}}


class Screen(Protocol):
    """Who is told what happens."""

    def told(self, message: Message) -> None:
        """A process of the app tells something."""

    def working(self, working: Working, instead_of: int | None) -> None:
        """A process works from now on, in place of the one with the pid `instead_of`."""

    def changed(self, files: Sequence[str]) -> None:
        """These files were changed."""

    def failed(self, failed: Failed, old: int | None) -> None:
        """A process could not start; the one with the pid `old` works on, where there is one."""

    def in_turn(self, pid: int, why: str) -> None:
        """The process `pid` has to end before the next one can open."""

    def died(self, pid: int, how: str) -> None:
        """A process ended without having been told to."""


class Lines:
    """The same for people."""

    def told(self, message: Message) -> None:
        """Show one handled event, or what else is told."""
        if isinstance(message, Handled):
            self._handled(message)
        elif isinstance(message, Missed):
            _say(f"{number(message.count, 'event')} handled meanwhile, not shown")
        elif isinstance(message, Stopped):
            rest = f", {message.handed_back} handed back" if message.handed_back else ""
            failed = f", {message.failed} failed" if message.failed else ""
            _say(f"pid {message.pid} has ended: {message.handled} handled{failed}{rest}")

    def _handled(self, one: Handled) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(one.at))
        word = _word(one)
        name = one.topic if one.key is None else f"{one.topic} {one.key}"
        tail = f"{one.group.partition('.')[2] or one.group} {word}"
        took = f"{one.ms:.0f} ms"
        room = max(LEAST_DATA, _columns() - cell_len(f"{clock} {name}  {tail} {took}"))
        data = fitted(one.data, room)
        look = LOOKS.get(one.came, {"dim": True})
        head = f"{style(clock, dim=True)} {style(name, fg='cyan')} {data}"
        click.echo(f"{head} {tail.removesuffix(word)}{style(word, **look)} {style(took, dim=True)}")
        for more in (f"→ {', '.join(one.outputs)}" if one.outputs else "", one.error):
            if more:
                click.echo(f"{'':9}{style(fitted(' '.join(more.split()), _columns() - 9).rstrip(), dim=True)}")

    def working(self, working: Working, instead_of: int | None) -> None:
        """Show what works now."""
        after = f", instead of pid {instead_of}" if instead_of else ""
        _say(f"pid {working.pid} works{after}: app {working.app} on {working.url}")
        if instead_of is None:
            click.echo(f"{'':9}groups: {', '.join(working.groups)}")
            if not working.shared:
                text = "this backend lives in that process: nobody else can publish to it, and a reload forgets"
                click.echo(f"{'':9}{text}")

    def changed(self, files: Sequence[str]) -> None:
        """Show what is reloaded."""
        names = [_near(file) for file in files[:3]]
        _say(f"changed: {', '.join(names)}" + (f" and {len(files) - 3} more" if len(files) > 3 else ""))

    def failed(self, failed: Failed, old: int | None) -> None:
        """Show an error as commands do, and who works on."""
        click.echo(f"{style('error', fg='red', bold=True)} {failed.code}: {failed.what}")
        if failed.where:
            click.echo(f"   in {failed.where}")
        if failed.hint:
            click.echo(f"{style('hint', bold=True)}: {failed.hint}")
        _say(f"pid {old} works on with the code from before" if old else "nothing works until a file is saved")

    def in_turn(self, pid: int, why: str) -> None:
        """Show why a process ends first."""
        _say(f"pid {pid} ends first, since {why}; events wait meanwhile")

    def died(self, pid: int, how: str) -> None:
        """Show that a process is gone."""
        _say(f"pid {pid} {how}; what it held comes again when its lease is over. Save a file to start anew")


class JsonLines:
    """The same for programs."""

    def told(self, message: Message) -> None:
        """Print the message as it is."""
        print_json_line(message)

    def working(self, working: Working, instead_of: int | None) -> None:
        """Print what works now."""
        print_json_line(msgspec.structs.replace(working, instead_of=instead_of))

    def changed(self, files: Sequence[str]) -> None:
        """Print what is reloaded."""
        print_json_line({"kind": "changed", "files": list(files)})

    def failed(self, failed: Failed, old: int | None) -> None:
        """Print the error, and who works on."""
        print_json_line(msgspec.to_builtins(failed) | {"works_on": old})

    def in_turn(self, pid: int, why: str) -> None:
        """Print which process ends first."""
        print_json_line({"kind": "in_turn", "pid": pid, "why": why})

    def died(self, pid: int, how: str) -> None:
        """Print that a process is gone."""
        print_json_line({"kind": "died", "pid": pid, "how": how})


def fitted(text: str, columns: int) -> str:
    """Return `text` in exactly that many columns of a terminal: cut with `…`, or filled up."""
    if cell_len(text) > columns:
        text = set_cell_size(text, columns - 1).rstrip(" ") + "…"
    return text + " " * (columns - cell_len(text))


def _word(one: Handled) -> str:
    if one.came == "acked":
        return "ok" if one.attempt == 1 else f"ok (attempt {one.attempt})"
    if one.came == "retry":
        return f"retry in {span(one.after_s)}"
    return one.came


def _say(text: str) -> None:
    clock = time.strftime("%H:%M:%S")
    click.echo(f"{style(clock, dim=True)} {style(text, bold=True)}")


def _columns() -> int:
    return shutil.get_terminal_size().columns


def _near(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
