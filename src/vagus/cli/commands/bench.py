"""`vagus bench`: how fast it is here, beside the same job written by hand on the same driver."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from vagus.cli.option import SPAN, json_option
from vagus.cli.output import coloured, print_json, style
from vagus.testing.benchmark.result.plot import drawing
from vagus.testing.benchmark.result.report import Findings
from vagus.testing.benchmark.result.table import closing_line, fact_lines, finding_lines
from vagus.testing.benchmark.run import Wish, run


@click.command("bench")
@click.argument("urls", metavar="[URL...]", nargs=-1)
@click.option("--workload", "workloads", multiple=True, metavar="W1", help="Only this one; repeat for several.")
@click.option(
    "--rounds", type=click.IntRange(1), default=5, show_default=True, help="Rounds of each lane, after a warm-up."
)
@click.option("--events", type=click.IntRange(1), metavar="N", help="Events a round; default: each workload's own.")
@click.option("--idle", "idle_s", type=SPAN, default="60s", show_default=True, help="How long W7 watches idle workers.")
@click.option("--large", is_flag=True, help="W6 with a backlog of a million events too.")
@click.option("--plot", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Draw an SVG file.")
@click.option("--strict", is_flag=True, help="End with 1 where a bar is missed.")
@json_option
def command(
    urls: tuple[str, ...],
    workloads: tuple[str, ...],
    rounds: int,
    events: int | None,
    idle_s: float,
    large: bool,
    plot: Path | None,
    strict: bool,
    as_json: bool,
) -> int:
    """Measure how fast vagus is on this machine.

    On memory:// and on a SQLite file beside vagus.db, unless URLs are given; data of yours is not touched. Each
    workload runs in lanes that take turns: vagus, the same job written by hand (raw), and less than the job (bare).
    Compare figures of one run only. Missing a bar is no error, unless with --strict.
    """
    wish = Wish(urls, workloads, rounds=rounds, events=events, idle_s=idle_s, large=large)
    with Screen(silent=as_json) as screen:
        report = run(wish, screen)
    if plot is not None:
        plot.write_text(drawing(report), encoding="utf-8")
    if as_json:
        print_json(report)
    else:
        click.echo(style(closing_line(report.findings), bold=True))
    return int(strict and report.missed > 0)


class Screen:
    """Prints tables as they are found, and a bar meanwhile where stderr is a terminal."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        console = Console(stderr=True, no_color=not coloured(sys.stderr))
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        # What is printed goes to stdout, which may be a file: rich must not take it over for the bar's sake.
        self._bar = Progress(
            *columns,
            console=console,
            transient=True,
            auto_refresh=False,  # a thread that draws would be measured too
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def facts(self, facts: dict[str, str]) -> None:
        """Show the machine."""
        self._say("\n".join(fact_lines(facts)))

    def begin(self, workload: str, system: str, turns: int) -> Callable[[str], None]:
        """Begin a bar."""
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        task = self._bar.add_task(f"{workload} {system}", total=turns)
        self._bar.start()

        def tick(lane: str) -> None:
            self._bar.advance(task)
            self._bar.refresh()

        return tick

    def found(self, findings: Findings) -> None:
        """Take the bar away and show a table."""
        self._bar.stop()
        title, *rest = finding_lines(findings)
        self._say("\n".join(("", style(title, bold=True), *map(_painted, rest))))

    def _say(self, text: str) -> None:
        if not self._silent:
            click.echo(text)


def _painted(line: str) -> str:
    if line.lstrip().startswith("MISSED"):
        return style(line, fg="yellow")
    return style(line, dim=True) if line.lstrip().startswith("met") else line
