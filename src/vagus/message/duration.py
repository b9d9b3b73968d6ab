"""How long something takes or lasts, as users say it: seconds, or text with a unit."""

from __future__ import annotations

import re
from contextlib import suppress

from vagus.errors import InvalidArgument

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def seconds(value: float | str, what: str) -> float:
    """Return a duration in seconds: a number, or text such as "500ms", "30s", "5m", "2h", "7d".

    Raises `InvalidArgument`, naming `what`, for anything else, and for less than nothing.
    """
    if isinstance(value, str):
        found = _DURATION.fullmatch(value)
        if found:
            return float(found[1]) * _SECONDS[found[2]]
    elif not isinstance(value, bool):
        with suppress(TypeError, OverflowError):
            if value >= 0:
                return float(value)
    raise InvalidArgument(f'{what}: expected seconds, or text such as "30s", "5m", "7d", got {value!r}')
