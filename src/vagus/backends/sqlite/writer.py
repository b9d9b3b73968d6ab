"""The one thread that owns the connection: it drains what was asked, carries it out in one transaction, and answers.

Everything queued when a transaction begins travels in it (group commit), and the takes that stand are filled before
it ends, so that an event is claimed in the very transaction that puts it. The answers of a batch reach an event loop
in one call.

The thread sleeps in one `poll` on its queue and on the doorbell that other processes ring. Due times are timers of
the event loop, on the backend's clock. A look at the database every few seconds makes up for a bell that was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from vagus.backend import Delivery
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.doorbell import Doorbell, bit_of
from vagus.backends.sqlite.engine.cache import News
from vagus.backends.sqlite.engine.engine import Engine
from vagus.backends.sqlite.failures import translate
from vagus.backends.sqlite.options import Options
from vagus.backends.sqlite.request import (
    Answer,
    Call,
    Commit,
    Demand,
    Future,
    Loop,
    Rang,
    Request,
    Stop,
    Wakeups,
    Watch,
)
from vagus.backends.sqlite.schema import open_database, prepare
from vagus.backends.sqlite.standing import Standing
from vagus.backends.sqlite.transaction import Transactions, is_awaited
from vagus.clock import Clock, Timer
from vagus.errors import ConnectionLost

T = TypeVar("T")

#: Longest time between two looks at the database while somebody waits, in seconds.
SAFETY_S = 5.0


class Writer:
    """The thread, its queue, and the way back to the event loops."""

    def __init__(self, options: Options, clock: Clock, loop: Loop) -> None:
        self._options = options
        self._clock = clock
        self._loop = loop
        self._queue: deque[Request] = deque()
        self._asleep = False
        self._closed = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._thread = threading.Thread(target=self._run, name=f"vagus:{options.path.name}", daemon=True)
        self._opened: Future = loop.create_future()
        self._timer: Timer | None = None
        self._armed = math.inf
        self.wakeups = Wakeups()

    # --- called from event loops -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start the thread, and wait until the file is open; raises what is wrong with it."""
        self._thread.start()
        await self._opened

    def put(self, request: Request) -> None:
        """Ask for something; the answer comes to its future. Raises `ConnectionLost` after the end."""
        if self._closed:
            raise closed(self._options)
        self._queue.append(request)
        if self._asleep:
            with contextlib.suppress(BlockingIOError):
                os.write(self._wake_write, b".")

    def hand_back(self, deliveries: Sequence[Delivery]) -> None:
        """Give back, uncounted, what a take was handed that nobody waits for."""
        tickets = [delivery.token for delivery in deliveries]
        with contextlib.suppress(ConnectionLost):
            self.put(Call(None, lambda engine, now: engine.settling.hand_back_some(tickets, now)))

    async def close(self) -> None:
        """Do what was asked before, then end the thread."""
        stopped = asyncio.get_running_loop().create_future()
        try:
            self.put(Stop(stopped))
        except ConnectionLost:
            return
        self._closed = True
        await stopped
        self._thread.join()
        if self._timer is not None:
            self._timer.cancel()
        os.close(self._wake_write)
        os.close(self._wake_read)

    def _deliver(self, answers: list[Answer]) -> None:
        """Resolve futures, on their own event loop."""
        for answer in answers:
            future = answer.future
            if future.done():
                if answer.taken:
                    self.hand_back(answer.result)
            elif answer.error is not None:
                future.set_exception(answer.error)
            else:
                future.set_result(answer.result)

    def _arm(self, due: float) -> None:
        """Set the timer for the next due time, on the loop that opened the backend."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self._closed else self._clock.call_later(max(0.0, due - self._clock.now()), self._rang)

    def _rang(self) -> None:
        self._timer = None
        with contextlib.suppress(ConnectionLost):
            self.put(Rang())

    # --- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        stop: Stop | None = None
        try:
            with contextlib.ExitStack() as stack:
                self._open(stack)
                self._send([Answer(self._opened)])
                while stop is None:
                    self._sleep()
                    stop = self._round()
        except Exception as failure:
            self._end(failure, stop)
        else:
            self._end(None, stop)

    def _open(self, stack: contextlib.ExitStack) -> None:
        path = self._options.path
        prepare(path)
        self._doorbell = Doorbell(path)
        stack.callback(self._doorbell.close)
        self._db: Database = open_database(self._options, self._doorbell.lock)
        stack.callback(self._db.close)
        self._doorbell.sweep()
        self._engine = Engine(self._db, self._options.keep_s)
        self._standing = Standing(self._engine)
        self._transactions = Transactions(self._db, self._engine, self._standing, path, self._clock)
        self._poll = select.poll()
        self._poll.register(self._wake_read, select.POLLIN)
        self._poll.register(self._doorbell, select.POLLIN)
        self._look = False
        self._late = False

    def _end(self, failure: Exception | None, stop: Stop | None) -> None:
        """Tell everybody that it is over; nobody is left waiting."""
        self._closed = True
        error = closed(self._options) if failure is None else translate(failure, self._options.path)
        error.__cause__ = failure
        answers = [] if self._opened.done() or failure is None else [Answer(self._opened, error=error)]
        if hasattr(self, "_standing"):
            answers += self._standing.give_up(error)
        while self._queue:
            request = self._queue.popleft()
            future = None if isinstance(request, Rang) else request.future
            if isinstance(request, Stop):
                stop = request
            elif future is not None:
                answers.append(Answer(future, error=error))
        if stop is not None:
            answers.append(Answer(stop.future))
        self._send(answers)

    def _sleep(self) -> None:
        """Wait for a request, a bell, or the time for a look without a reason."""
        if self._queue or self._look:
            return
        self._asleep = True
        if not self._queue:
            timeout_s = self._standing.safety_s(SAFETY_S)
            woken = [number for number, _ in self._poll.poll(None if timeout_s is None else timeout_s * 1000)]
            self._wake(woken)
        self._asleep = False

    def _wake(self, woken: list[int]) -> None:
        if self._wake_read in woken:
            self.wakeups.queue += 1
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 65_536)
        if self._doorbell.fileno() in woken:
            self.wakeups.doorbell += 1
            self._doorbell.answer()
            self._look = True
        if not woken:
            self.wakeups.safety += 1
            self._transactions.tidy = self._look = self._late = True
            self._doorbell.mend()
            self._doorbell.answer()

    def _round(self) -> Stop | None:
        """Carry out what is queued, and answer."""
        now = self._clock.now()
        work, stop = self._drain()
        others = self._look
        self._look = False
        if any(type(request) is Commit or (type(request) is Call and request.writes) for request in work):
            answers = self._transactions.write(work)
        else:
            seen = self._transactions.look([request for request in work if type(request) is Call], now)
            answers = self._transactions.write(work) if seen is None else seen
        others = others or self._standing.everything
        self._standing.everything = False
        if self._late:
            self.wakeups.late += sum(answer.taken for answer in answers)
            self._late = False
        try:
            news = self._engine.take_news()
            if self._standing.watches:
                answers += self._standing.see(news, now, others=others)
            self._tell(news)
        finally:
            self._send(answers)  # what was done is told, also where this thread ends here
        self._settle_down(now)
        return stop

    def _drain(self) -> tuple[list[Commit | Call], Stop | None]:
        work: list[Commit | Call] = []
        queue = self._queue
        while queue:
            request = queue.popleft()
            if isinstance(request, (Commit, Call)):
                work.append(request)
            elif isinstance(request, Demand):
                self._standing.demands.append(request)
            elif isinstance(request, Watch):
                self._standing.watches.append(request)
            elif isinstance(request, Rang):
                self.wakeups.timer += 1
                self._armed = math.inf
            else:
                return work, request
        return work, None

    def _settle_down(self, now: float) -> None:
        """Say what is waited for, look once more if that is new, and set the timer."""
        standing = self._standing
        if self._doorbell.want(standing.bits()) and self._transactions.others_wrote():
            self._look = True
        if standing.empty:
            return
        due = standing.next_due()
        if due <= now and standing.may_go_on(now):
            self._look = True
        elif due < self._armed:
            self._armed = due
            self._call(self._loop, self._arm, due)

    def _tell(self, news: News) -> None:
        """Ring those who wait for what changed."""
        if news.everybody:
            self._doorbell.ring_all()
            return
        bits = 0
        for id in news.logs:
            log = self._engine.cache.logs_by_id.get(id)
            if log is not None:
                news.subscriptions |= log.readers
                bits |= bit_of("topic", log.name)
        for id in news.subscriptions:
            bits |= bit_of("subscription", id)
        for name in news.streams:
            bits |= bit_of("stream", name)
        if bits:
            self._doorbell.ring(bits)

    def _send(self, answers: list[Answer]) -> None:
        loops: dict[Loop, list[Answer]] = {}
        for answer in answers:
            if is_awaited(answer):
                loops.setdefault(answer.future.get_loop(), []).append(answer)
        for loop, own in loops.items():
            self._call(loop, self._deliver, own)

    def _call(self, loop: Loop, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(function, *arguments)


def closed(options: Options) -> ConnectionLost:
    """Return the error for whoever asks after the end."""
    return ConnectionLost("the database is closed", where=str(options.path), hint="open the backend again")


async def watch(
    writer: Writer,
    clock: Clock,
    wait_s: float,
    look: Callable[[Engine, float], Sequence[T]],
    *,
    topic: str | None = None,
    stream: str | None = None,
) -> Sequence[T]:
    """Return what `look` finds as soon as it finds something, nothing when `wait_s` seconds are over."""
    future: asyncio.Future[Sequence[T]] = asyncio.get_running_loop().create_future()
    bit = bit_of("stream", stream or "") if topic is None else bit_of("topic", topic)

    def give_up() -> None:
        if not future.done():
            future.set_result([])

    timer = clock.call_later(wait_s, give_up)
    try:
        writer.put(Watch(future, look, bit, topic, stream))
        return await future
    finally:
        timer.cancel()
