"""How a URL finds its code, and a content type its codec: of ours and of third parties alike, by entry point."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from os import PathLike, fspath
from typing import Any, Protocol, cast
from urllib.parse import quote

from vagus.backend import Backend
from vagus.blob import BlobStore
from vagus.clock import Clock, SystemClock
from vagus.errors import InvalidArgument, MissingDriver, mask_url
from vagus.message.format import register_codec, when_unknown

ENTRY_POINTS = "vagus.backends"
BLOB_ENTRY_POINTS = "vagus.blobs"
CODEC_POINTS = "vagus.codecs"

_log = logging.getLogger("vagus.registry")

DEFAULT_URL = "sqlite:///vagus.db"
"""The backend where neither the code nor `VAGUS_URL` names one."""


_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")


class BackendFactory(Protocol):
    """What an entry point of the group `vagus.backends` names: makes a backend that is not open yet."""

    def __call__(self, url: str, clock: Clock) -> Backend:
        """Return the backend for `url`; raises `InvalidArgument` for a URL that makes no sense."""


def schemes(group: str = ENTRY_POINTS) -> list[str]:
    """Return the URL schemes that have a backend (or what else `group` is of) installed, sorted."""
    return sorted({point.name for point in entry_points(group=group)})


def create_backend(url: str, clock: Clock | None = None) -> Backend:
    """Return the backend for `url`, not open yet.

    Raises `InvalidArgument` when no backend of that scheme is installed, and `MissingDriver` when its client
    library is not.
    """
    factory = cast(BackendFactory, _load(url))
    return factory(url, clock or SystemClock())


def create_blobs(place: Any) -> BlobStore:
    """Return the blob store for a folder, a URL or an object that is one, not open yet.

    Raises `InvalidArgument` when no store of that scheme is installed, and `MissingDriver` when its client library is
    not.
    """
    if isinstance(place, BlobStore):
        return place
    if not isinstance(place, str | PathLike) or not fspath(place):
        raise InvalidArgument(f"blobs: expected a folder, a URL or a BlobStore, got {place!r}", hint='blobs="bodies/"')
    url = fspath(place)
    if _SCHEME.match(url) is None:
        url = f"file:{quote(url)}"
    return cast(Callable[[str], BlobStore], _load(url, BLOB_ENTRY_POINTS, "blob store"))(url)


def _load(url: str, group: str = ENTRY_POINTS, what: str = "backend") -> object:
    scheme, colon, _ = url.partition(":")
    found: list[EntryPoint] = list(entry_points(group=group, name=scheme)) if colon else []
    if not found:
        known = ", ".join(f"{name}://" for name in schemes(group))
        hint = f"use one of: {known}"
        if group == ENTRY_POINTS and "://" not in url:
            hint = f"a file is sqlite:///{url}; else {hint}"
        raise InvalidArgument(f"no {what} for {mask_url(url)!r}", hint=hint)
    try:
        return found[0].load()
    except ModuleNotFoundError as missing:
        raise MissingDriver(
            f"the {what} for {scheme}:// needs the package {missing.name!r}, which is not installed",
            where=mask_url(url),
            hint=f"pip install 'vagus[{scheme}]'",
        ) from missing


def load_codecs() -> None:
    """Register the codecs that installed packages bring; one that cannot be loaded is told in the log."""
    for point in entry_points(group=CODEC_POINTS):
        try:
            register_codec(point.load())
        except Exception as error:  # whatever a package of somebody else's raises: the others are still wanted
            _log.warning("the codec %s of %s cannot be used: %s", point.name, point.value, error)


when_unknown(load_codecs)
