"""How a bug is planted in a simulated world: in the backend itself, or in the client that each process has of it."""

from __future__ import annotations

import random

from vagus.backend import Backend
from vagus.backends.memory import Memory


class Bug:
    """Plants nothing; a bug overrides one of these.

    `chance` is the bug's own, so that planting one changes nothing else in the world of that seed.
    """

    def in_backend(self, memory: Memory, chance: random.Random) -> Backend:
        """Return the backend with the bug in it; the witness stands before it."""
        return memory

    def in_client(self, backend: Backend, chance: random.Random) -> Backend:
        """Return what one process uses instead of `backend`; it dies with the process."""
        return backend
