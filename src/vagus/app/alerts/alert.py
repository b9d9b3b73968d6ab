"""What `App.alert` was given: a group, limits of its figures, and where to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from vagus.errors import InvalidArgument
from vagus.message.duration import seconds
from vagus.reliability.threshold import Figure


class Alert(msgspec.Struct, frozen=True):
    """Limits of one group, whose full name is known when the app is opened."""

    group: Callable[..., Any] | str
    limits: Mapping[Figure, float]
    clear: float
    topic: str


def limits_of(backlog: int | None, oldest: float | str | None, dead: int | None, clear: float) -> dict[Figure, float]:
    """Return the limits that were given, by figure. Raises `InvalidArgument` for one that cannot be meant."""
    found: dict[Figure, float] = {}
    if backlog is not None:
        found["backlog"] = _count(backlog, "backlog")
    if dead is not None:
        found["dead"] = _count(dead, "dead")
    if oldest is not None:
        found["oldest_s"] = seconds(oldest, "oldest of app.alert")
        if not found["oldest_s"]:
            raise InvalidArgument("oldest of app.alert: expected more than 0 seconds")
    if not found:
        raise InvalidArgument("app.alert: expected a limit: backlog=, oldest= or dead=")
    if not 0 <= clear <= 1:
        raise InvalidArgument(f"clear of app.alert: expected a part of the limit, 0 to 1, got {clear!r}")
    return found


def _count(limit: Any, what: str) -> float:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise InvalidArgument(f"{what} of app.alert: expected a whole number of 1 or more, got {limit!r}")
    return limit
