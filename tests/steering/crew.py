"""Worker processes for the proofs: URL, and what they are to be (flow or tree).

Each prints `open`, and a line for each handler that begins: its name, the number of its event, the time.
"""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process

from vagus import App, Context, Event

WITHIN_S = 60


class Task(Event, topic="workflow.task"):
    """A task of a workflow."""

    number: int


class Registered(Event, topic="control.registered"):
    """A worker says that it is there."""

    number: int


class Root(Event, topic="tree.root"):
    """What a tree grows from."""

    children: int


class Child(Event, topic="tree.child"):
    """One of its children."""

    number: int


class Leaf(Event, topic="tree.leaf"):
    """What would come of a child."""

    number: int


def flow(url: str) -> App:
    """Return an app with a role for work, and one for control."""
    app = App(url, name="crew")

    @app.on(Task, group="crew.workflow", batch=200)
    async def work(tasks: list[Task]) -> None: ...

    @app.on(Registered, group="crew.control")
    async def register(event: Registered) -> None: ...

    return app


def tree(url: str) -> App:
    """Return an app whose root has children, which would run for ever and then have a leaf each."""
    app = App(url, name="crew", grace_s=0.0)

    @app.on(Root, group="crew.root")
    async def grow(root: Root, ctx: Context) -> None:
        await ctx.emit("growing")
        for number in range(root.children):
            ctx.publish(Child(number))

    @app.on(Child, group="crew.child", concurrency=5)
    async def live(child: Child) -> Leaf:
        print("live", child.number, time.time(), flush=True)
        await asyncio.Event().wait()
        return Leaf(child.number)

    @app.on(Leaf, group="crew.leaf")
    async def fall(leaf: Leaf) -> None:
        print("fall", leaf.number, time.time(), flush=True)

    return app


KINDS = {"flow": flow, "tree": tree}


class Crew:
    """Some worker processes, and the lines that they print."""

    def __init__(self, url: str, kind: str, count: int = 2) -> None:
        self._words = ("-m", "tests.steering.crew", url, kind)
        self._count = count
        self._processes: list[Process] = []

    async def __aenter__(self) -> Crew:
        """Start them, and wait until they work."""
        for _ in range(self._count):
            process = await asyncio.create_subprocess_exec(sys.executable, *self._words, stdin=PIPE, stdout=PIPE)
            self._processes.append(process)
        for process in self._processes:
            assert process.stdout is not None
            assert await asyncio.wait_for(process.stdout.readline(), WITHIN_S) == b"open\n"
        return self

    async def lines(self, count: int) -> list[list[str]]:
        """Return the next `count` lines of each process."""
        found = []
        for process in self._processes:
            assert process.stdout is not None
            for _ in range(count):
                found.append((await asyncio.wait_for(process.stdout.readline(), WITHIN_S)).decode().split())
        return found

    async def rest(self) -> list[list[str]]:
        """End the processes, and return what else they had printed."""
        told = [await asyncio.wait_for(process.communicate(b""), WITHIN_S) for process in self._processes]
        return [line.split() for out, _ in told for line in out.decode().splitlines()]

    async def __aexit__(self, *exc: object) -> None:
        """End those that are still there."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def serve(url: str, kind: str) -> None:
    """Work until the input is closed."""
    async with KINDS[kind](url).running():
        print("open", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
