"""How an error looks: what, where, an empty line, a hint with a command to copy; secrets masked, no traceback."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import click

from vagus.cli.output import coloured
from vagus.errors import InvalidArgument, UsageError, VagusError, mask_url


def report(error: VagusError, args: Sequence[str]) -> int:
    """Write `error`, which the words `args` led to, to stderr; return the exit code that the command ends with."""
    _write(error.what, error.where, with_url(error.hint, args), error.code)
    return error.exit_code


def with_url(hint: str, args: Sequence[str]) -> str:
    """Return a hint that is a command with the `--url` of `args`, so that it works as it stands."""
    given = [arg.removeprefix("--url=") for arg in args if arg.startswith("--url=")]
    given += [args[at + 1] for at, arg in enumerate(args[:-1]) if arg == "--url"]
    if not given or not hint.startswith("vagus ") or any(word in hint for word in ("--url", "--help")):
        return hint
    return f"{hint} --url {shlex.quote(given[-1])}"


def report_usage(error: click.ClickException, args: Sequence[str]) -> int:
    """Write a wrong use of the command line to stderr in the same style, and return 2."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    path = ctx.command_path if ctx else "vagus"
    code = InvalidArgument.code if isinstance(error, click.BadParameter) else UsageError.code
    _write(error.format_message(), " ".join(["vagus", *args]), f"{path} --help", code)
    return UsageError.exit_code


def _write(what: str, where: str, hint: str, code: str) -> None:
    colour = coloured(sys.stderr)
    mark = click.style("error", fg="red", bold=True)
    lines = [f"{mark} {code}: {_one_line(what)}"]
    if where:
        lines.append(f"   in {_one_line(where)}")
    if hint:
        lines += ["", f"{click.style('hint', bold=True)}: {_one_line(hint)}"]
    click.echo("\n".join(lines), err=True, color=colour)


def _one_line(text: str) -> str:
    return mask_url(" ".join(text.split()))
