"""A cursor: how far a subscription has passed one lane of one log, and what of it is still to be read (rule 5)."""

from __future__ import annotations

from vagus.backend import SeekTo
from vagus.ledger.log import Log
from vagus.ledger.stretch import Stretch, cut_off, opened, unread


class Cursor:
    """How far a subscription has passed one lane of one log.

    It reads from `next` up to `until`, and then the stretches `later`; without an end it is open. `start` is where
    it was opened: what entered since then was meant for it, and `matched` is what entered while it was open before.
    """

    __slots__ = (
        "generation",
        "inbox",
        "lane",
        "later",
        "log",
        "matched",
        "next",
        "open",
        "replay_until",
        "served",
        "source",
        "start",
        "until",
    )  # fmt: skip

    def __init__(self, log: Log, lane: int, start: int) -> None:
        self.log = log
        self.lane = lane
        self.source = log.lanes[lane]
        self.inbox = log.name.startswith("$inbox.")
        self.served = 0
        self.start = start
        self.matched = 0
        self.open = True
        self.next = start
        self.until: int | None = None
        self.later: list[Stretch] = []
        self.replay_until = start
        self.generation = 0

    @property
    def ready(self) -> int:
        """How many events of the lane are still unread."""
        if self.until is None:
            return self.source.count - self.next
        return self.until - self.next + unread(self.later, self.source.count)

    @property
    def entered(self) -> int:
        """How many events entered the lane while this cursor was open."""
        return self.matched + (self.source.count - self.start if self.open else 0)

    @property
    def place(self) -> int:
        """Where an open cursor's last stretch begins, or goes on."""
        return self.later[-1][0][0] if self.later else self.next

    @property
    def stretches(self) -> list[Stretch]:
        """All that is to be read."""
        now: Stretch = ((self.next, 0), None if self.until is None else (self.until, 0))
        return self.later if self.until == self.next else [now, *self.later]

    def reads(self, index: int) -> bool:
        """Return whether the event of that index is still to be read."""
        if self.until is None:
            return index >= self.next
        return any(start[0] <= index and (until is None or index < until[0]) for start, until in self.stretches)

    def pass_on(self) -> None:
        """Go on to the next stretch, where the present one is read to its end."""
        if self.next == self.until and self.later:
            self._read(self.later)

    def _read(self, stretches: list[Stretch]) -> None:
        if not stretches:
            self.until, self.later = self.next, []
            return
        (start, until), *later = stretches
        self.next, self.until, self.later = start[0], None if until is None else until[0], later

    def close(self, at: int) -> int:
        """Read what lies before `at`, which is no earlier than `place`; return how much behind it was to come again."""
        again = max(0, self.start - at)
        self.matched += at - self.start + again
        self.open = False
        self._read(cut_off(self.stretches, (at, 0)))
        return again

    def reopen(self, at: int, again: int) -> None:
        """Read on from `at`, where the first `again` events come again; what was left behind that comes with them."""
        before = self.ready
        self._read(opened(self.stretches, (at, 0)))
        self.start, self.open = at + again, True
        self.matched -= before - (self.ready - (self.source.count - at))

    def seek(self, change: SeekTo, now: float) -> tuple[int, int]:
        """Read from where `change` says, and all behind it; return how many events come again, how many are skipped."""
        at = self.source.start(change.start, now), 0
        before, place = self.ready, self.place
        if at[0] > place and not change.skip:
            return 0, 0
        left = cut_off(self.stretches, at)
        skipped = unread(left, self.source.count) if change.skip else 0
        self._read(opened([] if change.skip else left, at))
        replayed = self.ready - (before - skipped)
        if replayed:
            self.replay_until = max(self.replay_until, place)
            self.generation = max(self.generation + 1, change.generation)
        return replayed, skipped

    def replay_as(self, other: Cursor) -> None:
        """Hand out again what `other` was to hand out again: it is read here from now on."""
        self.generation = max(self.generation, other.generation)
        self.replay_until = max(self.replay_until, other.replay_until)
