"""Under `FULL` a publish returns after the log has reached the disk; under `NORMAL` it does not wait for that."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.sqlite.place import end, opened, put, start, told


class Syncs(apsw.VFS):
    """SQLite's own way to the disk, with a note of each sync of the write-ahead log that was completed."""

    def __init__(self) -> None:
        self.completed = 0
        super().__init__("syncs", "unix", makedefault=True)

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return SyncedFile(self, name, flags)


class SyncedFile(apsw.VFSFile):
    """One open file."""

    def __init__(self, syncs: Syncs, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._syncs = syncs
        self._is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._syncs.completed += self._is_log


@pytest.fixture
def syncs() -> Iterator[Syncs]:
    found = Syncs()
    try:
        yield found
    finally:
        found.unregister()


@pytest.mark.contract("G1")
@pytest.mark.parametrize(("synchronous", "each"), [("full", True), ("normal", False)])
async def test_log_is_synced_before_publish_returns_only_under_full(
    tmp_path: Path, syncs: Syncs, synchronous: str, each: bool
) -> None:
    async with opened(tmp_path / "a.db", f"?synchronous={synchronous}") as backend:
        for number in range(10):
            before = syncs.completed
            await put(backend, str(number))
            assert (syncs.completed > before) is each


@pytest.mark.contract("G1")
async def test_publishes_at_once_share_a_sync(tmp_path: Path, syncs: Syncs) -> None:
    async with opened(tmp_path / "a.db", "?synchronous=full") as backend:
        before = syncs.completed
        await asyncio.gather(*(put(backend, str(number)) for number in range(200)))

        assert 1 <= syncs.completed - before < 50


# --- as the kernel sees it -------------------------------------------------------------------------------------------

CALL = re.compile(r"^\d+ +[\d.]+ (?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)", re.MULTILINE)
#: A call of one thread that another thread's interrupted in the trace, joined again.
UNFINISHED = re.compile(r"^(\d+) +([\d.]+ \w+\(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+) +([\d.]+) <\.\.\. \w+ resumed>(.*)$")


def completed(trace: str) -> list[tuple[str, str]]:
    """Return the calls of a trace, name and arguments, in the order in which they came back."""
    begun: dict[str, str] = {}
    lines = []
    for line in trace.splitlines():
        if match := UNFINISHED.match(line):
            begun[match[1]] = match[2]
        elif match := RESUMED.match(line):
            line = f"{match[1]} {begun.pop(match[1])}{match[3]}"
            lines.append(line)
        else:
            lines.append(line)
    return [(call["name"], call["arguments"]) for call in CALL.finditer("\n".join(lines)) if int(call["result"]) >= 0]


def syncs_of_publishes(trace: str) -> list[int]:
    """Return how many syncs were completed between each publish's begin and its return, as its process said them."""
    counts: list[int] = []
    inside = False
    for name, arguments in completed(trace):
        if name == "write" and '"begin' in arguments:
            counts.append(0)
            inside = True
        elif name == "write" and '"returned' in arguments:
            inside = False
        elif inside and name in ("fsync", "fdatasync"):
            counts[-1] += 1
    return counts


def test_interrupted_calls_of_a_trace_count_when_they_came_back() -> None:
    trace = (
        '7 0.1 write(1, "begin\\n", 6) = 6\n'
        "8 0.2 fdatasync(9 <unfinished ...>\n"
        '7 0.3 write(3, "x", 1) = 1\n'
        "8 0.4 <... fdatasync resumed>) = 0\n"
        '7 0.5 write(1, "returned\\n", 9) = 9\n'
        '7 0.6 write(1, "begin\\n", 6) = 6\n'
        "8 0.7 fdatasync(9) = -1 EIO (Input/output error)\n"
        "8 0.7 fdatasync(9 <unfinished ...>\n"
        '7 0.8 write(1, "returned\\n", 9) = 9\n'
        "8 0.9 <... fdatasync resumed>) = 0\n"
    )

    assert syncs_of_publishes(trace) == [1, 0]


async def trace(pid: str, file: Path) -> asyncio.subprocess.Process:
    """Trace a process that runs; return when the tracer is attached."""
    what = ("-f", "-ttt", "-e", "trace=fsync,fdatasync,write", "-o", str(file), "-p", pid)
    tracer = await asyncio.create_subprocess_exec("strace", *what, stderr=asyncio.subprocess.PIPE)
    assert tracer.stderr is not None
    answer = await tracer.stderr.readline()
    assert b"attached" in answer, answer
    return tracer


@pytest.mark.contract("G1")
@pytest.mark.parametrize(("synchronous", "each"), [("full", True), ("normal", False)])
async def test_kernel_completes_a_sync_between_publish_and_its_return(
    tmp_path: Path, synchronous: str, each: bool
) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not installed; what SQLite asks of its files is shown above all the same")
    process = await start("one_by_one", str(tmp_path / "a.db"), f"?synchronous={synchronous}")
    tracer = await trace(await told(process), tmp_path / "trace")
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    while await told(process) != "done":
        pass
    tracer.send_signal(signal.SIGINT)
    await tracer.communicate()
    await end(process)

    counts = syncs_of_publishes((tmp_path / "trace").read_text())

    assert len(counts) == 10
    assert [count > 0 for count in counts] == [each] * 10
