"""What a `sqlite:` URL says: the file, how durable, how long things are kept."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from vagus.errors import InvalidArgument

Synchronous: TypeAlias = Literal["full", "normal"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_NAME_BYTES = 255 - len("-journal")
_KNOWN = "synchronous=full|normal, keep=7d"


class Options(msgspec.Struct, frozen=True):
    """`sqlite:///file.db` is relative to the working directory, `sqlite:////srv/file.db` is absolute.

    `synchronous`: "full" (default) keeps what was committed through a power cut, "normal" through the death of all
    processes only. `keep_s`: how long settled events are kept where their topic does not say, in seconds; 7 days.
    """

    path: Path
    synchronous: Synchronous = "full"
    keep_s: float = 7 * 86_400.0


def parse(url: str) -> Options:
    """Return the options in `url`; raises `InvalidArgument`, naming what was expected."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or parts.fragment or len(parts.path) < 2:
        raise InvalidArgument(
            f"{url!r} does not name a file", hint="sqlite:///file.db (relative) or sqlite:////srv/file.db (absolute)"
        )
    path = Path(unquote(parts.path[1:]))
    if "\0" in str(path) or len(os.fsencode(path.name)) > _NAME_BYTES:
        raise InvalidArgument(
            f"no file can have the name {path.name[:60]!r}…", hint=f"a name of at most {_NAME_BYTES} bytes, without NUL"
        )
    if path.is_dir():
        raise InvalidArgument(f"{str(path)!r} is a folder, not a database file", hint=f"sqlite:///{path}/vagus.db")
    found: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in ("synchronous", "keep"):
            raise InvalidArgument(f"unknown option {name!r} in {url!r}", hint=f"known options: {_KNOWN}")
        found[name] = value
    synchronous, keep = found.get("synchronous", "full"), found.get("keep", "7d")
    if synchronous not in ("full", "normal"):
        raise InvalidArgument(f"synchronous={synchronous!r}: expected full or normal", hint=f"known options: {_KNOWN}")
    return Options(path, "full" if synchronous == "full" else "normal", _seconds(keep))


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidArgument(f"keep={text!r}: expected a number with s, m, h or d", hint="such as keep=12h or keep=7d")
    return float(match[1]) * _UNITS[match[2]]
