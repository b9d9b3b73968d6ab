"""No process outlives its run, and one that ends by itself is told of."""

import os
import signal
import sys
from pathlib import Path

from vagus.testing.faults.crew import Crew
from vagus.testing.faults.record import Fell, Recorder, Started, read_records

SLEEPER = (sys.executable, "-c", "import signal; signal.pause()")
QUITTER = (sys.executable, "-c", "raise SystemExit(3)")


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_stopped_process_is_gone_when_its_crew_is_left(tmp_path: Path) -> None:
    async with Crew(tmp_path, Recorder(tmp_path), SLEEPER) as crew:
        await crew.start("worker 0")
        process = crew.process("worker 0")
        assert process is not None
        crew.stop(process)
        assert is_there(process.pid)

    assert not is_there(process.pid)
    assert process.returncode == -signal.SIGKILL


async def test_killed_process_is_replaced_once_however_often_it_is_struck(tmp_path: Path) -> None:
    async with Crew(tmp_path, Recorder(tmp_path), SLEEPER) as crew:
        await crew.start("worker 0")
        first = crew.process("worker 0")
        assert first is not None
        await crew.replace("worker 0", first)
        await crew.replace("worker 0", first)
        await crew.look()

    started = [record.victim for record in read_records(tmp_path) if isinstance(record, Started)]
    assert len(started) == 2
    assert started[0] == first.pid


async def test_process_that_ends_by_itself_is_told_of_and_replaced(tmp_path: Path) -> None:
    async with Crew(tmp_path, Recorder(tmp_path), QUITTER) as crew:
        await crew.start("worker 0")
        process = crew.process("worker 0")
        assert process is not None
        await process.wait()
        await crew.look()

    [fell] = [record for record in read_records(tmp_path) if isinstance(record, Fell)]
    assert (fell.victim, fell.role, fell.code) == (process.pid, "worker 0", 3)
