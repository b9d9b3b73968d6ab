"""Gives the agent a task and prints its steps as it takes them: `python ask.py "Please refund order 7"`."""

import asyncio
import sys

from app import Task, app

from vagus.errors import RunFailed


async def ask(text: str) -> int:
    """Start a run and follow it."""
    async with app:  # open to publish; the handlers work in `vagus dev` or `vagus worker`
        run = await app.start(Task(text), deadline_s="15m")
        async for part in run.stream():
            print(f"... {part.text}", flush=True)
        try:
            print((await run.result(timeout=1)).text)
        except RunFailed as failure:
            print(f"no answer: {failure}\nIs `vagus dev app:app` running in another terminal?", file=sys.stderr)
            return 1
        return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(ask(" ".join(sys.argv[1:]) or "What about order 8?")))
