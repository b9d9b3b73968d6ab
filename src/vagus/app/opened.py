"""What an app holds while it is open: its backend, what its handlers need, and the members that work."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Any, Protocol

import msgspec

from vagus.app.alerts.watcher import Watcher
from vagus.app.bodies.bodies import Bodies
from vagus.app.bodies.collect import Collected, Keepers, collect
from vagus.app.dispatch.desks import Desks, Words
from vagus.app.dispatch.switch import Switcher
from vagus.app.effects.database import EffectDatabase
from vagus.app.effects.ledger import Effects
from vagus.app.effects.outbox import Outboxes
from vagus.app.effects.runner import EffectRunner
from vagus.app.effects.transaction import TransactionRunner
from vagus.app.handler import Handler
from vagus.app.identity import Identities
from vagus.app.middleware.layers import Layers
from vagus.app.publisher import Publisher, PublishOptions
from vagus.app.routing.lanes import committer_for
from vagus.app.routing.routed import Routed
from vagus.app.signature import check_filled
from vagus.app.stats import AppStats, DispatchStats, WorkerStats
from vagus.app.steering.board import Board
from vagus.app.steering.line import Line
from vagus.app.steering.orders import Orders
from vagus.app.steering.steering import Steering
from vagus.app.steering.wanted import wanted_of_groups
from vagus.app.topics import Topics
from vagus.app.work.attempt import Seat, Tools
from vagus.app.work.join import JoinRunner
from vagus.app.work.runner import Runner
from vagus.app.work.worker import Worker
from vagus.backend import Backend, Capabilities, Member, Outcome, Token, Unit
from vagus.blob import BlobStore
from vagus.clock import Clock
from vagus.delivery.subscription import member_name
from vagus.errors import InvalidArgument, UnsupportedCapability, VagusError
from vagus.message import CloudEvent
from vagus.reliability.threshold import Threshold

_log = logging.getLogger("vagus.app")


class Plan(Protocol):
    """What is declared, and may be added to while it is open: the app."""

    name: str
    topics: Topics
    clock: Clock
    grace_s: float
    words: Words
    member: str | None
    databases: list[EffectDatabase]
    blobs: BlobStore | None
    body_limit: int

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by the names of their groups."""

    @property
    def layers(self) -> Layers:
        """The middleware around all of them."""

    @property
    def alerts(self) -> list[Threshold]:
        """The thresholds that are watched, groups by their full names."""


