"""Where ids and times of new events come from: the one place in the app that asks the clock and draws by lot."""

from __future__ import annotations

import random

from vagus.clock import Clock
from vagus.message import child_traceparent, instant_text, new_traceparent, uuid7_text


class Identities:
    """Makes time-ordered ids, traces and times; ids of one process sort in the order in which they were made."""

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._random = random.Random(seed)
        self._last_ms = 0
        self._count = 0
        self._time_ms = -1
        self._time = ""

    def new_id(self) -> str:
        """Return a new id of UUIDv7's shape."""
        ms = int(self._clock.now() * 1000)
        if ms > self._last_ms:
            self._last_ms, self._count = ms, 0
        else:
            self._count += 1  # 4,096 a millisecond, then time is borrowed from the next one
            if self._count > 0xFFF:
                self._last_ms, self._count = self._last_ms + 1, 0
        return uuid7_text(self._last_ms, self._count << 62 | self._random.getrandbits(62))

    def now(self) -> float:
        """Return the time now, in seconds since the epoch."""
        return self._clock.now()

    def time(self) -> str:
        """Return the time now as RFC 3339 text."""
        ms = int(self._clock.now() * 1000)
        if ms != self._time_ms:
            self._time_ms, self._time = ms, instant_text(ms / 1000)
        return self._time

    def trace(self, parent: str | None) -> str:
        """Return a traceparent within the trace of `parent`, or of a new one."""
        bits = self._random.getrandbits(192)
        return new_traceparent(bits) if parent is None else child_traceparent(parent, bits)

    def chance(self) -> float:
        """Return a number in [0, 1)."""
        return self._random.random()

    def tag(self) -> str:
        """Return a few letters to tell this object from others of the process."""
        return f"{self._random.getrandbits(32):08x}"
