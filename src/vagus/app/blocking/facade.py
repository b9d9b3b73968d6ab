"""An app for scripts and notebooks: plain functions over the async ones, which are written once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, TypeVar

from vagus.app.blocking.loop import LoopThread
from vagus.app.run import Run, RunPart, Status
from vagus.app.stats import AppStats
from vagus.reliability.dead import DeadLetter

T = TypeVar("T")
Which: TypeAlias = Callable[..., Any] | str
"""A handler: its function, the function's name, or the name of its group."""


class Block(Protocol):
    """What is entered and left."""

    async def __aenter__(self) -> Any:
        """Enter."""

    async def __aexit__(self, *exc: Any) -> Any:
        """Leave."""


class Asked(Block, Protocol):
    """What is asked of the app behind; as a block, it is open."""

    name: str

    def running(self) -> Block:
        """Return the block in which it is open and handles."""

    async def publish(self, events: Any, **options: Any) -> Any:
        """Publish."""

    async def start(self, event: Any, **options: Any) -> Run:
        """Start a run."""

    async def request(self, event: Any, reply: Any, *, timeout: float | str | None, **options: Any) -> Any:
        """Publish, and wait for what comes of it."""

    def run_of(self, run_id: str) -> Run:
        """Find a run."""

    async def stats(self) -> AppStats:
        """Tell figures."""

    async def dead(self, handler: Which | None = None) -> list[DeadLetter]:
        """Tell dead letters."""

    async def redrive(self, handler: Which, *, ids: Sequence[str] | None = None, rate: float | None = None) -> int:
        """Send dead letters again."""

    async def discard(self, handler: Which, *, ids: Sequence[str] | None = None) -> int:
        """Close dead letters."""


class SyncApp:
    """An app whose functions wait instead of being awaited; made by `App.sync`.

        with app.sync() as shop:
            shop.publish(UserQuery("s1", "where is my parcel?"))
            answer = shop.request(UserQuery("s1", "and now?"), Answer)

    It is open from the beginning; `close` it, or use `with`. It works where an event loop is running already, as in
    notebooks, and from several threads at once: its own loop runs in a thread of its own. After `close` everything
    raises `NotStarted`, in a forked child `ForkedAfterOpen`.
    """

    def __init__(self, app: Asked, *, handle: bool = False) -> None:
        self._app = app
        self._thread = LoopThread(f"app {app.name!r}")
        self._block: Block = app.running() if handle else app
        try:
            self._thread.call(_entered(self._block))
        except BaseException:
            self._thread.stop(_nothing())
            raise

    def close(self) -> None:
        """Let what was submitted land, end the handlers, and close the app. Calls that still wait are cancelled."""
        self._thread.stop(_left(self._block))

    def __enter__(self) -> Self:
        """Return it; it is open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.close()

    # --- events ------------------------------------------------------------------------------------------------------

    def publish(self, events: Any, **options: Any) -> Any:
        """Publish an event, or a list of them; return when they are stored. See `App.publish`."""
        return self.wait(self._app.publish(events, **options))

    def start(self, event: Any, **options: Any) -> SyncRun:
        """Publish the first event of a run and return the run. See `App.start`."""
        return SyncRun(self.wait(self._app.start(event, **options)), self._thread)

    def run_of(self, run_id: str) -> SyncRun:
        """Return a run by its id. See `App.run_of`."""
        return SyncRun(self.wait(_found(self._app, run_id)), self._thread)

    def request(self, event: Any, reply: type | Sequence[type], *, timeout: float | None = 30.0, **options: Any) -> Any:
        """Publish an event, wait for the first event of a class in `reply` that comes of it. See `App.request`."""
        return self.wait(self._app.request(event, reply, timeout=timeout, **options))

    # --- what is there -----------------------------------------------------------------------------------------------

    def dead(self, handler: Which | None = None) -> list[DeadLetter]:
        """Return the open dead letters of a handler, or of all. See `App.dead`."""
        return self.wait(self._app.dead(handler))

    def redrive(self, handler: Which, *, ids: Sequence[str] | None = None, rate: float | None = None) -> int:
        """Send dead letters of a handler to it again; return how many. See `App.redrive`."""
        return self.wait(self._app.redrive(handler, ids=ids, rate=rate))

    def discard(self, handler: Which, *, ids: Sequence[str] | None = None) -> int:
        """Close dead letters of a handler for good; return how many. See `App.discard`."""
        return self.wait(self._app.discard(handler, ids=ids))

    def stats(self) -> AppStats:
        """Return the books of all groups, and what the members here do. See `App.stats`."""
        return self.wait(self._app.stats())

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run any coroutine of the app's on its loop and return the result: `shop.wait(app.pause(retrieve))`."""
        return self._thread.call(work)


class SyncRun:
    """A run whose functions wait; made by `SyncApp.start` and `SyncApp.run_of`."""

    def __init__(self, run: Run, thread: LoopThread) -> None:
        self.id = run.id
        self._run = run
        self._thread = thread

    def status(self) -> Status:
        """Return how it stands. See `Run.status`."""
        return self._thread.call(self._run.status())

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the event that ends the run and return it. See `Run.result`."""
        return self._thread.call(self._run.result(timeout))

    def stream(self, after: int = 0) -> Iterator[RunPart]:
        """Yield every part after position `after`, once and in order, until the run has ended. See `Run.stream`."""
        parts = self._run.stream(after)
        try:
            while (part := self._thread.call(_next(parts))) is not None:
                yield part
        finally:
            with suppress(Exception):  # it may be closed meanwhile, and its loop with it
                self._thread.call(_closed(parts))


async def _entered(block: Block) -> None:
    await block.__aenter__()


async def _left(block: Block) -> None:
    await block.__aexit__(None, None, None)


async def _nothing() -> None:
    return None


async def _found(app: Asked, run_id: str) -> Run:
    return app.run_of(run_id)


async def _next(parts: AsyncIterator[RunPart]) -> RunPart | None:
    return await anext(parts, None)


async def _closed(parts: Any) -> None:
    await parts.aclose()
