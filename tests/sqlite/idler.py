"""A worker process with four members on two topics and nothing to do: PATH."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from vagus import App, Event


class Asked(Event, topic="idle.asked"):
    """One topic."""

    number: int


class Told(Event, topic="idle.told"):
    """The other one."""

    number: int


async def idle(path: Path) -> None:
    """Consume until the input is closed."""
    app = App(f"sqlite:///{path}", name="idler")

    @app.on(Asked)
    async def ask(event: Asked) -> None: ...

    @app.on(Asked)
    async def ask_too(event: Asked) -> None: ...

    @app.on(Told)
    async def tell(event: Told) -> None: ...

    @app.on(Told)
    async def tell_too(event: Told) -> None: ...

    async with app.running():
        print("open", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(idle(Path(sys.argv[1])))
