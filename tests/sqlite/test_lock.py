"""Writers of all processes take turns: what one of them is told while it waits is true when its turn comes."""

import asyncio
import fcntl
import threading
from pathlib import Path

import pytest

from vagus.backend import GroupSpec, Inbox, Member, Put, Topic, TopicSpec, Unit
from vagus.backends.sqlite import Sqlite
from vagus.backends.sqlite.doorbell import bell_folder
from vagus.clock import ManualClock
from vagus.testing.conformance.words import envelope, word_of

LEASE_S = 2.0


class HeardClock(ManualClock):
    """Says when another thread looked at it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def now(self) -> float:
        if threading.current_thread() is not threading.main_thread():
            self.heard.set()
        return super().now()


@pytest.mark.contract("G4")
async def test_lease_counts_from_the_end_of_the_wait_for_the_lock(tmp_path: Path) -> None:
    clock, path = HeardClock(), tmp_path / "x.db"
    backend = Sqlite(f"sqlite:///{path}", clock)
    await backend.open()
    await backend.declare([TopicSpec(name="t")], [GroupSpec(name="g", patterns=("t",), lease_s=LEASE_S)])
    await backend.commit([Unit([Put(Topic("t"), envelope("first"))])])
    one, two = (backend.attach(Inbox("g"), Member(name), 10) for name in ("one", "two"))
    await backend.describe()

    with (bell_folder(path) / "lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a stopped process would hold it
        clock.heard.clear()
        taking = asyncio.create_task(one.take(1, ()))
        await asyncio.sleep(0)
        assert await asyncio.to_thread(clock.heard.wait, 10)
        clock.move(2 * LEASE_S)
    [delivery] = await taking
    await backend.commit([Unit([Put(Topic("t"), envelope("second"))])])
    [other] = await two.take(1, ())

    assert (word_of(delivery.envelope), word_of(other.envelope)) == ("first", "second")
    await backend.close()
