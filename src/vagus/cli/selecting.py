"""Which part of the log a command is about: options that several commands share, and what they mean together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from vagus.backend import After, Ago, First
from vagus.cli.option import SPAN
from vagus.errors import InvalidArgument, InvalidTopic, UsageError
from vagus.history import At, Filter, Selection, Stretch
from vagus.history.filter import field_test
from vagus.message import check_pattern, check_topic, instant_of, instant_text, is_pattern

Function = TypeVar("Function", bound=Callable[..., Any])


class Moment(click.ParamType[Ago | At]):
    """A point in time: how long ago (`3d`), or an instant (`2026-05-01T12:00`, UTC unless it says otherwise)."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Ago | At:
        """Return what the text means."""
        if isinstance(value, Ago | At):
            return value
        instant = instant_of(str(value).strip()) if "-" in str(value) else None
        if instant is not None:
            return At(instant)
        try:
            return Ago(SPAN.convert(value, param, ctx))
        except click.BadParameter:
            self.fail(f"{value!r} is no point in time: expected such as 3d, 2h, or 2026-05-01T12:00:00Z", param)


MOMENT = Moment()

_FILTERS = (
    click.option("--type", "types", multiple=True, metavar="TYPE", help="Events of this type, or pattern of types."),
    click.option("--key", "keys", multiple=True, metavar="KEY", help="Events that are ordered by this key."),
    click.option("--run", "runs", multiple=True, metavar="ID", help="Events of this run."),
    click.option("--trace", "traces", multiple=True, metavar="ID", help="Events of this trace."),
    click.option("--source", "sources", multiple=True, metavar="SOURCE", help="Events of this source."),
    click.option(
        "--where", "fields", multiple=True, metavar="FIELD=VALUE", help="Events whose data has this value there."
    ),
)
_STRETCHES = (
    click.option("--since", type=MOMENT, metavar="TIME", help="From this time on: 3d ago, or an instant."),
    click.option("--from-position", type=click.IntRange(0), metavar="N", help="From this position of the topic on."),
    click.option("--from-start", is_flag=True, help="From the oldest event that is kept on."),
    click.option("--until", type=MOMENT, metavar="TIME", help="Nothing later than that; default: now."),
)


def filter_options(function: Function) -> Function:
    """Add the options that say which events are meant."""
    for option in reversed(_FILTERS):
        function = option(function)
    return function


def stretch_options(function: Function) -> Function:
    """Add the options that say which part of the log is meant."""
    for option in reversed(_STRETCHES):
        function = option(function)
    return function


def filter_of(options: dict[str, Any]) -> Filter:
    """Return which events the options mean."""
    return Filter(
        types=tuple(check_pattern(name) for name in options["types"]),
        keys=options["keys"],
        runs=options["runs"],
        traces=options["traces"],
        sources=options["sources"],
        fields=dict(field_test(text) for text in options["fields"]),
    )


def selection_of(topics: Sequence[str], options: dict[str, Any], *, must_start: str = "") -> Selection:
    """Return which part of the log the options mean.

    `must_start`: a command that shows how to say where to start, where that must be said. Raises UsageError where it
    is not said, or said twice, and where a position is meant of more than one topic.
    """
    given = [name for name in ("since", "from_position", "from_start") if options[name] not in (None, False)]
    if len(given) > 1 or (must_start and not given):
        text = "expected one of --since TIME, --from-position N, --from-start"
        raise UsageError(text, hint=must_start or "give one of the three")
    position = options["from_position"]
    if position is not None and (len(topics) != 1 or is_pattern(topics[0])):
        raise UsageError("--from-position is a place in one topic: expected its name", hint="vagus topics")
    start: Any = First()
    if options["since"] is not None:
        start = options["since"]
    elif position is not None:
        start = After(max(0, position - 1))
    return Selection(topics=tuple(topics), start=start, until=options["until"], only=filter_of(options))


def checked(patterns: Sequence[str], command: str) -> None:
    """Raise InvalidTopic where one of the words of a command is neither a topic nor a pattern."""
    for pattern in patterns:
        try:
            check_pattern(pattern) if is_pattern(pattern) else check_topic(pattern, reserved=True)
        except InvalidTopic as error:
            raise InvalidTopic(error.what, where=command, hint="vagus topics", **error.facts) from None


def rate_of(text: str | None) -> float | None:
    """Return the events a second that `100/s`, `600/m` or `50` mean. Raises InvalidArgument."""
    if text is None:
        return None
    number, _, unit = text.partition("/")
    per_s = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0}.get(unit.strip())
    try:
        rate = float(number)
    except ValueError:
        rate = 0.0
    if per_s is None or not 0 < rate < float("inf"):
        raise InvalidArgument(f"--rate {text!r}: expected events per second, minute or hour, such as 100/s or 600/m")
    return rate / per_s


def stretch_record(stretch: Stretch) -> dict[str, Any]:
    """Return a part of a topic as `--json` shows it."""
    return {
        "topic": stretch.topic,
        "events": stretch.count,
        "first": stretch.first,
        "last": stretch.last,
        "first_at": instant_text(stretch.first_at),
        "last_at": instant_text(stretch.last_at),
        "unreadable": stretch.unreadable,
    }
