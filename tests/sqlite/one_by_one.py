"""A process that publishes ten events, one after the other, and says when each begins and has returned: PATH QUERY."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.sqlite.place import opened, put


def say(words: str) -> None:
    """Write at once, in a system call of its own."""
    os.write(1, f"{words}\n".encode())


async def publish(path: Path, query: str) -> None:
    """Open, say the process's id, wait for a word, then publish."""
    async with opened(path, query) as backend:
        say(str(os.getpid()))
        sys.stdin.readline()
        for number in range(10):
            say("begin")
            await put(backend, str(number))
            say("returned")
        say("done")
        sys.stdin.read()


if __name__ == "__main__":
    asyncio.run(publish(Path(sys.argv[1]), sys.argv[2]))
