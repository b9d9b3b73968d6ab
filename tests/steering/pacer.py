"""A worker process with a rate, which tells when each of its handlers began once its input is closed: URL RATE."""

from __future__ import annotations

import asyncio
import sys

from tests.steering.test_rate import paced


async def work(url: str, rate: str) -> None:
    """Work until the input is closed."""
    begun: list[float] = []
    async with paced(url, rate, begun).running():
        print("open", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(*begun)


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
