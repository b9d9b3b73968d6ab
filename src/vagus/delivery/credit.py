"""How many deliveries a member may hold: what it handles in a tenth of a second, and never fewer than run at once."""

from __future__ import annotations

from typing import Final

MOST: Final = 1_000
"""No member holds more than this, however fast it is."""

AHEAD_S: Final = 0.1
"""A member holds at most what it handles in this time, in seconds."""

_SAMPLE = 64


class Pace:
    """Measures how fast a handler settles, and gives credit accordingly.

    `concurrency` attempts run at once; `prefetch` fixes the credit instead. Times are monotonic, in seconds.
    """

    def __init__(self, concurrency: int, prefetch: int | None = None) -> None:
        self._least = concurrency if prefetch is None else prefetch
        self._busy = min(concurrency, self._least)
        self._fixed = prefetch is not None
        self.credit = self._least
        self._count = 0
        self._sample = _SAMPLE
        self._since: float | None = None

    @property
    def most(self) -> int:
        """The most that this member will ever hold."""
        return self._least if self._fixed else max(MOST, self._least)

    @property
    def spare(self) -> int:
        """How many a member may hold beyond the credit that it works with: what its credit may still grow by."""
        return self.most // 2 if self._fixed else self.most - self.credit

    def room(self, held: int) -> int:
        """Return how many more to take now.

        None until a quarter of the credit is free, so that takes stay large; but no attempt that could run waits for
        that: slow ones may leave so much free only after hours.
        """
        room = self.credit - held
        return room if held < self._busy or room * 4 >= self.credit else 0

    def settled(self) -> bool:
        """Note that one delivery was settled; return whether enough were for `measure`."""
        self._count += 1
        return self._count >= self._sample

    def measure(self, now: float) -> None:
        """Look at the time that the last ones took, and set the credit to what is handled in a tenth of a second."""
        if self._since is not None and not self._fixed:
            elapsed_s = now - self._since
            wanted = MOST if elapsed_s <= 0 else int(self._count / elapsed_s * AHEAD_S)
            # It grows and shrinks by at most half or double: one odd sample must not empty the pipe or flood it.
            self.credit = max(self._least, min(self.credit * 2, max(self.credit // 2, wanted), self.most))
        self._count, self._since = 0, now
        self._sample = max(_SAMPLE, self.credit // 2)
