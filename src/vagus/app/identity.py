"""Where ids and times of new events come from: the one place in the app that asks the clock and draws by lot."""

from __future__ import annotations

import random

from vagus.clock import Clock
from vagus.message import child_traceparent, instant_text, uuid7_text
from vagus.message.trace import foreign_traceparent

_PREFIX = len("00000000-0000-7")
_NODE = (1 << 48) - 1
_SPAN = (1 << 64) - 1


class Identities:
    """Makes time-ordered ids, traces and times; ids of one process sort in the order in which they were made."""

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._random = random.Random(seed)
        self._last_ms = 0
        self._count = 0
        self._time_ms = -1
        self._time = ""
        self._prefix = ""

    def new_id(self) -> str:
        """Return a new id of UUIDv7's shape."""
        ms = int(self._clock.now() * 1000)
        if ms > self._last_ms:
            self._last_ms, self._count = ms, 0
            self._prefix = uuid7_text(ms, 0)[:_PREFIX]
        else:
            self._count += 1  # 4,096 a millisecond, then time is borrowed from the next one
            if self._count > 0xFFF:
                self._last_ms, self._count = self._last_ms + 1, 0
                self._prefix = uuid7_text(self._last_ms, 0)[:_PREFIX]
        bits = self._random.getrandbits(62)
        return f"{self._prefix}{self._count:03x}-{bits >> 48 | 0x8000:04x}-{bits & _NODE:012x}"

    def now(self) -> float:
        """Return the time now, in seconds since the epoch."""
        return self._clock.now()

    def time(self) -> str:
        """Return the time now as RFC 3339 text."""
        ms = int(self._clock.now() * 1000)
        if ms != self._time_ms:
            self._time_ms, self._time = ms, instant_text(ms / 1000)
        return self._time

    @staticmethod
    def trace(id: str, parent: str | None) -> str:
        """Return the traceparent of the event with that id: in the trace of `parent`, or of one that it begins.

        The bits of an id are as good as new ones, and cost less than drawing them. An id of a foreign shape, or a
        parent that is not valid, is hashed into a trace.
        """
        digits = id.replace("-", "")
        if len(digits) != 32 or len(id) != 36:
            return foreign_traceparent(id) if parent is None else child_traceparent(parent, hash(id) & _SPAN)
        if parent is None:
            return f"00-{digits}-{digits[16:]}-01"
        if len(parent) == 55 and parent.startswith("00-"):
            return f"{parent[:36]}{digits[16:]}{parent[52:]}"
        return child_traceparent(parent, int(digits, 16))

    def chance(self) -> float:
        """Return a number in [0, 1)."""
        return self._random.random()

    def tag(self) -> str:
        """Return a few letters to tell this object from others of the process."""
        return f"{self._random.getrandbits(32):08x}"
