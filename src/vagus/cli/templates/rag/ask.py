"""Asks a question and prints the answer as it is written: `python ask.py "What is a lease?"`."""

import asyncio
import sys

from app import Question, app

from vagus.errors import RunFailed


async def ask(text: str) -> int:
    """Start a run, follow its stream, and say what it cited."""
    async with app:  # open to publish; the handlers work in `vagus dev` or `vagus worker`
        run = await app.start(Question("me", text), deadline_s="60s")
        async for part in run.stream():
            if part.restarted:
                print("\n(once more)", end=" ")
            print(part.text, end="", flush=True)
        try:
            answer = await run.result(timeout=1)
        except RunFailed as failure:
            print(f"no answer: {failure}\nIs `vagus dev app:app` running in another terminal?", file=sys.stderr)
            return 1
        print(f"\nfrom {', '.join(answer.cited) or 'nowhere'}")
        return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(ask(" ".join(sys.argv[1:]) or "What is a lease?")))