class Opened:
    """What an app holds while it is open.

    `seed` makes its ids and delays the same again, for a simulation. `routed`: the several backends in `backend`.
    """

    def __init__(self, plan: Plan, backend: Backend, seed: int | None = None, *, routed: Routed | None = None) -> None:
        self.plan = plan
        self.backend = backend
        self.routed = routed
        self.committer = committer_for(backend, routed)
        self.line = Line(self.committer, plan.clock)
        self.identities = Identities(plan.clock, seed)
        limit = None if plan.blobs is None else plan.body_limit
        self.publisher = Publisher(plan.topics, self.identities, f"vagus/{plan.name}", limit)
        self.bodies = Bodies(plan.blobs)
        self.committer.keeper = None if plan.blobs is None else self.bodies
        name = plan.topics.qualified(plan.name)
        self.outboxes = Outboxes(name, self.publisher, self.committer, plan.clock, lambda: plan.layers, self.bodies)
        self.workers: dict[str, Worker] = {}
        self.watcher: Watcher | None = None  # where thresholds are watched
        self.board: Board | None = None  # where the backend has a store
        self.desks = Desks(backend)
        self.capabilities: Capabilities
        self._only: Sequence[str] | None = None
        self._working = False
        self._stack = AsyncExitStack()
        self._values: dict[Any, Any] = {}
        self._executors: dict[str, ThreadPoolExecutor] = {}

    async def open(
        self, provided: dict[Any, Callable[[], Any]], lifespan: Callable[[], AbstractAsyncContextManager[Any]] | None
    ) -> None:
        """Open the backend, check that it can do what is asked, declare, and make what handlers need."""
        for handler in self.plan.handlers.values():
            check_filled(handler.signature, provided, handler.name)
        self.capabilities = await self.backend.open()
        if self.bodies.store is not None:
            await self.bodies.store.open()
        if self.backend.store is not None:
            self.board = Board(self.backend, self.committer, self.publisher, self.plan.topics, self.plan.clock)
        self._check_capabilities()
        await self._declare()
        await self._open_outboxes()
        if lifespan is not None:
            await self._stack.enter_async_context(lifespan())
        for annotation, factory in provided.items():
            self._values[annotation] = await self._made(factory)

    async def _made(self, factory: Callable[[], Any]) -> Any:
        made = factory()
        if inspect.isawaitable(made):
            made = await made
        if isinstance(made, AbstractAsyncContextManager):
            return await self._stack.enter_async_context(made)
        return made

    def _check_capabilities(self) -> None:
        self.desks.check(self.plan.handlers, self.capabilities, self.board, self.plan.words)
        for name, handler in self.plan.handlers.items():
            if handler.join_s is not None:
                self.need_store(f"the join {name}")
            if handler.rate is not None:
                self.need_store(f"the rate of {name}")
            if isinstance(handler.effects, Effects):
                self.need_store(f"the effect ledger of {name}")
        if self.plan.topics.prioritised and not self.capabilities.lanes:
            raise UnsupportedCapability(
                f"{self.capabilities.system} has no priority lanes", hint="leave out priorities="
            )

    def need_store(self, what: str) -> Any:
        """Return the backend's store. Raises `UnsupportedCapability` when it has none."""
        store = self.backend.store
        if store is None:
            raise UnsupportedCapability(
                f"{what} needs a store, and {self.capabilities.system} has none",
                hint='App(…, state="sqlite:///state.db")',
            )
        return store

    def need_board(self, what: str) -> Board:
        """Return what is steered by. Raises `UnsupportedCapability` where there is no store to keep it in."""
        self.need_store(what)
        assert self.board is not None, "where there is a store, there is a board"
        return self.board

    @property
    def steering(self) -> Steering:
        """What steers groups and members. Raises `UnsupportedCapability` where there is no store."""
        return Steering(self.backend, self.need_board("steering"), self.plan.clock)

    async def put(self, unit: Unit, events: Sequence[CloudEvent], options: PublishOptions) -> Outcome:
        """Commit what is published; where a topic is full, wait for room as its settings and `options` say."""
        topics = self.plan.topics
        if options.wait_s is None and not topics.any_waits:
            return await self.committer.commit(unit)
        patience_s = max(topics.patience_s(options.topic or event.type, options.wait_s) for event in events)
        return await self.line.commit(unit, patience_s)

    @property
    def switcher(self) -> Switcher:
        """What switches groups. Raises `UnsupportedCapability` where there is no store."""
        return Switcher(self.backend, self.need_board("a switch"), self.capabilities, self.plan.clock)

    async def _declare(self) -> None:
        groups = []
        for name, handler in self.plan.handlers.items():
            patterns = tuple(self.plan.topics.qualified(pattern) for pattern in handler.patterns)
            groups.append(handler.spec(self.plan.topics.qualified(name), patterns))
        await self.backend.declare(self.plan.topics.specs(), groups)

    async def _open_outboxes(self) -> None:
        named = (handler.effects for handler in self.plan.handlers.values())
        databases = [*self.plan.databases, *(one for one in named if isinstance(one, EffectDatabase))]
        await self.outboxes.open(databases, self.capabilities.settings.get("database", ""))

    async def refresh(self) -> None:
        """Declare again, and start what is new."""
        for handler in self.plan.handlers.values():
            check_filled(handler.signature, self._values, handler.name)
        self._check_capabilities()
        await self._declare()
        await self._open_outboxes()
        if self._working:
            await self.start(self._only)

    async def start(self, only: Sequence[str] | None) -> None:
        """Let a member of each handler's group work."""
        self._working, self._only = True, only
        wanted = {n: h for n, h in self.plan.handlers.items() if only is None or {n, h.name} & set(only)}
        unknown = set(only or ()) - {*wanted, *(handler.name for handler in wanted.values())}
        if unknown:
            known = ", ".join(sorted(handler.name for handler in self.plan.handlers.values()))
            raise InvalidArgument(
                f"no handler {sorted(unknown)[0]!r} in app {self.plan.name!r}: expected one of {known}"
            )
        if self.board is not None:
            await self.board.open()
        for name, handler in wanted.items():
            if name not in self.workers:
                self.workers[name] = self._worker(name, handler)
                self.workers[name].start()
        await self._watch()
        await self.desks.enter()

    async def _watch(self) -> None:
        """Watch the thresholds that there are, or leave that to another process."""
        thresholds = self.plan.alerts
        if not thresholds:
            return
        store = self.need_store("app.alert")
        there = {info.spec.name for info in (await self.backend.describe()).groups}
        unknown = [threshold.group for threshold in thresholds if threshold.group not in there]
        if unknown:
            known = ", ".join(sorted(there))
            raise InvalidArgument(f"app.alert: there is no group {unknown[0]!r} to watch: expected one of {known}")
        if self.watcher is None:
            self.watcher = Watcher(
                self.plan.name,
                self.identities.tag(),
                self.backend,
                store,
                self.committer,
                self.publisher,
                self.plan.topics,
                self.plan.clock,
            )
        self.watcher.start(thresholds)

    def _worker(self, name: str, handler: Handler) -> Worker:
        topics = self.plan.topics
        group = topics.qualified(name)
        named = handler.member or self.plan.member
        if named is not None:
            member = Member(named, named=True)
        else:
            member = Member(member_name(socket.gethostname(), os.getpid(), self.identities.tag()))
        store = self.backend.store
        tools = Tools(topics, self.identities, self.publisher, self.committer, self.plan.clock, store, self.bodies)
        orders = None if self.board is None else Orders(self.board, group, member.name)
        seat = Seat(handler, group, member.name, tools, orders)
        runner = self._runner(seat, lambda: self._executor(name, handler))
        worker = Worker(runner, self.backend, member, lanes=topics.prioritised)
        worker.told = self.desks.add(name, seat, topics.prioritised)
        return worker

    def _runner(self, seat: Seat, executor: Callable[[], Executor]) -> Runner:
        handler = seat.handler
        seat.layers = self.plan.layers.around(handler.layers)
        if isinstance(handler.effects, Effects):
            return EffectRunner(seat, self._values, executor, handler.effects)
        if handler.effects is not None:
            return TransactionRunner(seat, self._values, executor, self.outboxes.relay(handler.effects))
        return (Runner if handler.join_s is None else JoinRunner)(seat, self._values, executor)

    def _executor(self, name: str, handler: Handler) -> Executor:
        executor = self._executors.get(name)
        if executor is None:
            executor = self._executors[name] = ThreadPoolExecutor(handler.concurrency, thread_name_prefix=name)
        return executor

    async def stop(self) -> None:
        """End the members, all at once; say what they did."""
        self._working = False
        if self.watcher is not None:
            await self.watcher.stop()
        workers, self.workers = self.workers, {}
        await self.desks.retire()
        await asyncio.gather(*(worker.stop(self.plan.grace_s) for worker in workers.values()))
        await self.desks.left()
        for name, worker in workers.items():
            counts = msgspec.structs.asdict(worker.counts)
            _log.info("%s stopped: %s", name, worker.counts, extra={"group": name, **counts})

    async def collect_blobs(self, grace_s: float, *, dry_run: bool) -> Collected:
        """Remove the bodies that nothing refers to any more; see `App.collect_blobs`."""
        blobs = self.bodies.store
        if blobs is None:
            raise InvalidArgument(f"app {self.plan.name!r} has no blob store", hint='App(..., blobs="bodies/")')
        keepers = Keepers(self.backend, self.backend.store, self.outboxes.databases())
        return await collect(blobs, keepers, grace_s, dry_run=dry_run)

    async def stats(self) -> AppStats:
        """Return the books of the app's groups and what the members here do."""
        figures = [f for name in self.plan.handlers for f in await self.backend.stats(self.plan.topics.qualified(name))]
        workers = [
            WorkerStats(
                group=name,
                member=worker.member.name,
                state=worker.standing[0],
                why=worker.standing[1],
                held=worker.held,
                handled=worker.counts.handled,
                repeated=worker.counts.repeated,
                dropped=worker.counts.dropped,
                failed=worker.counts.failed,
                handed_back=worker.counts.handed_back,
                cancelled=worker.counts.cancelled,
                lost=worker.counts.lost,
                reconnects=worker.counts.reconnects,
            )
            for name, worker in self.workers.items()
        ]
        shadows = () if self.routed is None else self.routed.shadow_stats
        return AppStats(tuple(figures), tuple(workers), await self._steered(), await self._dispatch_stats(), shadows)

    async def _steered(self) -> dict[str, str]:
        names = [self.plan.topics.qualified(name) for name in self.plan.handlers]
        return {name: wanted.state for name, wanted in (await wanted_of_groups(self.backend.store, names)).items()}

    def keeps(self, token: Token) -> bool:
        """Return whether a delivery is only kept in hand until its paused run goes on."""
        return any(worker.keeps(token) for worker in self.workers.values())

    async def _dispatch_stats(self) -> tuple[DispatchStats, ...]:
        topics = self.plan.topics
        states = await self.desks.states([topics.qualified(name) for name in self.plan.handlers])
        return tuple(
            DispatchStats(
                group=topics.bare(group),
                dispatcher=state.member,
                team=state.team,
                unmatched=state.unmatched,
                blocked=state.blocked,
                why=state.why,
            )
            for group, state in states.items()
        )

    async def close(self) -> None:
        """Let commits land, close what handlers needed, then the backend."""
        if self.board is not None:
            await self.board.close()
        await self.outboxes.close()
        await self.committer.settled()
        try:
            await self._stack.aclose()
        finally:
            for executor in self._executors.values():
                executor.shutdown(wait=False, cancel_futures=True)
            with suppress(VagusError):
                await self.backend.close()
            if self.bodies.store is not None:
                await self.bodies.store.close()
