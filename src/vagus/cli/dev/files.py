"""Which files of an app have changed: a scan of what the file system says of them, no push.

A stat of every file twice a second costs a few milliseconds for a thousand files, and works on every system, in
containers and on network drives alike; nothing needs to be installed for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

Look: TypeAlias = dict[str, tuple[int, int, int]]
"""What was seen: by path, when it was changed (nanoseconds), its size, its number."""

LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Folders without code of the app's own; those that begin with a dot and virtual environments are left out, too."""


class Files:
    """The files below `places`: in a folder every Python file, else the file itself."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = places
        self._seen = self._look()

    def changed(self) -> list[str]:
        """Return which files were changed, made or removed since the last call, sorted."""
        before, self._seen = self._seen, self._look()
        names = before.keys() | self._seen.keys()
        return sorted(name for name in names if before.get(name) != self._seen.get(name))

    def _look(self) -> Look:
        found: Look = {}
        for place in self._places:
            for path in _below(str(place)) if place.is_dir() else (str(place),):
                try:
                    fact = os.stat(path)
                except OSError:
                    continue  # removed between the two looks
                found[path] = (fact.st_mtime_ns, fact.st_size, fact.st_ino)
        return found


def _below(folder: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in LEFT_OUT:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path)
        elif entry.name.endswith(".py"):
            yield entry.path
