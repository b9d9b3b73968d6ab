"""The gate of a handler with a `rate=`: it opens when this member has claimed some of what its group may begin."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from vagus.clock import Clock, Timer
from vagus.delivery.rate import Claim, Rate, claim
from vagus.errors import VagusError
from vagus.store import Change, Store

_TRIES = 100
_AGAIN_S = 1.0
_KEEP_S = 60.0
_log = logging.getLogger("vagus.worker")


class Gate:
    """Lets one member begin as many attempts as it has claimed; `wake` is called when there is a new claim to use."""

    def __init__(self, group: str, rate: Rate, store: Store, clock: Clock, wake: Callable[[], None]) -> None:
        self._group = group
        self._key = f"rate/{group}"
        self._rate = rate
        self._store = store
        self._clock = clock
        self._wake = wake
        self._claim: Claim | None = None
        self._left = 0
        self._claiming: asyncio.Task[None] | None = None
        self._timer: Timer | None = None

    def is_open(self, wanted: int) -> bool:
        """Return whether one may begin now; if not, see to it that `wake` is called when it may."""
        if self._left and self._claim is not None:
            now = self._clock.now()
            if self._claim.is_good(now):
                return True
            if now < self._claim.since:
                self._wait(self._claim.since - now)
                return False
            self._left = 0
        if self._claiming is None and self._timer is None:
            self._claiming = asyncio.get_running_loop().create_task(self._claim_more(wanted), name=self._key)
        return False

    def take(self, wanted: int) -> bool:
        """Use one of what was claimed; False where nothing may begin now. `wanted`: how many are in hand."""
        if not self.is_open(wanted):
            return False
        self._left -= 1
        return True

    def close(self) -> None:
        """Claim no more."""
        if self._claiming is not None:
            self._claiming.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, delay_s: float) -> None:
        if self._timer is None:
            self._timer = self._clock.call_later(delay_s, self._open)

    def _open(self) -> None:
        self._timer = None
        self._wake()

    async def _claim_more(self, wanted: int) -> None:
        try:
            claimed = await self._claimed(wanted)
        except VagusError as error:
            _log.warning("%s cannot claim what its rate allows, trying again: %s", self._group, error)
            claimed = None
        finally:
            self._claiming = None
        if claimed is None:
            self._wait(_AGAIN_S)
            return
        self._claim, self._left = claimed, claimed.count
        self._wake()

    async def _claimed(self, wanted: int) -> Claim | None:
        for _ in range(_TRIES):
            value = (await self._store.get([self._key]))[0]
            now = self._clock.now()
            found = claim(self._rate, float(value.body) if value else 0.0, now, wanted)
            body, expect = repr(found.until).encode(), value.version if value else 0
            if (await self._store.swap([Change(self._key, body, expect, ttl_s=found.until - now + _KEEP_S)]))[0]:
                return found
        return None
