"""The user's own database, as effects need it: a transaction that takes a mark and events along, and an outbox.

`SqlEffects` is the one for `sqlite3`. Another driver joins by these three protocols: an effect, the mark that it
happened and the events that it leads to are committed together, by the database that the effect is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from vagus.reliability.effects import Identity


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An event in an outbox. `seq`: its place, in the order of commits; 0 before it is stored.

    `due_at`: not to be handled before, in seconds since 1970. `ends`: the end of a run that it brings about, packed.
    """

    seq: int = 0
    app: str
    event_id: str
    topic: str
    body: bytes
    content_type: str
    headers: dict[str, str] | None = None
    key: str | None = None
    lane: int = 0
    due_at: float | None = None
    dedupe: str | None = None
    ends: bytes = b""


class Transaction(Protocol):
    """One open transaction. It ends with `commit` or `roll_back`, once."""

    @property
    def connection(self) -> Any:
        """What the handler gets: the driver's own connection, inside the transaction."""

    async def handled(self, identity: Identity) -> bool:
        """Return whether the mark of `identity` is there."""

    async def commit(self, rows: Sequence[Row], mark: Identity | None, now: float) -> None:
        """Store the rows, and the mark at `now` (seconds since 1970), and commit all that was done.

        Raises `InvalidHandler` when the handler has ended the transaction itself.
        """

    async def roll_back(self) -> None:
        """Undo all that was done; harmless after the end."""


class OpenDatabase(Protocol):
    """A database in use by one app."""

    async def begin(self, connection: Any = None) -> Transaction:
        """Begin a transaction that may write, on `connection` or on one of its own; waits for those before it.

        Raises `BackendError` when the database lets nobody write for too long.
        """

    async def waiting(self, app: str, after: int, limit: int) -> Sequence[Row]:
        """Return at most `limit` rows of that app after the place `after`, in the order of their commits."""

    async def sent(self, places: Sequence[int]) -> None:
        """Remove rows that are published. Idempotent."""

    async def forget(self, before: float) -> None:
        """Remove the marks made before that instant, in seconds since 1970."""

    async def close(self) -> None:
        """Let go of everything; idempotent."""


@runtime_checkable
class EffectDatabase(Protocol):
    """A database as a handler names it (`effects=`): nothing is opened before the app is."""

    @property
    def connection_type(self) -> type:
        """The annotation by which a handler asks for the connection."""

    @property
    def keep_s(self) -> float:
        """How long it is remembered that an event was handled, in seconds."""

    async def open(self, taken: str = "") -> OpenDatabase:
        """Connect, and make the tables if they are not there. `taken`: the backend's own files,
        not to be used, separated as a path's folders are.

        Raises `InvalidArgument` for that file, `DatabaseUnusable`, and `SchemaTooNew` for tables of a newer release.
        """
