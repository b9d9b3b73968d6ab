"""What one member did since it started, in figures."""

from __future__ import annotations

import msgspec

from vagus.app.work.attempt import Result


class Counts(msgspec.Struct):
    """What one member did since it started."""

    handled: int = 0
    repeated: int = 0
    dropped: int = 0
    failed: int = 0
    handed_back: int = 0
    cancelled: int = 0
    lost: int = 0
    reconnects: int = 0

    def __str__(self) -> str:
        """Say what was handled, and what else came up."""
        counts = msgspec.structs.asdict(self).items()
        return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts if count or name == "handled")

    def add(self, result: Result) -> None:
        """Count one settled attempt."""
        if result == "handled":
            self.handled += 1
        elif result == "repeated":
            self.repeated += 1
        elif result == "dropped":
            self.dropped += 1
        elif result == "failed":
            self.failed += 1
        elif result == "cancelled":
            self.cancelled += 1
        else:
            self.handed_back += 1
