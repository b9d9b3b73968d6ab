"""What time it is: the one place where the system's clocks are read, and the clock that tests turn by hand."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A callback that will be called once, unless cancelled before."""

    def cancel(self) -> None:
        """Make sure that the callback is not called any more; safe to repeat."""


class Clock(Protocol):
    """A source of time. Instants are seconds since the epoch (UTC); differences of `monotonic` are durations."""

    def now(self) -> float:
        """Return the wall clock, in seconds since the epoch."""

    def monotonic(self) -> float:
        """Return a clock that never goes back, in seconds; only differences mean something."""

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` once on the running event loop when `delay_s` seconds have passed on this clock."""


class SystemClock:
    """The machine's own clocks; timers are those of the running event loop."""

    def now(self) -> float:
        """Return the wall clock, in seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return the machine's monotonic clock, in seconds."""
        return time.monotonic()

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` once on the running event loop after `delay_s` seconds."""
        return asyncio.get_running_loop().call_later(delay_s, callback)


class LoopClock:
    """A clock that follows the running event loop's own time: virtual on a loop that jumps over idle time."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start

    def now(self) -> float:
        """Return the loop's time, moved to `start` seconds since the epoch."""
        return self._start + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        """Return the loop's time, in seconds."""
        return asyncio.get_running_loop().time()

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` once on the running event loop after `delay_s` seconds of its time."""
        return asyncio.get_running_loop().call_later(delay_s, callback)


class _ManualTimer:
    """A timer of `ManualClock`; cancelled ones stay in the heap and are skipped."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Forget the callback."""
        self.callback = None


class ManualClock:
    """A clock that moves only when told to; its timers fire during `move`, in order of their times."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _ManualTimer]] = []

    def now(self) -> float:
        """Return the time that was last set, in seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Return the same time: a clock turned by hand never goes back."""
        return self._now

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` once, during the `move` that reaches `delay_s` seconds from now."""
        timer = _ManualTimer(callback)
        heapq.heappush(self._timers, (self._now + delay_s, next(self._order), timer))
        return timer

    def next_due(self) -> float | None:
        """Return the instant of the earliest timer that is still wanted, or None when there is none."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def move(self, by_s: float) -> None:
        """Move the clock forward by `by_s` seconds (never back) and fire what comes due on the way."""
        if by_s < 0:
            raise ValueError(f"a clock moves forward only, not by {by_s} s")
        until = self._now + by_s
        while (due := self.next_due()) is not None and due <= until:
            self._now = max(self._now, due)
            callback = heapq.heappop(self._timers)[2].callback
            if callback is not None:
                callback()
        self._now = until
