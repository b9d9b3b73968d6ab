"""`vagus check`: any backend, ours or a third party's, held to the delivery contract."""

from __future__ import annotations

from typing import Any

import click

from vagus.cli.option import json_option
from vagus.cli.output import print_json
from vagus.errors import mask_url
from vagus.testing.conformance import Summary, run


@click.command("check")
@click.argument("url")
@click.option("--only", default="", metavar="WORDS", help="Only scenarios whose names match, as in pytest's -k.")
@click.option("--all", "every", is_flag=True, help="Show every sentence, not only the broken ones.")
@json_option
def command(url: str, only: str, every: bool, as_json: bool) -> int:
    """Hold the backend behind URL to the delivery contract.

    Works under names of its own, removes them afterwards, and takes about a minute. Ends with 1 where a promise is
    broken.
    """
    summary = run(url, only=only, every=every, show=None if as_json else click.echo)
    if as_json:
        print_json(_record(summary))
    return int(not summary.ok)


def _record(summary: Summary) -> dict[str, Any]:
    return {
        "url": mask_url(summary.url),
        "system": summary.capabilities.system,
        "version": summary.capabilities.version,
        "counts": summary.counts,
        "took_s": round(summary.took_s, 3),
        "verdicts": summary.verdicts,
    }
