"""An event loop that gives the same run for the same seed: virtual time, and chance alone decides who goes first.

Time stands still while anything is ready and then jumps to the next timer, so that a day costs nothing. What is
ready in one turn runs in an order that the seed decides. Callbacks belong to the `Process` that scheduled them: one
can be killed (nothing of it ever runs again, as after `kill -9`) or frozen (all of it waits, as after SIGSTOP).
There is no world outside: sockets, threads, signals and files raise `NoOutsideWorld`.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from asyncio import events
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, NoReturn, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SPINS = 200_000
"""So many callbacks at one instant are a loop that spins: somebody polls."""

_process: ContextVar[Process | None] = ContextVar("vagus.testing.process", default=None)


def process_name() -> str:
    """Return the name of the process in which this is called; "world" outside of any."""
    process = _process.get()
    return "world" if process is None else process.name


class LoopError(RuntimeError):
    """What only a deterministic loop can notice."""


class Deadlock(LoopError):
    """Nothing is ready and no timer is set: what is awaited will never come."""


class Livelock(LoopError):
    """Callbacks run without end and time does not move: somebody polls."""


class NoOutsideWorld(LoopError):
    """Something asked the deterministic loop for a socket, a thread, a signal or a process."""


class Process:
    """Everything that was started by one `spawn`, and by that in turn; dies or stops as one."""

    def __init__(self, loop: DeterministicLoop, name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        self._loop = loop
        self._withheld: list[_Call | _Timer] = []

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start `work` in this process."""
        context = copy_context()
        context.run(_process.set, self)
        return self._loop.create_task(work, name=self.name, context=context)

    def kill(self) -> None:
        """End it as `kill -9` does: no handler, no `finally`, nothing of it runs any more."""
        self.alive = False
        self._withheld.clear()
        self._loop.keep_pending()

    def freeze(self) -> None:
        """Stop it as SIGSTOP does, its timers too; the world goes on without it."""
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on; all that was withheld is ready at once."""
        self.frozen = False
        self._loop.resume(self._withheld)
        self._withheld = []

    def withholds(self, call: _Call | _Timer) -> bool:
        """Return whether `call` must not run now; a frozen process keeps it for later."""
        if self.frozen and self.alive:
            self._withheld.append(call)
        return self.frozen or not self.alive


class _Call(asyncio.Handle):
    """A callback and the process that it belongs to."""

    __slots__ = ("process",)

    def __init__(self, callback: Any, args: Any, loop: DeterministicLoop, context: Context) -> None:
        super().__init__(callback, args, loop, context)
        self.process = context.get(_process)


class _Timer(asyncio.TimerHandle):
    """A callback with a time."""

    __slots__ = ("process",)

    def __init__(self, when: float, callback: Any, args: Any, loop: DeterministicLoop, context: Context) -> None:
        super().__init__(when, callback, args, loop, context)
        self.process = context.get(_process)


class DeterministicLoop(asyncio.AbstractEventLoop):
    """See the module; use `run`, or `run_until_complete` and `close`."""

    def __init__(self, seed: int) -> None:
        self.callbacks = 0
        self._random = random.Random(seed)
        self._time = 0.0
        self._ready: list[_Call | _Timer] = []
        self._timers: list[tuple[float, int, _Timer]] = []
        self._timers_ever = 0
        self._since_jump = 0
        self._pending: set[asyncio.Task[Any]] = set()
        self._failure: BaseException | None = None
        self._running = False
        self._closed = False

    def process(self, name: str) -> Process:
        """Return a new process, in which nothing runs yet."""
        return Process(self, name)

    def resume(self, calls: list[_Call | _Timer]) -> None:
        """Make what was withheld ready."""
        self._ready.extend(calls)

    def keep_pending(self) -> None:
        """Keep the tasks that there are, so that those of a dead process are not collected at a time of chance."""
        self._pending |= asyncio.all_tasks(self)

    # --- what asyncio asks for ---------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the virtual time, in seconds since the loop was made."""
        return self._time

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call `callback` in the next turn, before or after others as the seed decides."""
        call = _Call(callback, args, self, copy_context() if context is None else context)
        self._ready.append(call)
        return call

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call `callback` when `delay` virtual seconds have passed."""
        return self.call_at(self._time + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call `callback` at that virtual time."""
        timer = _Timer(when, callback, args, self, copy_context() if context is None else context)
        self._timers_ever += 1
        heapq.heappush(self._timers, (when, self._timers_ever, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are skipped when their time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Generator[Any, None, T] | Coroutine[Any, Any, T], *, name: Any = None, context: Any = None, **_: Any
    ) -> asyncio.Task[T]:
        """Return a task of this loop; it begins in the next turn."""
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def get_debug(self) -> bool:
        """Return False: what debug mode adds takes real time."""
        return False

    def is_running(self) -> bool:
        """Return whether the loop runs."""
        return self._running

    def is_closed(self) -> bool:
        """Return whether the loop was closed."""
        return self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Let the run fail with what a callback or a forgotten task raised."""
        error = context.get("exception")
        if error is not None and not self._closed and self._failure is None:
            self._failure = error

    # --- running -----------------------------------------------------------------------------------------------------

    def run_until_complete(self, future: Any) -> Any:
        """Run until the coroutine or future is done; return its result.

        Raises `Deadlock`, `Livelock`, what a callback raised, and what `future` did.
        """
        before = events._get_running_loop()
        events._set_running_loop(self)
        self._running = True
        try:
            main = asyncio.ensure_future(future, loop=self)
            while not main.done():
                self._turn(main)
            return main.result()
        finally:
            self._running = False
            events._set_running_loop(before)

    def _turn(self, main: asyncio.Future[Any]) -> None:
        if not self._ready:
            self._jump(main)
        calls, self._ready = self._ready, []
        if len(calls) > 1:
            self._random.shuffle(calls)
        for call in calls:
            if not call.cancelled() and not (call.process is not None and call.process.withholds(call)):
                call._run()
        self.callbacks += len(calls)
        self._since_jump += len(calls)
        if self._failure is not None:
            raise self._failure
        if self._since_jump > SPINS:
            raise Livelock(f"{SPINS} callbacks ran at {self._time:.3f} s and time did not move: somebody polls")

    def _jump(self, main: asyncio.Future[Any]) -> None:
        """Move time to the next timer."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise Deadlock(f"nothing is ready and no timer is set at {self._time:.3f} s, and {main!r} is not done")
        if timers[0][0] > self._time:
            self._time = timers[0][0]
            self._since_jump = 0
        while timers and timers[0][0] <= self._time:
            timer = heapq.heappop(timers)[2]
            if not timer.cancelled():
                self._ready.append(timer)

    def close(self) -> None:
        """End everything that is still there, as switching off the machine does. Idempotent."""
        self.keep_pending()
        self._closed = True
        for task in self._pending:
            if not task.done():
                # A coroutine that was never begun, or is dropped half-way, would complain when it is collected.
                with suppress(Exception):
                    task.get_coro().close()
        self._pending.clear()
        self._ready.clear()
        self._timers.clear()


def _refuse(name: str) -> Callable[..., NoReturn]:
    def refused(self: DeterministicLoop, *args: Any, **options: Any) -> NoReturn:
        raise NoOutsideWorld(
            f"{name}() was called on a deterministic loop, which has no sockets, threads, signals or processes"
        )

    refused.__name__ = name
    return refused


_OUTSIDE = (
    *("run_in_executor", "set_default_executor", "call_soon_threadsafe", "getaddrinfo", "getnameinfo"),
    *("create_connection", "create_server", "create_unix_connection", "create_unix_server", "sendfile", "start_tls"),
    *("create_datagram_endpoint", "connect_read_pipe", "connect_write_pipe", "subprocess_shell", "subprocess_exec"),
    *("add_reader", "remove_reader", "add_writer", "remove_writer", "connect_accepted_socket"),
    *("sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendto"),
    *("sock_connect", "sock_accept", "sock_sendfile", "add_signal_handler", "remove_signal_handler"),
)
for _name in _OUTSIDE:
    setattr(DeterministicLoop, _name, _refuse(_name))


def run(main: Coroutine[Any, Any, T], seed: int = 0) -> T:
    """Run `main` on a deterministic loop of that seed and return its result; see `DeterministicLoop`."""
    loop = DeterministicLoop(seed)  # type: ignore[abstract]  # what it lacks is refused, see above
    try:
        result: T = loop.run_until_complete(main)
        return result
    finally:
        loop.close()
