"""From an outbox to the backend: rows are published in order, and removed when that is confirmed.

A crash between the two publishes a row again, under the same identity, and whoever deduplicates sees one event. Several
processes may relay one outbox for the same reason. A relay is woken by whoever committed rows in this process; rows
that another one left behind are found when it starts, and by a look every `CHECK_S` seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from vagus.app.effects.database import OpenDatabase, Row
from vagus.app.run import RunEnd, end_changes
from vagus.app.work.committer import Committer
from vagus.backend import Put, Topic, Unit
from vagus.clock import Clock
from vagus.message import Envelope
from vagus.store import Append

CHECK_S = 30.0
"""How often a relay looks without being woken, in seconds."""

AGAIN_S = 1.0
"""How long it waits when something could not be published, in seconds."""

FORGET_EVERY_S = 600.0
"""How often old marks are removed, in seconds."""

PAGE = 500
"""How many rows travel in one commit."""

_LEAVE_S = 5.0
_log = logging.getLogger("vagus.outbox")


class Ends(msgspec.Struct, frozen=True):
    """The run that an event ends, and how."""

    run_id: str
    end: RunEnd


def row_of(app: str, event_id: str, put: Put, now: float, ends: Ends | None = None) -> Row:
    """Return the row for a put to a topic."""
    assert isinstance(put.target, Topic), "what is published goes to a topic"
    return Row(
        app=app,
        event_id=event_id,
        topic=put.target.name,
        body=put.envelope.body,
        content_type=put.envelope.content_type,
        headers=put.envelope.headers,
        key=put.key,
        lane=put.lane,
        due_at=now + put.after_s if put.after_s else None,
        dedupe=put.dedupe,
        ends=b"" if ends is None else msgspec.msgpack.encode(ends),
    )


def _put(row: Row, now: float) -> Put:
    envelope = Envelope(row.body, row.content_type, row.headers)
    after_s = 0.0 if row.due_at is None else max(0.0, row.due_at - now)
    return Put(Topic(row.topic), envelope, row.key, row.lane, after_s, row.dedupe, heard=False)


def _changes(row: Row) -> Sequence[Append]:
    if not row.ends:
        return ()
    ends = msgspec.msgpack.decode(row.ends, type=Ends)
    return end_changes(ends.run_id, ends.end)


class Relay:
    """Publishes what one app has in the outbox of one database."""

    def __init__(self, app: str, database: OpenDatabase, keep_s: float, committer: Committer, clock: Clock) -> None:
        self.app = app
        self.database = database
        self._keep_s = keep_s
        self._committer = committer
        self._clock = clock
        self._woken = asyncio.Event()
        self._calm = asyncio.Event()
        self._stopping = False
        self._forget_at = 0.0
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"relay {app}")
        self._woken.set()

    def wake(self) -> None:
        """Let it look: rows were committed."""
        self._calm.clear()
        self._woken.set()

    async def quiet(self) -> None:
        """Wait until it has nothing to do, or has to wait."""
        await self._calm.wait()

    async def _run(self) -> None:
        while True:
            wait_s = CHECK_S
            self._woken.clear()
            try:
                if not await self._drain():
                    wait_s = AGAIN_S
                await self._forget()
            except Exception as error:  # also a fault of ours or of the driver's: nobody else would notice
                _log.warning("the outbox of %s cannot be published yet: %s", self.app, error)
                wait_s = AGAIN_S
            if self._stopping and not self._woken.is_set():
                self._calm.set()
                return
            await self._wait(wait_s)

    async def _wait(self, wait_s: float) -> None:
        timer = self._clock.call_later(wait_s, self._woken.set)
        if not self._woken.is_set():
            self._calm.set()
        try:
            await self._woken.wait()
        finally:
            timer.cancel()
        self._calm.clear()

    async def _forget(self) -> None:
        now = self._clock.now()
        if now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY_S
            await self.database.forget(now - self._keep_s)

    async def _drain(self) -> bool:
        """Publish all rows that can be; return whether none is left over."""
        after, blocked = 0, set[str]()
        while rows := await self.database.waiting(self.app, after, PAGE):
            after = rows[-1].seq
            sent = await self._publish([row for row in rows if row.topic not in blocked], blocked)
            if sent:
                await self.database.sent(sent)
        return not blocked

    async def _publish(self, rows: Sequence[Row], blocked: set[str]) -> list[int]:
        """Publish rows together, or one by one where some are refused: a topic's later ones wait for the earlier."""
        if not rows:
            return []
        if await self._commit(rows) == "":
            return [row.seq for row in rows]
        sent = []
        for row in rows:
            if row.topic in blocked:
                continue
            why = await self._commit([row])
            if why:
                blocked.add(row.topic)
                _log.warning("event %s waits in the outbox of %s: %s", row.event_id, self.app, why)
            else:
                sent.append(row.seq)
        return sent

    async def _commit(self, rows: Sequence[Row]) -> str:
        """Publish rows all or none; return why not."""
        now = self._clock.now()
        puts = [_put(row, now) for row in rows]
        outcome = await self._committer.commit(Unit(puts, (), [change for row in rows for change in _changes(row)]))
        if outcome.done:
            return ""
        return next((put.why or put.status for put in outcome.puts if put.status in ("refused", "unknown")), "refused")

    async def close(self) -> None:
        """Look once more, for a few seconds at most; what is left is found at the next start."""
        self._stopping = True
        self._woken.set()
        _, late = await asyncio.wait([self._task], timeout=_LEAVE_S)
        if late:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.database.close()
