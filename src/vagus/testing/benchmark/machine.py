"""Where it is measured: versions, settings, and what the disk takes to keep something for good."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import apsw

from vagus.registry import create_backend
from vagus.testing.benchmark.ground import Ground
from vagus.testing.benchmark.raw.sqlite import RawLog

_SYNCS = 200


def facts_of_machine() -> dict[str, str]:
    """Return what is the same for all systems."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, load {load}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": f"vagus {version('vagus')}, msgspec {version('msgspec')}, apsw {version('apsw')}",
        "sqlite": apsw.sqlite_lib_version(),
    }


def facts_of_disk(ground: Ground) -> tuple[dict[str, str], float]:
    """Return the settings of a ground as its backend reads them back, and what a commit costs, in milliseconds."""
    if ground.folder is None:
        return {}, 0.0
    settings = asyncio.run(_settings(ground.fresh()))
    sync_ms = fdatasync_ms(ground.fresh_file())
    commit = commit_ms(ground)
    shown = ", ".join(f"{name} {settings[name]}" for name in ("journal_mode", "synchronous") if name in settings)
    cost = f"fdatasync {sync_ms:.3f} ms, commit of one row {commit:.3f} ms"
    return {"sqlite settings": shown or f"synchronous {ground.synchronous}", "disk": cost}, commit


async def _settings(url: str) -> dict[str, str]:
    backend = create_backend(url)
    try:
        return (await backend.open()).settings
    finally:
        await backend.close()


def fdatasync_ms(file: Path) -> float:
    """Return the median time of making 4 kB at the end of `file` durable, in milliseconds."""
    sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
    times = []
    with file.open("wb", buffering=0) as out:
        for _ in range(_SYNCS):
            out.write(b"x" * 4096)
            begin = time.perf_counter()
            sync(out.fileno())
            times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1000


def commit_ms(ground: Ground) -> float:
    """Return the median time of a transaction that stores one row, in milliseconds."""
    times = []
    with RawLog(ground.fresh_file(), ground.synchronous) as log:
        for _ in range(_SYNCS):
            begin = time.perf_counter()
            with log.transaction():
                log.put([b"x" * 200], ())
            times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1000
