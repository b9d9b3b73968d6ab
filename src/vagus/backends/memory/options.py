"""What a `memory://` URL says."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from vagus.errors import InvalidArgument


class Options(msgspec.Struct, frozen=True):
    """`memory://` is private to its backend object; `memory://NAME` is shared by all of that name in the process."""

    name: str = ""


def parse(url: str) -> Options:
    """Return the options in `url`; raises `InvalidArgument` for anything but a name."""
    parts = urlsplit(url)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InvalidArgument(f"{url!r} says more than a name", hint="use memory:// or memory://NAME")
    return Options(parts.netloc)
