"""Which bodies does nobody need any more? Mark all that anything refers to, and remove the rest that is idle.

A reference is looked for in whatever the backends keep: topics, dead letters, inboxes, what the store holds of runs
and joins, and outboxes. An event that is on its way, or waits for its due time, is in none of them; its body is safe
because it is not idle: it was put just before, or is held until the event is due. So the order is: first look which
bodies are idle for longer than the grace time, then mark, then remove those that are idle still.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator

import msgspec

from vagus.app.effects.database import OpenDatabase
from vagus.backend import After, Backend, First, Record, Start
from vagus.blob import BlobInfo, BlobStore
from vagus.message import Envelope, dead_topic, inbox_topic
from vagus.message.body.claim import named_in, referred
from vagus.reliability.dead import read_entry
from vagus.store import Store

GRACE_S = 86_400.0
"""How long a body must have been idle before it is removed, in seconds, unless told otherwise."""

_PAGE = 500
_RUN = "run/"


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What a collection found: bodies and their bytes that are needed, that are too fresh to tell, and that went.

    In a dry run, what would have gone.
    """

    needed: int = 0
    needed_bytes: int = 0
    fresh: int = 0
    fresh_bytes: int = 0
    removed: int = 0
    removed_bytes: int = 0
    dry_run: bool = False


class Keepers:
    """All that may refer to a body."""

    def __init__(
        self, backend: Backend, store: Store | None, outboxes: Iterable[tuple[str, OpenDatabase]] = ()
    ) -> None:
        self._backend = backend
        self._store = store
        self._outboxes = outboxes

    async def marked(self) -> set[str]:
        """Return the names of all blobs that are referred to."""
        marks: set[str] = set()
        async for names in self._found():
            marks.update(names)
        return marks

    async def _found(self) -> AsyncIterator[Iterable[str]]:
        catalogue = await self._backend.describe()
        topics = [info.spec.name for info in catalogue.topics]
        for group in catalogue.groups:
            topics += (dead_topic(group.spec.name), inbox_topic(group.spec.name))
        for topic in topics:
            async for record in self._records(topic):
                yield _in_record(record)
        if self._store is not None:
            async for body in self._bodies(self._store):
                yield referred(body)
        for app, database in self._outboxes:
            after = 0
            while rows := await database.waiting(app, after, _PAGE):
                after = rows[-1].seq
                for row in rows:
                    yield named_in(Envelope(row.body, row.content_type, row.headers))

    async def _records(self, topic: str) -> AsyncIterator[Record]:
        start: Start = First()
        while records := await self._backend.read(topic, start, _PAGE):
            for record in records:
                yield record
            start = After(records[-1].position)

    @staticmethod
    async def _bodies(store: Store) -> AsyncIterator[bytes]:
        after = ""
        while values := await store.scan("", after, _PAGE):
            after = values[-1][0]
            runs = [key for key, _ in values if key.startswith(_RUN)]
            for body in [value.body for _, value in values]:
                yield body
            for part in [part for run in runs for part in await store.follow(f"{run}/end", 0, 1)]:
                yield part.body


def _in_record(record: Record) -> Iterator[str]:
    yield from named_in(record.envelope)
    entry = read_entry(record.envelope)  # a dead letter, or an edit of one: the event's bytes are packed inside
    if entry is not None:
        yield from named_in(Envelope(entry.body, entry.content_type, entry.headers))


async def blobs_of(store: BlobStore) -> AsyncIterator[BlobInfo]:
    """Yield all blobs of a store."""
    after = ""
    while found := await store.names(after, _PAGE):
        after = found[-1].name
        for info in found:
            yield info


async def collect(blobs: BlobStore, keepers: Keepers, grace_s: float, *, dry_run: bool) -> Collected:
    """Remove the bodies that nothing refers to and that have been idle for `grace_s` seconds."""
    known = [info async for info in blobs_of(blobs)]
    marks = await keepers.marked()
    sizes: dict[str, list[int]] = {"needed": [], "fresh": [], "removed": []}
    for info in known:
        if info.name in marks:
            sizes["needed"].append(info.size)
        elif info.idle_s < grace_s or not (dry_run or await blobs.remove(info.name, grace_s)):
            sizes["fresh"].append(info.size)
        else:
            sizes["removed"].append(info.size)
    counts = {name: len(each) for name, each in sizes.items()}
    return Collected(**counts, **{f"{name}_bytes": sum(each) for name, each in sizes.items()}, dry_run=dry_run)
