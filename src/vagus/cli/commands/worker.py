"""`vagus worker`: the handlers of an app, run until told to stop."""

from __future__ import annotations

import asyncio
import logging

import click

from vagus.app.app import App
from vagus.cli.loading import load_app
from vagus.cli.log import start_logging
from vagus.cli.option import SPAN, url_option
from vagus.errors import InvalidArgument, InvalidHandler

_log = logging.getLogger("vagus.worker")


@click.command("worker")
@click.argument("target", metavar="MODULE:APP")
@click.option("--only", multiple=True, metavar="HANDLER", help="Only this handler (repeat for several); default: all.")
@click.option(
    "--grace", type=SPAN, metavar="TIME", help="How long running handlers may finish at SIGTERM; default 10s."
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME=VALUE",
    help="What this worker says of itself to a pick, such as lang=zh (repeat for several).",
)
@click.option("--weight", type=int, metavar="N", help="Its share under a pick that weighs; default 1.")
@click.option("--member", metavar="NAME", help="Its name as a member; default made of host and process.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@url_option
def command(
    target: str,
    only: tuple[str, ...],
    grace: float | None,
    labels: tuple[str, ...],
    weight: int | None,
    member: str | None,
    log_level: str,
    url: str | None,
) -> None:
    """Run the handlers of an app until SIGTERM or Ctrl-C.

    MODULE:APP is the app, as `package.module:app` or `file.py:app`. Told to stop, the worker takes no new events,
    lets running handlers finish within the grace time, hands the rest back, and says what it did. Logs are JSON
    lines where stderr is no terminal.
    """
    start_logging(log_level)
    app = load_app(target, url)
    if grace is not None:
        app.grace_s = grace
    app.describe_members(labels=_labels(labels), weight=weight, member=member)
    _check(app, target)
    asyncio.run(app.work(only or None))


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidArgument(f"label {text!r}: expected NAME=VALUE", hint="--label lang=zh")
        labels[name] = value
    return labels


def _check(app: App, target: str) -> None:
    if not app.handlers:
        raise InvalidHandler(
            f"{target} has no handlers: a worker would do nothing", hint="declare some with @app.on(...)"
        )
    if app.url.startswith("memory:"):
        text = "%s lives inside this process: only what its own handlers publish will arrive; share a sqlite:/// file"
        _log.warning(text, app.url)
