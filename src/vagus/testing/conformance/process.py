"""Another process on the same URL: it puts, takes and acks on request, until it is told to end or is killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vagus.backend import Backend, Delivery, Done, Feed, Inbox, Member, Put, Settle, Topic, Unit
from vagus.registry import create_backend
from vagus.store import Append
from vagus.testing.conformance.words import envelope, word_of

#: How long, in seconds, a process may take to start or to answer on a slow machine.
ANSWER_S = 20.0


@dataclass
class Process:
    """The near end: one request, one answer, as JSON lines."""

    child: asyncio.subprocess.Process

    @classmethod
    async def start(cls, url: str) -> Process:
        """Start the process and wait until it has opened `url`."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, url, stdin=PIPE, stdout=PIPE, env=environment
        )
        process = cls(child)
        assert await process.answer() == "open"
        return process

    async def ask(self, verb: str, *arguments: Any) -> Any:
        """Send a request and return the answer; fails when the process has died."""
        self.send(verb, *arguments)
        return await self.answer()

    def send(self, verb: str, *arguments: Any) -> None:
        """Send a request whose answer nobody waits for yet."""
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps([verb, *arguments]).encode() + b"\n")

    async def answer(self) -> Any:
        """Return the next answer."""
        assert self.child.stdout is not None
        async with asyncio.timeout(ANSWER_S):
            line = await self.child.stdout.readline()
        assert line, f"the other process ended with code {await self.child.wait()}"
        return json.loads(line)

    async def kill(self) -> None:
        """End it without any warning, as `kill -9` does; safe to repeat."""
        if self.child.returncode is None:
            self.child.kill()
        await self.child.wait()


@dataclass
class Far:
    """The far end: carries requests out on a backend of its own."""

    backend: Backend
    feed: Feed | None = None
    held: Sequence[Delivery] = ()

    async def put(self, topic: str, *words: str) -> list[str]:
        """Store one event per word and say what became of each."""
        [outcome] = await self.backend.commit([Unit(puts=[Put(Topic(topic), envelope(word)) for word in words])])
        return [said.status for said in outcome.puts]

    async def once(self, topic: str, word: str, dedupe: str) -> str:
        """Store one event under a dedupe value and say what became of it."""
        [outcome] = await self.backend.commit([Unit(puts=[Put(Topic(topic), envelope(word), dedupe=dedupe)])])
        return outcome.puts[0].status

    async def take(self, group: str, limit: int) -> list[str]:
        """Take at most `limit` deliveries and hold them."""
        if self.feed is None:
            self.feed = self.backend.attach(Inbox(group), Member(f"far-{os.getpid()}"), 1000)
        self.held = await self.feed.take(limit, ())
        return [word_of(delivery.envelope) for delivery in self.held]

    async def ack(self) -> list[str]:
        """Settle what was taken last as done."""
        units = [Unit(settles=[Settle(delivery.token, Done("acked"))]) for delivery in self.held]
        return [outcome.settles[0] for outcome in await self.backend.commit(units)]

    async def append(self, stream: str, producer: str, number: int, *parts: str) -> bool:
        """Append parts to a stream of the store."""
        assert self.backend.store is not None
        return await self.backend.store.append(stream_append(stream, producer, number, parts))


def stream_append(stream: str, producer: str, number: int, parts: Sequence[str], epoch: int = 0) -> Append:
    """Return an append of text parts that is forgotten after some minutes."""
    return Append(stream, producer, epoch, number, [part.encode() for part in parts], ttl_s=300.0)


async def serve(url: str) -> None:
    """Open `url` and answer requests from standard input until it ends."""
    far = Far(create_backend(url))
    await far.backend.open()
    reply("open")
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            verb, *arguments = json.loads(line)
            reply(await getattr(far, verb)(*arguments))
    finally:
        await far.backend.close()


def reply(answer: Any) -> None:
    """Write one answer."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
