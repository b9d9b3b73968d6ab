"""How an instant is written: RFC 3339 in UTC with milliseconds, as CloudEvents asks for `time` and `expirytime`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from vagus.errors import InvalidArgument


def instant_text(seconds: float) -> str:
    """Return an instant, given in seconds since the epoch, as `2024-05-01T12:00:00.250Z`, rounded to milliseconds.

    Raises InvalidArgument where the instant is outside the years 1 to 9999.
    """
    try:
        whole, ms = divmod(round(seconds * 1000), 1000)
        return f"{_second_text(whole)}.{ms:03d}Z"
    except (ValueError, OverflowError, OSError) as error:
        expected = "seconds since the epoch within the years 1 to 9999"
        raise InvalidArgument(f"{seconds!r} is not an instant: expected {expected}", expected=expected) from error


@lru_cache(maxsize=64)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]


def instant_of(text: str | None) -> float | None:
    """Return the seconds since the epoch that `text` means, or None where there is none or it is no instant.

    Text without an offset is taken as UTC.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
