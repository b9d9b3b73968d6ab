"""Options that several commands share, and the kinds of value that they take."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

Function = TypeVar("Function", bound=Callable[..., Any])

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


class Span(click.ParamType[float]):
    """A duration such as `500ms`, `90s`, `10m`, `3h`, `2d`; a bare number means seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the duration in seconds."""
        if isinstance(value, float | int):
            return float(value)
        found = _SPAN.fullmatch(str(value).strip())
        if not found:
            self.fail(f"{value!r} is not a duration: expected a number and ms, s, m, h or d, such as 90s or 10m", param)
        return float(found[1]) * _SECONDS[found[2]]


class Json(click.ParamType[Any]):
    """A JSON value."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value that the text means."""
        if not isinstance(value, str):
            return value
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self.fail(f'{_short(value)} is not JSON ({error}): expected such as \'{{"text": "hi"}}\'', param)


SPAN = Span()
JSON = Json()


def url_option(function: Function) -> Function:
    """Add `--url`, or `VAGUS_URL` from the environment: the backend that a command looks at."""
    return click.option(
        "--url",
        envvar="VAGUS_URL",
        metavar="URL",
        help="The backend, such as sqlite:///vagus.db; default: $VAGUS_URL, else vagus.db if it is here.",
    )(function)


def json_option(function: Function) -> Function:
    """Add `--json`: print for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
