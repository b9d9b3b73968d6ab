"""Watches the thresholds of an app: one process of all that work does it, and tells what crosses and what clears.

Whoever holds the lease in the store looks every second; the others look as often whether it has lapsed. How each
threshold stands is kept in the store, and changes in the unit that tells of it; the told event's id follows from that
change, so that two watchers who overlap for a moment tell it once.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from vagus.app.facts import ThresholdCrossed
from vagus.app.publisher import Publisher, PublishOptions
from vagus.app.topics import Topics
from vagus.app.work.committer import Committer
from vagus.backend import Backend, Put, Unit
from vagus.clock import Clock
from vagus.errors import VagusError
from vagus.message import derived_id
from vagus.reliability.threshold import Standing, Threshold, judge, value_of
from vagus.store import Change, Store, Value

EVERY_S = 1.0
"""How often is looked, in seconds: at the figures, and at the lease of whoever looks at them."""

LEASE_S = 3.0
"""How long after its death another process takes over at the latest, less one look."""

_log = logging.getLogger("vagus.alerts")


class Watcher:
    """One process's watcher; it works while it has the lease. `name`: the app, whose processes share one lease."""

    def __init__(
        self,
        name: str,
        tag: str,
        backend: Backend,
        store: Store,
        committer: Committer,
        publisher: Publisher,
        topics: Topics,
        clock: Clock,
    ) -> None:
        self._lease = f"alerts/{topics.qualified(name)}"
        self._tag = tag.encode()
        self._backend = backend
        self._store = store
        self._committer = committer
        self._publisher = publisher
        self._topics = topics
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self.thresholds: list[Threshold] = []
        self.leads = False

    def start(self, thresholds: list[Threshold]) -> None:
        """Begin to watch, or go on with others."""
        self.thresholds = thresholds
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch(), name=f"watch {self._lease}")

    async def stop(self) -> None:
        """Watch no more, and let another process do it at once."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None
        try:
            value = (await self._store.get([self._lease]))[0]
            if value is not None and value.body == self._tag:
                await self._store.swap([Change(self._lease, None, expect=value.version, required=False)])
        except VagusError as error:
            _log.warning("the lease %s lapses by itself: %s", self._lease, error)

    async def _watch(self) -> None:
        while True:
            try:
                self.leads = await self._elected()
                if self.leads:
                    await self._look()
            except Exception as error:  # also a fault of the backend: nobody else would notice that it looks no more
                self.leads = False
                _log.warning("thresholds cannot be looked at now: %r", error)
            await self._sleep()

    async def _sleep(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_later(EVERY_S, lambda: None if future.done() else future.set_result(None))
        try:
            await future
        finally:
            timer.cancel()

    async def _elected(self) -> bool:
        """Take the lease if it is free, keep it if it is ours; return whether it is."""
        value = (await self._store.get([self._lease]))[0]
        if value is not None and value.body != self._tag:
            return False
        version = 0 if value is None else value.version
        return (await self._store.swap([Change(self._lease, self._tag, version, LEASE_S)]))[0]

    async def _look(self) -> None:
        thresholds = self.thresholds
        known = await self._store.get([_key(one) for one in thresholds])
        books = {group: await self._backend.stats(group) for group in {one.group for one in thresholds}}
        for threshold, value in zip(thresholds, known, strict=True):
            await self._judge(threshold, value_of(threshold.figure, books[threshold.group]), value)

    async def _judge(self, threshold: Threshold, figure: float, value: Value | None) -> None:
        before = None if value is None else msgspec.msgpack.decode(value.body, type=Standing)
        now = self._clock.now()
        standing = judge(threshold, figure, before, now)
        if standing is None:
            return
        version = 0 if value is None else value.version
        lasted_s = None if standing.crossed or before is None else round(now - before.since, 3)
        fact = ThresholdCrossed(
            state="crossed" if standing.crossed else "cleared",
            group=self._topics.bare(threshold.group),
            figure=threshold.figure,
            value=round(figure, 3),
            limit=threshold.limit,
            lasted_s=lasted_s,
        )
        change = Change(_key(threshold), msgspec.msgpack.encode(standing), version)
        told = await self._committer.commit(Unit([self._put(fact, threshold, version)], (), [change]))
        if told.done:
            _log.warning("%s of %s has %s its limit of %g: %g", fact.figure, fact.group, fact.state, fact.limit, figure)

    def _put(self, fact: ThresholdCrossed, threshold: Threshold, version: int) -> Put:
        id = derived_id(_key(threshold), version, threshold.group, None, 0)
        put, _ = self._publisher.first(fact, PublishOptions(topic=threshold.topic, id=id))
        return msgspec.structs.replace(put, heard=False)


def _key(threshold: Threshold) -> str:
    return f"alert/{threshold.group}/{threshold.figure}/{threshold.limit:g}/{threshold.topic}"
