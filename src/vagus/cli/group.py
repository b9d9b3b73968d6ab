"""Subcommands by name, loaded when called, so that help is fast; and the one place where errors become exit codes."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from vagus.cli.failure import report, report_usage
from vagus.errors import UsageError, VagusError

INTERRUPTED = 130
"""What a shell expects of a command that was stopped with Ctrl-C."""


class Listing(click.Group):
    """A group of commands that lists where no command of it is named: `vagus groups` means `vagus groups ls`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words after the group's name; a shell that completes them means what it says."""
        if not ctx.resilient_parsing and (
            not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        ):
            args = ["ls", *args]
        return super().parse_args(ctx, args)


class Commands(click.Group):
    """A group whose subcommands are the attribute `command` of modules of the same name in `package`.

    `homes`: those that are in a module of another name; under their own name where several share it.

    Ends with 0 (ok), 1 (a problem), 2 (wrong use) or 3 (cannot reach the backend).
    """

    def __init__(
        self, *, package: str, summaries: Mapping[str, str], homes: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        super().__init__(context_settings={"help_option_names": ["-h", "--help"]}, **options)
        self._package = package
        self._summaries = summaries
        self._homes = homes or {}
        self.params.append(click.Option(["--version"], is_flag=True, is_eager=True, callback=_version, help="Show it."))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which help shows them."""
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the module of one subcommand."""
        if cmd_name not in self._summaries:
            return None
        module = importlib.import_module(f"{self._package}.{self._homes.get(cmd_name, cmd_name)}")
        found = getattr(module, "command", None) or getattr(module, cmd_name, None)
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand that `args` start with; raises UsageError that names the nearest one."""
        near = difflib.get_close_matches(args[0], self._summaries, 1)
        if args[0] in self._summaries or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        meant = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(self._summaries)}"
        raise click.UsageError(f"there is no command {args[0]!r}: {meant}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; what it raises from within a group of tasks is raised as itself."""
        try:
            with _unwrapped():
                return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has seen enough; nothing more may be written, at exit neither.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        """Run a command line, and end the process with its exit code."""
        given = list(sys.argv[1:] if args is None else args)
        options["standalone_mode"] = False
        options["prog_name"] = self.name
        with _written_somewhere():
            code = self._ended(given, *rest, **options)
        sys.exit(code)

    def _ended(self, args: list[str], *rest: Any, **options: Any) -> int:
        try:
            code = super().main(args, *rest, **options)
        except VagusError as error:
            return report(error, args)
        except click.exceptions.NoArgsIsHelpError as asked:
            click.echo(asked.format_message(), err=True)
            return UsageError.exit_code
        except click.ClickException as error:
            return report_usage(error, args)
        except (click.Abort, KeyboardInterrupt):
            return INTERRUPTED
        return code if isinstance(code, int) else 0


@contextmanager
def _written_somewhere() -> Iterator[None]:
    """Give a process that was started without a standard output or error one that swallows what is written."""
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


@contextmanager
def _unwrapped() -> Iterator[None]:
    """Raise an error of ours, or that a pipe was closed, as itself where a group of tasks has wrapped it up."""
    try:
        yield
    except* (VagusError, BrokenPipeError) as several:
        raise _first(several) from None


def _first(several: BaseExceptionGroup[Any]) -> BaseException:
    found = several.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"vagus {importlib.metadata.version('vagus')}")
        ctx.exit()
