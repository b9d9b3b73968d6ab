"""The lock of writers: who is stopped while holding it holds up the writers, not the readers, and nothing is lost."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from tests.sqlite.place import end, opened, put, start, take, told
from vagus.backend import First
from vagus.backends.sqlite.doorbell import bell_folder


async def test_stopped_holder_holds_up_writers_but_not_readers(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with opened(path) as writing, opened(path) as looking:
        await put(writing, "before")
        holder = await start("holder", str(bell_folder(path) / "lock"))
        assert await told(holder) == "held"
        holder.send_signal(signal.SIGSTOP)
        storing = asyncio.create_task(put(writing, "behind"))

        for _ in range(20):
            assert len(await looking.read("t", First(), 10)) == 1
        assert not storing.done()

        holder.send_signal(signal.SIGCONT)
        await end(holder)
        assert (await storing)[0].done
        assert len(await take(writing)) == 2


async def test_killed_holder_lets_the_writers_on(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with opened(path) as writing:
        holder = await start("holder", str(bell_folder(path) / "lock"))
        assert await told(holder) == "held"
        holder.send_signal(signal.SIGSTOP)
        storing = asyncio.create_task(put(writing, "behind"))

        holder.kill()
        await holder.wait()

        assert (await storing)[0].done
