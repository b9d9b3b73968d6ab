"""A process that publishes until it is killed, and notes on disk what was confirmed: PATH LOG SYNCHRONOUS START."""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from tests.sqlite.place import event, opened
from vagus.backend import Unit

SIZE = 3


async def publish(path: Path, log: Path, query: str, start: int) -> None:
    """Store units of some events each, several at once; note a unit only after its publish has returned."""
    notes = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    async with opened(path, query) as backend:
        print("open", flush=True)
        numbers = count(start)

        async def one_after_another() -> None:
            while True:
                unit = next(numbers)
                puts = [event(f"{unit}/{part}/{'x' * (unit % 900)}") for part in range(SIZE)]
                outcome = (await backend.commit([Unit(puts)]))[0]
                assert outcome.done
                os.write(notes, f"{unit}\n".encode())
                os.fsync(notes)

        await asyncio.gather(*(one_after_another() for _ in range(4)))


if __name__ == "__main__":
    asyncio.run(publish(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
