"""`vagus publish`: events from the command line into a topic."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from vagus.app.app import App
from vagus.app.publisher import Receipt
from vagus.cli.loading import load_app
from vagus.cli.option import JSON, SPAN, json_option, url_option
from vagus.cli.output import print_json_line
from vagus.cli.target import must_be_shared, named
from vagus.errors import InvalidArgument, UsageError
from vagus.message import check_topic

_BATCH = 500


@click.command("publish")
@click.argument("topic")
@click.argument("data", required=False)
@click.option("--lines", is_flag=True, help="Read events from stdin, one JSON value a line.")
@click.option("--key", help="What the events are ordered by.")
@click.option("--delay", type=SPAN, default=0.0, metavar="TIME", help="Not before that long from now (90s, 10m).")
@click.option("--expires", type=SPAN, metavar="TIME", help="Not handled later than that long from now.")
@click.option("--priority", type=click.IntRange(0, 9), help="0 to 9, higher first; for a topic with priorities.")
@click.option("--id", "event_id", help="The event's id: publishing it again changes nothing.")
@click.option("--source", help="The event's source; default vagus/NAME-OF-THE-APP.")
@click.option("--app", "target", metavar="MODULE:APP", help="Publish as this app: its URL, namespace and settings.")
@url_option
@json_option
def command(
    topic: str,
    data: str | None,
    lines: bool,
    key: str | None,
    delay: float,
    expires: float | None,
    priority: int | None,
    event_id: str | None,
    source: str | None,
    target: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Publish DATA (JSON, or - for stdin) to TOPIC, and print the event's id when it is stored."""
    check_topic(topic)
    options = {
        "topic": topic,
        "key": key,
        "delay_s": delay,
        "expires_s": expires,
        "priority": priority,
        "id": event_id,
        "source": source,
    }
    app = load_app(target, url) if target else App(named(url, "vagus publish"), name="vagus-publish")
    texts = _texts(data, lines)
    if event_id is not None and lines:
        raise UsageError("--id names one event; --lines brings many", hint="give one of the two")
    asyncio.run(_publish(app, texts, options, as_json))


def _texts(data: str | None, lines: bool) -> Iterator[str]:
    if lines == (data is not None):
        raise UsageError("expected DATA or --lines", hint='vagus publish user_query \'{"text": "hi"}\'')
    if lines:
        return (line for line in sys.stdin if line.strip())
    return iter([sys.stdin.read() if data == "-" else str(data)])


def _event(app: App, topic: str, text: str) -> Any:
    """Return the event that a text means: of the class that the app has for the topic, else a JSON object."""
    etype = app.topics.type_of(topic)
    if etype is not None:
        return etype.decode_data(text.encode("utf-8", "surrogateescape"))  # the bytes as they came
    value = JSON.convert(text, None, None)
    if not isinstance(value, dict):
        hint = 'vagus publish user_query \'{"text": "hi"}\''
        raise InvalidArgument(f"the data of an event is a JSON object, not {type(value).__name__}", hint=hint)
    return value


async def _publish(app: App, texts: Iterator[str], options: dict[str, Any], as_json: bool) -> None:
    async with app:
        must_be_shared(app.capabilities, app.url, "vagus publish")
        if options["priority"] is not None:
            await _learn_lanes(app, options["topic"])
        batch: list[Any] = []
        for text in texts:
            batch.append(_event(app, options["topic"], text))
            if len(batch) == _BATCH:
                _tell(await app.publish(batch, **options), as_json)
                batch = []
        _tell(await app.publish(batch, **options), as_json)


async def _learn_lanes(app: App, topic: str) -> None:
    """Take over whether the topic has priorities: who declared it said so, not this command."""
    for info in (await app.backend.describe()).topics:
        if info.spec.name == app.topics.qualified(topic):
            app.topic(topic, priorities=info.spec.lanes > 1)


def _tell(receipts: list[Receipt], as_json: bool) -> None:
    for receipt in receipts:
        if as_json:
            print_json_line(msgspec.to_builtins(receipt))
        else:
            click.echo(f"{receipt.id}{'  (duplicate: it was stored before)' if receipt.duplicate else ''}")
