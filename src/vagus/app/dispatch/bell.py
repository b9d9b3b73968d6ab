"""Waiting for a reason to look, or for some time at most: how everything here is awake without polling."""

from __future__ import annotations

import asyncio

from vagus.clock import Clock


class Bell:
    """Rung by whoever has news, heard by one who waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Let whoever waits look, or the next one who would wait."""
        self._rung.set()

    async def heard(self, within_s: float) -> bool:
        """Wait until it was rung, at most `within_s` seconds; return whether it was. What was rung before counts."""
        late = False

        def time_out() -> None:
            nonlocal late
            late = not self._rung.is_set()
            self._rung.set()

        timer = self._clock.call_later(within_s, time_out)
        try:
            await self._rung.wait()
        finally:
            timer.cancel()
        self._rung.clear()
        return not late
