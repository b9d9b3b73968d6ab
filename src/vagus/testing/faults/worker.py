"""A worker process of a run: the handlers, until it is told to stop, killed, or left by who started it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from vagus import App
from vagus.testing.faults.record import Pause, Recorder
from vagus.testing.faults.work import Handlers, Setup, make_app

_TICK_S = 0.1

Making = Callable[[Setup, Handlers], App]


def serve(folder: Path, handlers: type[Handlers] = Handlers, make: Making = make_app) -> None:
    """Work for the run in `folder`; other `handlers`, or another app that `make` returns, put a fault in it."""
    die_with_parent()
    asyncio.run(_work(folder, handlers, make))


async def _work(folder: Path, handlers: type[Handlers], make: Making) -> None:
    setup, recorder = Setup.load(folder), Recorder(folder)
    watch = asyncio.create_task(_tell_pauses(recorder, setup.plan.lease_s / 3))
    try:
        await make(setup, handlers(setup.plan, recorder)).work()
    finally:
        watch.cancel()


async def _tell_pauses(recorder: Recorder, limit_s: float) -> None:
    """Write down when this process could not run: then nothing could keep its leases."""
    last = recorder.now()
    while True:
        await asyncio.sleep(_TICK_S)
        now = recorder.now()
        if now - last > limit_s:
            recorder.write(Pause(t=now, pid=recorder.pid, since=last))
        last = now


def die_with_parent() -> None:
    """End this process when standard input does: whoever started it is gone, however that came."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
