"""Blobs as files in a folder, `AB/ABCD…`: written beside, synced, and moved into place; readable by the owner alone.

Since when a blob is idle is the time of its file; a blob that is held has one that is to come. All processes that
share the folder, over a network too, should have clocks that agree to within the grace time of a collection.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from vagus.blob import BlobInfo
from vagus.errors import BackendError, ConnectFailed, DiskFull, InvalidArgument

T = TypeVar("T")

_ABANDONED_S = 86_400.0
_DIGITS = frozenset("0123456789abcdef")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def open_folder(url: str) -> FolderBlobs:
    """Return the store for `file:///srv/bodies` (absolute) or `file:bodies` (relative)."""
    parts = urlsplit(url)
    if parts.netloc or parts.query or parts.fragment or not parts.path:
        raise InvalidArgument(f"{url!r} names no folder", hint="file:///srv/bodies, or simply bodies/")
    return FolderBlobs(unquote(parts.path))


class FolderBlobs:
    """Keeps blobs in a folder, which is made when it is not there. See `vagus.blob.BlobStore`."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    async def open(self) -> None:
        """Make the folder."""
        try:
            await asyncio.to_thread(self._folder.mkdir, 0o700, True, True)
        except OSError as error:
            raise ConnectFailed(f"the folder of blobs cannot be used: {error}", where=str(self._folder)) from error

    async def put(self, name: str, content: bytes, hold_s: float = 0.0) -> None:
        """Write a file, or renew the time of the one that is there."""
        await self._asked(lambda: self._put(name, content, time.time() + hold_s))

    def _put(self, name: str, content: bytes, idle_from: float) -> None:
        path = self._path(name)
        if not _renewed(path, len(content), idle_from):
            self._write(path, content, idle_from)

    def _write(self, path: Path, content: bytes, idle_from: float) -> None:
        new = not path.parent.exists()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.new")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.utime(file.fileno(), (idle_from, idle_from))
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            with suppress(FileNotFoundError):
                beside.unlink()
            raise
        for folder in (path.parent, self._folder) if new else (path.parent,):
            _sync_folder(folder)

    async def get(self, name: str) -> bytes | None:
        """Read a file."""
        return await self._asked(lambda: self._get(name))

    def _get(self, name: str) -> bytes | None:
        path = self._path(name)
        # Aside, where somebody who removed it has died: it may be needed all the same.
        for each in (path, *path.parent.glob(f"{name}.*.old"), path):
            with suppress(FileNotFoundError):
                return each.read_bytes()
        return None

    async def names(self, after: str, limit: int) -> Sequence[BlobInfo]:
        """Look through the folder, and clear away what a writer that died has left half written."""
        return await self._asked(lambda: list(islice(self._found(after), limit)))

    def _found(self, after: str) -> Iterator[BlobInfo]:
        now = time.time()
        folders = [each for each in sorted(self._folder.iterdir()) if len(each.name) == 2 and each.name >= after[:2]]
        for path in (path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())):
            with suppress(FileNotFoundError):
                known = path.stat()
                if is_name(path.name) and path.name > after:
                    yield BlobInfo(path.name, known.st_size, now - known.st_mtime)
                elif not is_name(path.name) and now - known.st_ctime > _ABANDONED_S:
                    _clear(path)

    async def remove(self, name: str, idle_s: float) -> bool:
        """Remove a file, unless somebody renews it meanwhile."""
        return await self._asked(lambda: self._remove(self._path(name), idle_s))

    def _remove(self, path: Path, idle_s: float) -> bool:
        # Moved aside first: who puts it now finds nothing to renew, and writes it; who did before has renewed its time.
        aside = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.old")
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return False
        gone = time.time() - aside.stat().st_mtime >= idle_s
        if not gone:
            with suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()
        return gone

    async def close(self) -> None:
        """Nothing is held open."""

    def _path(self, name: str) -> Path:
        if not is_name(name):
            raise InvalidArgument(f"{name!r} is no name of a blob: expected 64 hexadecimal digits")
        return self._folder / name[:2] / name

    async def _asked(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            text, where = f"the folder of blobs failed: {error}", str(self._folder)
            if error.errno in _FULL:
                raise DiskFull(text, where=where, hint="free some space; nothing else is needed") from error
            raise BackendError(text, where=where) from error


def _clear(path: Path) -> None:
    """Deal with what somebody who died has left: half a file goes, one that was being removed is looked at again."""
    if path.suffix == ".new":
        path.unlink()
    elif path.suffix == ".old":
        with suppress(FileExistsError):
            os.link(path, path.with_name(path.name.partition(".")[0]))
        path.unlink()


def is_name(text: str) -> bool:
    """Return whether a file's name is that of a blob."""
    return len(text) == 64 and _DIGITS.issuperset(text)


def _renewed(path: Path, size: int, idle_from: float) -> bool:
    """Let a file that is there begin to be idle anew; return False where there is none, or half of one."""
    try:
        with path.open("rb") as file:
            known = os.fstat(file.fileno())
            if known.st_size != size:
                return False
            newest = max(known.st_mtime, idle_from)
            # By its name, not by what is open: a file that was just moved aside to be removed must not count.
            os.utime(path, (newest, newest))
            os.fsync(file.fileno())
            return True
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
