"""Where ids and times of new events come from: the one place in the app that asks the clock and draws by lot."""

from __future__ import annotations

import random

from vagus.clock import Clock
from vagus.message import child_traceparent, instant_text, uuid7_text
from vagus.message.ident import RANDOM_BITS
from vagus.message.trace import foreign_traceparent

_PREFIX = len("00000000-0000-7")
_COUNTS = [f"{count:03x}" for count in range(1 << 12)]
_SPAN = (1 << 64) - 1


class Identities:
    """Makes time-ordered ids, traces and times; ids of one process sort in the order in which they were made."""

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._random = random.Random(seed)
        self._clock_ms = -1
        self._time = ""
        self._id_ms = 0
        self._count = 0
        self._id = ("", "")
        self._trace = ("", "")

    def new(self) -> tuple[str, str, str]:
        """Return the id, the time and the traceparent of an event that begins a trace.

        The id is of UUIDv7's shape, the time RFC 3339 text; the trace takes its bits from the id. Within a millisecond
        ids are counted, and share the random bits that tell this object from those of other processes.
        """
        ms = int(self._clock.now() * 1000)
        if ms != self._clock_ms:
            self._clock_ms, self._time = ms, instant_text(ms / 1000)
        self._count += 1
        if ms > self._id_ms:
            self._begin(ms)
        elif self._count == len(_COUNTS):  # then time is borrowed from the next millisecond
            self._begin(self._id_ms + 1)
        count = _COUNTS[self._count]
        return count.join(self._id), self._time, count.join(self._trace)

    def _begin(self, ms: int) -> None:
        """Prepare what ids and traces of a millisecond have in common: all before the count, and all behind it."""
        self._id_ms, self._count = ms, 0
        id = uuid7_text(ms, self._random.getrandbits(RANDOM_BITS))
        self._id = id[:_PREFIX], id[_PREFIX + 3 :]
        rest = self._id[1].replace("-", "")
        self._trace = f"00-{self._id[0].replace('-', '')}", f"{rest}-{rest}-01"

    def now(self) -> float:
        """Return the time now, in seconds since the epoch."""
        return self._clock.now()

    def time(self) -> str:
        """Return the time now as RFC 3339 text."""
        return instant_text(int(self._clock.now() * 1000) / 1000)

    @staticmethod
    def trace(id: str, parent: str | None) -> str:
        """Return the traceparent of the event with that id: in the trace of `parent`, or of one that it begins.

        An id of a foreign shape, or a parent that is not valid, is hashed into a trace.
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
