"""A file, one topic and one group: what most tests of the file start from."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from vagus.backend import Delivery, GroupSpec, Inbox, Member, Outcome, Put, Topic, TopicSpec, Unit
from vagus.backends.sqlite import Sqlite
from vagus.message import Envelope

ROOT = Path(__file__).parents[2]
TOPIC = TopicSpec(name="t")
GROUP = GroupSpec(name="g", patterns=("t",), lease_s=30.0)


@asynccontextmanager
async def opened(path: Path, query: str = "?synchronous=normal", group: GroupSpec = GROUP) -> AsyncIterator[Sqlite]:
    """Open `path` with topic and group declared, and close it again."""
    backend = Sqlite(f"sqlite:///{path}{query}")
    await backend.open()
    try:
        await backend.declare([TOPIC], [group])
        yield backend
    finally:
        await backend.close()


def event(body: bytes | str) -> Put:
    """An event for the topic."""
    return Put(Topic("t"), Envelope(body if isinstance(body, bytes) else body.encode()))


async def put(backend: Sqlite, *bodies: bytes | str) -> Sequence[Outcome]:
    """Store events, each as a unit of its own."""
    return await backend.commit([Unit([event(body)]) for body in bodies])


async def take(backend: Sqlite, limit: int = 100, member: str = "m") -> list[Delivery]:
    """Take what is there, waiting for the first."""
    feed = backend.attach(Inbox("g"), Member(member), limit)
    return list(await feed.take(limit, ()))


async def start(module: str, *arguments: str, group: bool = False) -> asyncio.subprocess.Process:
    """Start a module of these tests as a process of its own that talks over its standard streams."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"tests.sqlite.{module}",
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=group,
    )


async def told(process: asyncio.subprocess.Process) -> str:
    """Return the next line that a process says."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def end(process: asyncio.subprocess.Process) -> None:
    """Close the process's input, which asks it to end, and wait until it has."""
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()
