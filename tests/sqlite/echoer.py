"""A process that holds a member who waits, and says when each event came: PATH."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from tests.sqlite.place import opened
from vagus.backend import Done, Inbox, Member, Settle, Unit


async def echo(path: Path) -> None:
    """Take until the input is closed; for each event say its body, when it came, and how many takes came late."""
    async with opened(path) as backend:
        feed = backend.attach(Inbox("g"), Member("echo"), 100)
        asked = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

        async def answer() -> None:
            while True:
                deliveries = await feed.take(100, ())
                now = time.monotonic_ns()
                for delivery in deliveries:
                    print(delivery.envelope.body.decode(), now, backend.wakeups.late, flush=True)
                await backend.commit([Unit(settles=[Settle(d.token, Done("acked"))]) for d in deliveries])

        print("open", flush=True)
        answering = asyncio.create_task(answer())
        await asked
        answering.cancel()


if __name__ == "__main__":
    asyncio.run(echo(Path(sys.argv[1])))
