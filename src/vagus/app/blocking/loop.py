"""An event loop in a thread of its own: coroutines are handed to it, and their results waited for."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from vagus.errors import ForkedAfterOpen, NotStarted, UsageError

T = TypeVar("T")


class LoopThread:
    """Runs one event loop until it is stopped; `what` names it in errors. Safe to use from several threads."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._pending: set[Future[Any]] = set()
        self._loop = asyncio.new_event_loop()
        # Nothing of whoever makes it comes along: what runs there belongs to no task, no handler and no trial.
        self._thread = threading.Thread(
            target=contextvars.Context().run, args=(self._run,), name=f"vagus {what}", daemon=True
        )
        self._closed = False
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` there and return its result, or raise what it raises; an interrupt cancels it.

        Raises `NotStarted` after `stop`, `ForkedAfterOpen` in a child process, `UsageError` on the loop's own thread,
        which would wait for itself.
        """
        try:
            future = self._submit(work)
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except CancelledError as error:
            raise NotStarted(f"{self._what} was closed before this was done") from error
        except BaseException:
            future.cancel()
            raise
        finally:
            self._pending.discard(future)

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._pid != os.getpid():
            raise ForkedAfterOpen(
                f"{self._what} was opened before this process was forked", hint="open it in the child"
            )
        if threading.current_thread() is self._thread:
            raise UsageError(
                f"{self._what} was called from a handler that runs on its own loop, which would wait for itself",
                hint="use ctx.publish(...), or make the handler a plain function, which runs in a thread",
            )
        with self._lock:  # whoever stops waits for what was submitted before, and refuses what comes after
            if self._closed:
                raise NotStarted(f"{self._what} is closed", hint="with app.sync() as shop: ...")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._pending.add(future)
            return future

    def stop(self, last: Coroutine[Any, Any, None]) -> None:
        """Cancel what is still waited for, run `last`, and end the loop and its thread. Only the first time."""
        if self._pid != os.getpid():
            last.close()  # the loop is the parent's
            return
        with self._lock:
            first, self._closed = not self._closed, True
        if not first:
            last.close()
            return
        for future in tuple(self._pending):
            future.cancel()
        try:
            asyncio.run_coroutine_threadsafe(last, self._loop).result()
        finally:
            asyncio.run_coroutine_threadsafe(_end(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


async def _end() -> None:
    """End what was left running on the loop, so that it can be closed."""
    mine = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not mine]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
