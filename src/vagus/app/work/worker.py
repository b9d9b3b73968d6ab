"""A member at work: takes deliveries, runs their attempts within limits, keeps their leases, settles in batches.

No task is made per event. A bounded pool of tasks works through a queue; one timer extends the leases of all that is
held, one ends what runs over its time. How many are held follows the handler's own pace: at most what it handles in
a tenth of a second, so that a slow handler leaves the rest to others and a fast one never waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any, Literal

import msgspec

from vagus.app.stats import Counts, State
from vagus.app.steering.orders import Halt
from vagus.app.work.attempt import Attempt, Cancelled
from vagus.app.work.gate import Gate
from vagus.app.work.parking import Parking
from vagus.app.work.runner import Runner
from vagus.backend import Backend, Delivery, Feed, Inbox, Lane, Member, Outcome, Release, Settle, Token, Unit
from vagus.clock import Timer
from vagus.delivery.credit import Pace
from vagus.delivery.lane import next_order
from vagus.errors import BackendError, ConnectionLost, VagusError
from vagus.reliability.decide import LOSS_LIMITS
from vagus.reliability.verdict import Refused, Stopped

EXTEND_EVERY = 3
"""Leases are extended this many times within their length."""

_log = logging.getLogger("vagus.worker")
_AGAIN_S = (0.1, 0.5, 1.0, 2.0, 5.0)


class Worker:
    """One member of one handler's group."""

    def __init__(self, runner: Runner, backend: Backend, member: Member, *, lanes: bool) -> None:
        self.runner = runner
        self.member = member
        self.counts = Counts()
        self._backend = backend
        self._group = runner.seat.group
        self._handler = runner.seat.handler
        self._tools = runner.seat.tools
        self._lanes = lanes
        self._turn = 0
        handler = self._handler
        # A batch can be no larger than what is held.
        least = max(handler.concurrency, handler.batch) if handler.signature.batch else handler.concurrency
        self._pace = Pace(least, handler.prefetch)
        self._queue: deque[Attempt] = deque()
        self._held: dict[Attempt, None] = {}  # dicts, not sets: what is done in their order can be done again
        self._running: dict[Attempt, asyncio.Task[None]] = {}
        self._parked = Parking()
        self._orders = runner.seat.orders
        self._halted: Halt | None = None
        self._gate: Gate | None = None
        if handler.rate is not None and self._tools.store is not None:
            self._gate = Gate(self._group, handler.rate, self._tools.store, self._tools.clock, self._wake)
        self._unlisten: Callable[[], object] | None = None
        self._alone = False
        self._pool: dict[asyncio.Task[None], None] = {}
        self._errands: dict[asyncio.Task[None], None] = {}
        self._idle: deque[asyncio.Future[None]] = deque()
        self._room = asyncio.Event()
        self._empty = asyncio.Event()
        self._feed: Feed | None = None
        self._taking: asyncio.Task[None] | None = None
        self._timers: dict[str, Timer] = {}
        self._stopping = False
        self._left = False
        self._connected = False
        #: Is told of every attempt that was settled, and how.
        self.told: Callable[[Attempt, Unit], None] | None = None

    # --- what can be seen --------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Return what this member does; see `WorkerStats`."""
        return self.standing[0]

    @property
    def standing(self) -> tuple[State, str]:
        """Return what this member does, and the same in a sentence."""
        limit_s = self._handler.timeout_s
        longest_s = max((self._now() - attempt.started_at for attempt in self._running), default=0.0)
        if limit_s is not None and longest_s > limit_s:
            return "stalled", f"it has been handling an event for {longest_s:.0f} s, its timeout is {limit_s:g} s"
        if self._halted == "paused":
            return "paused", f"it takes nothing until it is resumed, and holds {len(self._held)}"
        if self._halted is not None and self._feed is None:
            return "drained", "it has left its group until it is resumed"
        if self._halted is not None:
            return "draining", f"it finishes what it holds ({len(self._held)}), and leaves"
        if not self._connected:
            return "stalled", "it has no connection to its backend, and tries again"
        busy = len(self._held) - len(self._parked)
        return ("working", f"it holds {busy}") if busy else ("waiting", "it has joined, and there is nothing to do")

    @property
    def held(self) -> int:
        """How many deliveries this member holds."""
        return len(self._held)

    def keeps(self, token: Token) -> bool:
        """Return whether the delivery of that token is kept in hand until its paused run goes on."""
        return any(attempt.delivery.token is token for attempt in self._parked.kept)

    def _now(self) -> float:
        return self._tools.clock.monotonic()

    # --- taking ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Join the group and begin to take, unless other things are wanted of this member."""
        if self._orders is not None:
            self._halted = self._orders.halt
            self._unlisten = self._orders.listen(self._steer)
        if self._halted in (None, "paused"):
            self._attach()
        self._plan_extension()
        if self._halted is None:
            self._begin_taking()

    def _begin_taking(self) -> None:
        loop = asyncio.get_running_loop()
        self._taking = loop.create_task(self._take_forever(self._taking), name=f"take {self._group}")

    def _attach(self) -> None:
        self._feed = self._backend.attach(Inbox(self._group), self.member, self._pace.most)
        self._connected = True

    async def _take_forever(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])  # a feed is not for two at once
            self._connected = self._feed is not None
        try:
            await self._take_until_stopped()
        finally:
            # Ended by somebody else, it takes nothing more, and says so.
            self._connected = self._stopping or self._halted is not None

    async def _take_until_stopped(self) -> None:
        failures = 0
        while not self._stopping:
            try:
                await self._take_once()
                failures = 0
            except Exception as error:  # also a dropped group, or a fault of the backend: nobody else would notice
                self._connected = False
                delay_s = _AGAIN_S[min(failures, len(_AGAIN_S) - 1)]
                failures += 1
                _log.warning("%s lost its backend, trying again in %g s: %r", self._group, delay_s, error)
                await self._sleep(delay_s)
                self._reattach()

    def _reattach(self) -> None:
        try:
            self._attach()
            self.counts.reconnects += 1
        except VagusError as error:
            _log.warning("%s cannot join its group yet: %s", self._group, error)

    async def _take_once(self) -> None:
        room = self._pace.room(len(self._held) - len(self._parked))
        if room <= 0 or self._alone:
            self._room.clear()
            await self._room.wait()
            return
        if self._feed is None:
            raise ConnectionLost("it has not joined its group")
        lanes: Sequence[Lane] = ()
        if self._lanes:
            lanes = next_order(10, self._turn)
            self._turn += 1
        self._receive(await self._feed.take(room, lanes))
        if self._stopping or self._halted is not None:
            self._hand_back_queue()
        else:
            self._wake()

    def _receive(self, deliveries: Sequence[Delivery]) -> None:
        attempts = [Attempt(delivery, self.runner.seat) for delivery in deliveries]
        self._held.update(dict.fromkeys(attempts))
        self._queue.extend(attempts)
        self._empty.clear()
        if any(delivery.losses >= LOSS_LIMITS.alone for delivery in deliveries):
            self._alone = True  # it may kill this process: it runs while nothing else is held
            self._give_back_parked()

    # --- working -----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Let one idle task of the pool begin; it calls the next one when it has to wait itself."""
        if not self._queue or (self._alone and self._must_wait()):
            return  # letting go of what is held wakes again
        if self._gate is not None and not self._gate.is_open(len(self._queue)):
            return  # it wakes when it opens
        while self._idle:
            future = self._idle.popleft()
            if not future.done():
                future.set_result(None)
                asyncio.get_running_loop().call_soon(self._widen)
                return
        if len(self._pool) < self._handler.concurrency:
            task = asyncio.get_running_loop().create_task(self._work(), name=f"work {self._group}")
            self._pool[task] = None
            task.add_done_callback(self._replace)
            asyncio.get_running_loop().call_soon(self._widen)

    def _widen(self) -> None:
        """Wake another one while work is left over: whoever was woken before had to wait in its handler."""
        asyncio.get_running_loop().call_soon(self._wake)

    def _replace(self, task: asyncio.Task[None]) -> None:
        """Let another task go on with what is queued when a handler has ended the one that it ran in."""
        del self._pool[task]
        if not task.cancelled() and task.exception() is not None:
            _log.error("%s: a handler ended its task; its event comes again: %r", self._group, task.exception())
        if not self._stopping:
            self._wake()

    async def _work(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        one = self._one_batch if self._handler.signature.batch else self._one
        while True:
            while self._queue and not (self._alone and self._must_wait()) and self._may_begin():
                await one(task)
                if task.cancelling():
                    return  # not by us: what is to come is none of that, and has a task of its own
            if self._stopping:
                return
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(future)
            await future

    def _may_begin(self) -> bool:
        return self._gate is None or self._gate.take(len(self._queue))

    def _must_wait(self) -> bool:
        """An event that may kill its worker waits until it is the only one here; so do those behind it."""
        if self._running:
            return True
        suspects = [attempt for attempt in self._queue if _suspect(attempt)]
        others = [attempt for attempt in self._queue if not _suspect(attempt)]
        if others:
            self._queue = deque(others + suspects)
            return False
        for attempt in suspects[1:]:
            self._hand_back(attempt)
        self._queue = deque(suspects[:1])
        return len(self._held) > 1

    async def _one(self, task: asyncio.Task[None]) -> None:
        attempt = self._queue.popleft()
        self._running[attempt] = task
        if self._handler.timeout_s is not None:
            self._limit(attempt, self._handler.timeout_s)
        elif self._tools.committer.watch is not None:
            attempt.started_at = self._now()
        try:
            unit = await (self.runner.run_alone(attempt) if _suspect(attempt) else self.runner.run(attempt))
        except Exception:
            unit = self._fault(attempt)
        except BaseException:
            self._let_go(attempt)  # extended any longer, it would never be handled again
            raise
        finally:
            del self._running[attempt]
        if attempt.cancelled is not None:
            _take_back(task)
        self._submit(attempt, unit)

    def _fault(self, attempt: Attempt) -> Unit:
        """Give an event back that our own code could not deal with: kept, tried again, and never in a hot loop."""
        _log.exception("%s met a fault in vagus itself; the event is kept", self._group)
        attempt.result = "handed_back"
        return Unit((), (Settle(attempt.delivery.token, Release(_AGAIN_S[-1])),))

    async def _one_batch(self, task: asyncio.Task[None]) -> None:
        attempts = [self._queue.popleft()]
        while not _suspect(attempts[0]) and self._queue and len(attempts) < self._handler.batch:
            if _suspect(self._queue[0]) or not self._may_begin():
                break
            attempts.append(self._queue.popleft())
        for attempt in attempts:
            self._running[attempt] = task
            if self._handler.timeout_s is not None:
                self._limit(attempt, self._handler.timeout_s)
            elif self._tools.committer.watch is not None:
                attempt.started_at = self._now()
        units: Sequence[Unit]
        try:
            if _suspect(attempts[0]):
                units = [await self.runner.run_alone(attempts[0])]
            else:
                units = await self.runner.run_batch(attempts)
        except Exception:
            units = [self._fault(attempt) for attempt in attempts]
        except BaseException:
            for attempt in attempts:
                self._let_go(attempt)
            raise
        finally:
            for attempt in attempts:
                del self._running[attempt]
        if any(attempt.cancelled is not None for attempt in attempts):
            _take_back(task)
        for attempt, unit in zip(attempts, units, strict=True):
            self._submit(attempt, unit)

    def _limit(self, attempt: Attempt, timeout_s: float) -> None:
        attempt.started_at = self._now()
        if "timeout" not in self._timers:
            self._plan("timeout", timeout_s, self._stop_late)

    def _cancel(self, attempt: Attempt, why: Cancelled) -> None:
        """Stop an attempt if its handler is running; `why` decides what becomes of the event."""
        if attempt.cancelled is None:
            attempt.cancelled = why
            task = self._running.get(attempt)
            if task is not None and not task.cancelling():  # those of a batch share one
                task.cancel()

    # --- steering ----------------------------------------------------------------------------------------------------

    def _steer(self) -> None:
        """Do what is wanted now, of this member and of what it holds."""
        orders = self._orders
        if orders is None or self._stopping:
            return
        if orders.halt != self._halted:
            self._halted = orders.halt
            if self._halted is None:
                self._go_on()
            else:
                self._hold_still(self._halted)
        for attempt in self._parked.take_all():
            self._park(attempt)
        for attempt in list(self._running):
            if self._withheld(attempt) == "cancelled":
                self._cancel(attempt, "revoked")

    def _withheld(self, attempt: Attempt) -> Literal["paused", "cancelled"] | None:
        if self._orders is None or attempt.event is None:
            return None
        return self._orders.of_event(attempt.event, attempt.delivery, attempt.origin)

    def _hold_still(self, halt: Halt) -> None:
        """Take no more and hand back what is not begun; also what is, if its place is cancelled."""
        if self._taking is not None:
            self._taking.cancel()
        self._hand_back_queue()
        self._give_back_parked()
        if halt == "cancelled":
            for attempt in list(self._running):
                self._cancel(attempt, "stopped")
        self._run_errand(self._come_to_rest(halt, msgspec.structs.replace(self.counts)), "halt")

    async def _come_to_rest(self, halt: Halt, before: Counts) -> None:
        """Wait until nothing is held; leave, unless only paused; say what was done meanwhile."""
        if self._taking is not None:
            await asyncio.wait([self._taking])
        if self._held:
            await self._empty.wait()
        if self._halted != halt or self._orders is None:
            return
        if halt != "paused":
            await self._leave_group()
        done = {name: now - getattr(before, name) for name, now in msgspec.structs.asdict(self.counts).items()}
        try:
            await self._orders.tell("rests" if halt == "paused" else "left", **{n: c for n, c in done.items() if c})
        except VagusError as error:
            _log.warning("%s could not say that it holds nothing: %s", self._group, error)

    def _go_on(self) -> None:
        if self._feed is None:
            self._reattach()
        self._begin_taking()

    def _park(self, attempt: Attempt) -> None:
        """Keep a delivery of a paused run in hand where there is room; else let it be looked at again later."""
        attempt.reset()
        if self._withheld(attempt) != "paused" and not self._stopping and self._halted is None:
            self._queue.append(attempt)
            self._wake()
        elif self._stopping or self._halted is not None or self._alone or len(self._parked) >= self._pace.spare:
            self._give_back(attempt)
        else:
            self._parked.keep(attempt)
            self._room.set()

    def _give_back_parked(self) -> None:
        for attempt in self._parked.take_all():
            self._give_back(attempt)

    def _give_back(self, attempt: Attempt) -> None:
        later = not self._stopping and self._halted is None
        after_s = self._parked.look_after_s(self._now()) if later else 0.0
        attempt.result = "handed_back"
        self._submit(attempt, Unit((), (Settle(attempt.delivery.token, Release(after_s)),)))

    # --- settling ----------------------------------------------------------------------------------------------------

    def _submit(self, attempt: Attempt, unit: Unit) -> None:
        if attempt.cancelled == "lost" or self._left:
            self._let_go(attempt)
            return
        if attempt.result == "paused":
            self._park(attempt)
            return
        self._tools.committer.submit(unit, self._settled, attempt)

    def _settled(self, attempt: Attempt, unit: Unit, outcome: Outcome | VagusError) -> None:
        if isinstance(outcome, VagusError):
            _log.warning("%s could not settle, trying again: %s", self._group, outcome)
            delay_s = _AGAIN_S[2]
            self._tools.clock.call_later(delay_s, lambda: self._submit(attempt, unit))
        elif outcome.done:
            self.counts.add(attempt.result)
            if self.told is not None:
                self.told(attempt, unit)
            self._let_go(attempt)
        elif "lost" in outcome.settles:
            self.counts.lost += 1
            self._let_go(attempt)
        else:
            self._refused(attempt, unit, outcome)

    def _refused(self, attempt: Attempt, unit: Unit, outcome: Outcome) -> None:
        """Nothing of the unit was stored: an output found no room, or what the attempt had read has changed since."""
        refused = [put.why for put in outcome.puts if put.status in ("refused", "unknown")]
        if refused and attempt.result != "handled":
            self._tools.clock.call_later(_AGAIN_S[2], lambda: self._submit(attempt, unit))
        elif refused:
            self._submit(attempt, self.runner.ending.failed(attempt, Refused(refused[0])))
        else:
            attempt.reset()
            self._queue.append(attempt)
            self._wake()

    def _let_go(self, attempt: Attempt) -> None:
        self._held.pop(attempt, None)
        if self._pace.settled():
            self._pace.measure(self._now())
        if not self._held:
            self._alone = False
            self._empty.set()
        elif self._alone:
            self._wake()
        if not self._room.is_set():
            self._room.set()

    # --- time --------------------------------------------------------------------------------------------------------

    def _plan(self, name: str, delay_s: float, action: Callable[[], None]) -> None:
        def fire() -> None:
            self._timers.pop(name, None)
            action()

        self._timers[name] = self._tools.clock.call_later(delay_s, fire)

    def _stop_late(self) -> None:
        """Stop the attempts that run over their time, and look again when the next one would."""
        limit_s = self._handler.timeout_s or 0.0
        now = self._now()
        for attempt in list(self._running):
            left_s = attempt.started_at + limit_s - now
            if left_s <= 0:
                self._cancel(attempt, "timeout")
        starts = [a.started_at for a in islice(self._running, 1) if a.cancelled is None]
        if starts or self._running:
            self._plan("timeout", max(0.01, min(starts, default=now) + limit_s - now), self._stop_late)

    def _plan_extension(self) -> None:
        self._plan("extend", self._handler.lease_s / EXTEND_EVERY, self._extend)

    def _extend(self) -> None:
        if self._held or (self._halted is not None and self._feed is not None):  # who takes nothing is to be heard of
            self._run_errand(self._extend_held(), "extend")
        self._plan_extension()

    def _run_errand(self, errand: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(errand, name=f"{name} {self._group}")
        self._errands[task] = None
        task.add_done_callback(self._errands.pop)

    async def _extend_held(self) -> None:
        held = list(self._held)
        if self._feed is None:
            return
        try:
            lost = await self._feed.extend([attempt.delivery.token for attempt in held], self._handler.lease_s)
        except BackendError as error:
            _log.warning("%s could not extend its leases: %s", self._group, error)
            return
        if lost:
            gone = {id(token) for token in lost}
            for attempt in held:
                if id(attempt.delivery.token) in gone or attempt.delivery.token in lost:
                    self._lose(attempt)

    def _lose(self, attempt: Attempt) -> None:
        """Another member has the event now: stop working on it, whatever it would settle is refused anyway."""
        if attempt not in self._held:
            return
        self.counts.lost += 1
        self._cancel(attempt, "lost")
        if attempt in self._queue:
            self._queue.remove(attempt)
            self._let_go(attempt)
        elif attempt in self._parked:
            self._parked.drop(attempt)
            self._let_go(attempt)

    async def _sleep(self, delay_s: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._tools.clock.call_later(delay_s, lambda: None if future.done() else future.set_result(None))
        try:
            await future
        finally:
            timer.cancel()

    # --- ending ------------------------------------------------------------------------------------------------------

    async def stop(self, grace_s: float) -> None:
        """Take no more, finish what runs within `grace_s` seconds, hand back the rest, and leave the group."""
        self._stopping = True
        if self._unlisten is not None:
            self._unlisten()
        if self._gate is not None:
            self._gate.close()
        self._room.set()
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.wait([self._taking])
        self._hand_back_queue()
        self._give_back_parked()
        if self._held:
            try:
                async with asyncio.timeout(grace_s):
                    await self._empty.wait()
            except TimeoutError:
                await self._cut_short()
        for timer in self._timers.values():
            timer.cancel()
        tasks = self._pool | self._errands
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_AGAIN_S[2])  # a handler may refuse to be cancelled
        await self._leave()

    async def _cut_short(self) -> None:
        for attempt in list(self._running):
            self._cancel(attempt, "stopped")
        try:
            async with asyncio.timeout(_AGAIN_S[2]):
                await self._empty.wait()
        except TimeoutError:
            _log.warning("%s leaves %d attempts that do not stop", self._group, len(self._held))

    async def _leave(self) -> None:
        self._left = True
        await self._leave_group()

    async def _leave_group(self) -> None:
        feed, self._feed = self._feed, None
        try:
            if feed is not None:
                await feed.leave()
        except VagusError as error:
            _log.warning("%s could not say goodbye: %s", self._group, error)

    def _hand_back_queue(self) -> None:
        queue, self._queue = self._queue, deque()
        for attempt in queue:
            self._hand_back(attempt)

    def _hand_back(self, attempt: Attempt) -> None:
        self._submit(attempt, self.runner.ending.failed(attempt, Stopped()))


def _suspect(attempt: Attempt) -> bool:
    """Whether the event was lost with its worker so often that it may be what kills it."""
    return attempt.delivery.losses >= LOSS_LIMITS.alone


def _take_back(task: asyncio.Task[None]) -> None:
    """Forget that `task` was cancelled for an attempt which is over; the next one has nothing to do with that."""
    while task.cancelling():
        task.uncancel()
