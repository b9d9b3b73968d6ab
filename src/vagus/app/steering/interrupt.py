"""Ctrl-C and its kin: which of them are for the process, and what is a handler's own affair."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from weakref import WeakSet

_LOOPS: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
"""Loops that hear of Ctrl-C themselves: there, Python raises no KeyboardInterrupt in whatever happens to run."""


@contextmanager
def signals_caught(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM and SIGINT call `stop` on the running loop, for as long as the block lasts."""
    loop = asyncio.get_running_loop()
    caught = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError, ValueError, RuntimeError):  # not in the main thread, or on Windows
            loop.add_signal_handler(number, stop)
            caught.append(number)
    if signal.SIGINT in caught:
        _LOOPS.add(loop)
    try:
        yield
    finally:
        _LOOPS.discard(loop)
        for number in caught:
            loop.remove_signal_handler(number)


def ends_the_process(error: BaseException) -> bool:
    """Whether no attempt may hold up what its handler raised on the running loop; the event then comes again.

    So it is when the task is being closed, and on Ctrl-C. Where the loop hears of Ctrl-C itself, a KeyboardInterrupt
    was raised by the handler's own code, and is a failure of it as `sys.exit` is.
    """
    if isinstance(error, KeyboardInterrupt):
        return asyncio.get_running_loop() not in _LOOPS
    return isinstance(error, GeneratorExit)
