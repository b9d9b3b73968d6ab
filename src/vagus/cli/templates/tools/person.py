"""Answers the agent's questions on the terminal: `python person.py`, in a terminal of its own."""

import asyncio

from app import ApprovalWanted, Decision, app


@app.on(ApprovalWanted, group="agent.person", start="first", concurrency=1)
def decide(wanted: ApprovalWanted) -> Decision:
    """Ask whoever sits here. A plain function runs in a thread, so it may wait for the keyboard."""
    try:
        reply = input(f"{wanted.question} [y/N] ")
    except EOFError:
        return Decision(granted=False, why="nobody is at the keyboard")
    return Decision(granted=reply.strip().lower() in ("y", "yes"), why="a person said so")


if __name__ == "__main__":
    asyncio.run(app.work(only=["decide"]))
