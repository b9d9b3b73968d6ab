"""How long something takes or lasts, as users say it: seconds, or text with a unit."""

from __future__ import annotations

import re

from vagus.errors import InvalidArgument

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_LIMIT = 1e10
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def seconds(value: float | str, what: str) -> float:
    """Return a duration in seconds: a number, or text such as "500ms", "30s", "5m", "2h", "7d".

    Raises `InvalidArgument`, naming `what`, for anything else, for less than nothing, and for three centuries or more:
    what is due after the last instant that can be written would never be.
    """
    found = _number(value)
    if found is not None and 0 <= found < _LIMIT:
        return found
    raise InvalidArgument(f'{what}: expected seconds, or text such as "30s", "5m", "7d", got {value!r}')


def _number(value: float | str) -> float | None:
    if isinstance(value, str):
        found = _DURATION.fullmatch(value)
        return float(found[1]) * _SECONDS[found[2]] if found else None
    if isinstance(value, bool | bytes | bytearray):
        return None
    try:
        return float(value)
    except (TypeError, OverflowError):
        return None
