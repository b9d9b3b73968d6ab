"""The seam for bodies that are too large to travel: bytes kept under the name of their hash, in six methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec


class BlobInfo(msgspec.Struct, frozen=True):
    """A blob as it stands: its size in bytes, and for how many seconds nobody has put it (below 0: it is held)."""

    name: str
    size: int
    idle_s: float


@runtime_checkable
class BlobStore(Protocol):
    """The code that keeps large bodies in one outside system. Names are 64 lower-case hexadecimal digits.

    Several processes may use one store at once. A store is opened before anything else is asked of it.
    """

    async def open(self) -> None:
        """Connect. Idempotent. Raises `ConnectFailed` or `InvalidArgument` when that cannot be."""

    async def put(self, name: str, content: bytes, hold_s: float = 0.0) -> None:
        """Keep `content`; when it returns, the blob survives the death of every process, and of the machine.

        A blob that is there already begins to be idle anew. `hold_s`: it is not idle before so many seconds from now.
        Raises `DiskFull`, or another `BackendError`, when it could not be kept.
        """

    async def get(self, name: str) -> bytes | None:
        """Return what is kept under `name`, None when there is nothing. Raises `BackendError` when it cannot tell."""

    async def names(self, after: str, limit: int) -> Sequence[BlobInfo]:
        """Return at most `limit` blobs whose names sort after `after`, sorted."""

    async def remove(self, name: str, idle_s: float) -> bool:
        """Remove a blob that has been idle for `idle_s` seconds; return whether it did.

        One that is put again at the same moment is kept: either the put sees that it is gone, or the removal sees
        that it is not idle.
        """

    async def close(self) -> None:
        """Let go of everything; idempotent."""
