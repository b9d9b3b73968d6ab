"""The app: your functions, the events that they are for, and the one place from which all of it is started."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias, overload

import msgspec

from vagus.app.alerts.alert import Alert, limits_of
from vagus.app.blocking.facade import SyncApp
from vagus.app.bodies.bodies import check_body_limit
from vagus.app.bodies.collect import GRACE_S, Collected
from vagus.app.dispatch.desks import Words
from vagus.app.dispatch.finder import declared_pick, place_of
from vagus.app.dispatch.switch import Switched, Wish, pick_text
from vagus.app.effects.database import EffectDatabase
from vagus.app.effects.outbox import Outbox
from vagus.app.facts import ControlEvent, ErrorEvent, JoinTimeout, ThresholdCrossed
from vagus.app.handler import Handler, function_name, make_handler
from vagus.app.middleware.out import first_of_run, publish_through
from vagus.app.opened import Opened
from vagus.app.publisher import Receipt, publish_options, receipts_of
from vagus.app.router import Declaration, Router
from vagus.app.routing.assembly import RoutesLike, assemble, read_routes
from vagus.app.routing.routed import Routed
from vagus.app.run import Run, RunRecord, record_change, until_text
from vagus.app.stats import AppStats
from vagus.app.steering.board import KEEP_S
from vagus.app.steering.interrupt import signals_caught
from vagus.app.steering.steering import Drained, Steered
from vagus.app.topics import Topics, WhenFull, seconds, wire_of
from vagus.app.trial.trial import Scene, Trial, opened_in_trial, standing_in
from vagus.app.trial.watch import Watch
from vagus.app.work.handling import Watcher, telling
from vagus.app.work.letters import Letters
from vagus.backend import Backend, Capabilities, Unit
from vagus.blob import BlobStore
from vagus.clock import Clock, ManualClock, SystemClock
from vagus.delivery.picks.match import checked_labels, checked_weight
from vagus.delivery.picks.text import KNOWN, OWN, check_custom, pick_of
from vagus.delivery.route import Policy
from vagus.delivery.subscription import group_name, named_member
from vagus.errors import InvalidArgument, InvalidHandler, NotStarted
from vagus.message import Kind, Wire, check_group, check_kind
from vagus.message.body.claim import LIMIT
from vagus.registry import DEFAULT_URL, create_backend, create_blobs
from vagus.reliability.dead import DeadLetter
from vagus.reliability.threshold import CLEAR, Threshold

Lifespan: TypeAlias = Callable[["App"], AbstractAsyncContextManager[Any]]

_log = logging.getLogger("vagus.app")


class App(Router):
    """Functions that handle events, on one backend or several.

    `url`: the backend; default the environment's `VAGUS_URL`, else `sqlite:///vagus.db`. `name`: the first word of
    its groups; default the stem of the file that makes it. `namespace`: separates tenants and deployments on one
    backend. `grace_s`: how long running handlers may finish at shutdown. `lifespan`: an async context manager that
    is given the app and held open while it is. `routes`: which topics go to which other backends, as a `Routes`, a
    mapping, or the path of a TOML file; default the file in `VAGUS_ROUTES`. `state`: the URL of a store for runs,
    joins and streams, where the backend has none. `strategy`: the pick of all its handlers that deliver `once`, unless
    they name one; see `Options`. `labels`, `weight`: what the members of this process say of themselves to a pick.
    `blobs`: where events' data is kept that is too large to travel: a folder, a URL, or a `BlobStore`; `body_limit`:
    what is too large, in bytes; default 256 KiB.

    An app can be opened (`async with app`: it publishes), can handle beside other code (`async with app.running()`),
    or be all that a process does (`await app.work()`, `app.run()`, `vagus worker module:app`).
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        name: str | None = None,
        namespace: str | None = None,
        grace_s: float | str = 10.0,
        lifespan: Lifespan | None = None,
        strategy: Any = None,
        labels: Mapping[str, Any] | None = None,
        weight: int = 1,
        clock: Clock | None = None,
        routes: RoutesLike | None = None,
        state: str | None = None,
        blobs: str | os.PathLike[str] | BlobStore | None = None,
        body_limit: int = LIMIT,
    ) -> None:
        super().__init__()
        if not isinstance(url, str | None):
            raise InvalidArgument(f"a URL is text, got {url!r}", hint='App("sqlite:///file.db")')
        self.url = url or os.environ.get("VAGUS_URL") or DEFAULT_URL
        self.name = check_group(name if name is not None else _file_stem(), what="app name")
        self.namespace = None if namespace is None else check_group(namespace, what="namespace")
        self.grace_s = seconds(grace_s, "grace_s")
        self.clock = clock or SystemClock()
        self.topics = Topics(self.namespace)
        self.state = state
        self.blobs = None if blobs is None else create_blobs(blobs)
        self.body_limit = body_limit if self.blobs is None else check_body_limit(body_limit, self.blobs)
        self._routes = read_routes(routes)
        self.words = Words(checked_labels(labels or {}), checked_weight(weight), {})
        self.member: str | None = None
        self._strategy = strategy
        pick_of(strategy, place_of)
        self._lifespan = lifespan
        self._handlers: dict[str, Handler] = {}
        self._alerts: list[Alert] = []
        self._provided: dict[Any, Callable[[], Any]] = {}
        self._watchers: list[Watcher] = []
        self.databases: list[EffectDatabase] = []
        self._open: Opened | None = None
        self._stop = asyncio.Event()
        for cls in (ErrorEvent, JoinTimeout):
            self.topics.learn(cls)
        self.topics.configure(ControlEvent, keep_s=KEEP_S)

    # --- declaring ---------------------------------------------------------------------------------------------------

    def topic(
        self,
        topic: str | type,
        *,
        priorities: bool | None = None,
        keep: float | str | None = None,
        max_events: int | None = None,
        when_full: WhenFull | None = None,
        wire: Wire | Literal["structured", "binary", "json"] | None = None,
        kind: Kind | None = None,
        body_limit: int | None = None,
    ) -> str:
        """Take settings for a topic, by name or by its event class; return its name.

        `priorities`: ten lanes, chosen with `publish(priority=…)`. `keep`: how long settled events are kept, and
        events that nobody listens to at all. `max_events`: how many unsettled events it holds before it is full.
        `when_full`: "raise" (the default: publishers get `TopicFull`) or "wait" (they wait for room). `wire`:
        "structured", "binary", "json" or a `Wire`. `kind`: "event", "command" or "telemetry", for routing; default as
        its class says. `body_limit`: above how many bytes an event's data travels by reference; needs `blobs=` of the
        app. On an app that is open, `await refresh()` makes it so at once.
        """
        if body_limit is not None:
            check_body_limit(body_limit, self.blobs)
        changes: dict[str, Any] = {"priorities": priorities, "max_events": max_events, "when_full": when_full}
        changes["body_limit"] = body_limit
        changes["keep_s"] = None if keep is None else seconds(keep, "keep")
        changes["wire"] = None if wire is None else wire_of(wire)
        changes["kind"] = None if kind is None else check_kind(kind, f"topic {topic!r}")
        if max_events is not None and max_events < 1:
            raise InvalidArgument(f"max_events: expected a whole number of 1 or more, got {max_events!r}")
        if when_full not in (None, "raise", "wait"):
            raise InvalidArgument(f'when_full: expected "raise" or "wait", got {when_full!r}')
        return self.topics.configure(topic, **{name: value for name, value in changes.items() if value is not None})

    def provide(self, annotation: Any, factory: Any) -> None:
        """Fill handler parameters that are annotated with `annotation`.

        `factory`: a value, a function (async or not) that returns it, or one that returns an async context manager,
        which is held open while the app is.
        """
        self._provided[annotation] = _factory(factory)

    def watch(self, told: Watcher) -> None:
        """Call `told` after every attempt in this process, with a `Handling` that says what it came to.

        To be said before the app is opened. It is called on the loop, so let it be quick; what it raises is logged and
        changes nothing.
        """
        self._watchers.append(told)

    def alert(
        self,
        group: Callable[..., Any] | str,
        *,
        backlog: int | None = None,
        oldest: float | str | None = None,
        dead: int | None = None,
        clear: float = CLEAR,
        topic: str | type = ThresholdCrossed,
    ) -> None:
        """Let a `ThresholdCrossed` event be published within 5 s when a group falls behind, and when it is well again.

        `group`: a handler's function, its name, or a group's. `backlog`: so many events wait. `oldest`: the oldest of
        them is so old. `dead`: so many dead letters are open. A figure that has crossed its limit clears at `clear`
        times the limit. `topic`: where it is told. One of the processes that run handlers watches for all of them.
        """
        self._alerts.append(Alert(group, limits_of(backlog, oldest, dead, clear), clear, self._alert_topic(topic)))

    def _alert_topic(self, topic: str | type) -> str:
        self.topics.learn(ThresholdCrossed)
        return self.topics.configure(topic)

    @property
    def alerts(self) -> list[Threshold]:
        """What is watched, group by group."""
        return [
            Threshold(self._group(alert.group), figure, limit, alert.topic, alert.clear)
            for alert in self._alerts
            for figure, limit in alert.limits.items()
        ]

    def pick(self, name: str, made: Any) -> None:
        """Register a pick of yours under a name, for `pick="NAME"` and `vagus mode GROUP --pick NAME`.

        `made`: an object or a class with `choose(event, members)` or `apply(event)`. Every worker must register it.
        """
        check_custom(made)
        taken = (*KNOWN, OWN)
        if not name.isidentifier() or name in taken:
            raise InvalidArgument(f"name of a pick: expected a word other than {', '.join(taken)}, got {name!r}")
        self.words = self.words._replace(picks={**self.words.picks, name: made})

    def describe_members(
        self, *, labels: Mapping[str, Any] | None = None, weight: int | None = None, member: str | None = None
    ) -> None:
        """Say more of the members of this process, before it works: labels besides its own, weight, name.

        A named member of an `all` handler gets what it missed while away; a handler's own `member=` goes before.
        """
        if labels:
            self.words = self.words._replace(labels={**self.words.labels, **checked_labels(labels)})
        if weight is not None:
            self.words = self.words._replace(weight=checked_weight(weight))
        if member is not None:
            self.member = named_member(member)

    def outbox(self, database: EffectDatabase) -> Outbox:
        """Return an outbox: events published with a transaction of `database` (such as `SqlEffects("shop.db")`).

            orders = app.outbox(SqlEffects("shop.db"))

            async with orders.begin() as box:
                box.connection.execute("INSERT INTO orders VALUES (?)", (5,))
                await box.publish(OrderPlaced(5))

        Declare it with the app, not when it is first used: then what a process left behind is found at the next start.
        """
        self.databases.append(database)
        return Outbox(database, lambda: self._opened().outboxes)

    def include(self, router: Router) -> None:
        """Take over the handlers of a router."""
        for declaration in router.take():
            self._add(declaration)

    def _add(self, declaration: Declaration) -> None:
        options = declaration.options
        handler = make_handler(
            declaration.function,
            declaration.sources,
            lambda cls: self.topics.learn(cls).topic,
            options,
            declaration.join_s,
            declared_pick(function_name(declaration.function), options.deliver, options.pick, self._strategy),
        )
        handler = msgspec.structs.replace(handler, layers=declaration.layers)
        for cls in handler.signature.returns:
            self.topics.learn(cls)
        group = group_name(self.name, handler.name, handler.group)
        known = self._handlers.get(group)
        if known is not None:
            raise InvalidHandler(
                f"two handlers have the group name {group!r}: {known.name} and {handler.name}",
                hint='give one of them a name of its own: @app.on(..., group="another")',
            )
        self._handlers[group] = handler
        super()._add(declaration)

    def _closed(self) -> bool:
        return super()._closed() or self._open is not None or opened_in_trial(self) is not None

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handlers by the names of their groups, without the namespace."""
        return dict(self._handlers)

    @property
    def has_lifespan(self) -> bool:
        """Whether something is held open with the app."""
        return self._lifespan is not None

    # --- opening -----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> App:
        """Open the backend and declare all topics and groups; see the errors of each."""
        if opened_in_trial(self) is not None:
            return self  # under test it is open already
        if self._open is not None:
            raise InvalidArgument(f"app {self.name!r} is open already", hint="use one App object once at a time")
        backend = self._assembled(lambda url: create_backend(url, self.clock))
        self._open = opened = Opened(self, backend, routed=backend if isinstance(backend, Routed) else None)
        if self._watchers:
            opened.committer.watch = telling(self._watchers)
        try:
            lifespan = self._lifespan
            await opened.open(self._provided, None if lifespan is None else lambda: lifespan(self))
        except BaseException:
            await self.__aexit__()
            raise
        self._stop.clear()
        return self

    def _assembled(self, make: Callable[[str], Backend]) -> Backend:
        return assemble(self.policy, self.url, self.state, self.topics, make)

    @property
    def policy(self) -> Policy | None:
        """The routing policy; None where all events go to one backend."""
        return None if self._routes is None else self._routes.policy(self.url)

    async def __aexit__(self, *exc: object) -> None:
        """Let everything that was submitted land, and close."""
        if opened_in_trial(self) is not None:
            return
        try:
            if self._open is not None:
                await self._open.close()
        finally:
            self._open = None

    async def refresh(self) -> None:
        """Declare what was added to the app since it was opened; new handlers begin to work if the others do."""
        await self._opened().refresh()

    @asynccontextmanager
    async def running(self, only: Sequence[str] | None = None) -> AsyncIterator[App]:
        """Open the app and handle events beside the code in the block; `only`: handlers of these names or groups."""
        async with self, self._working(only):
            yield self

    @asynccontextmanager
    async def _working(self, only: Sequence[str] | None) -> AsyncIterator[None]:
        await self._opened().start(only)
        try:
            yield
        finally:
            await self._opened().stop()

    async def work(self, only: Sequence[str] | None = None) -> None:
        """Handle events until SIGTERM, SIGINT or `stop`; then finish what runs, within the grace time."""
        with ExitStack() as stack:
            async with self:
                # Before the first handler runs: a signal that comes while the others start must not cut it short.
                stack.enter_context(signals_caught(self._stop.set))
                async with self._working(only):
                    _log.info("app %s works on %s", self.name, ", ".join(self._opened().workers) or "nothing")
                    await self._stop.wait()

    def run(self) -> None:
        """Handle events until told to stop: `asyncio.run(app.work())`."""
        asyncio.run(self.work())

    def stop(self) -> None:
        """End `work`; safe to call from a handler."""
        self._stop.set()

    @asynccontextmanager
    async def test(
        self, *, provide: Mapping[Any, Any] | None = None, only: Sequence[str] | None = None, lifespan: bool = True
    ) -> AsyncIterator[Trial]:
        """Try the app out: its handlers run in memory, whatever its URL, under a clock that only the test moves.

            async def test_parcel_is_found():
                async with app.test(provide={Database: FakeDatabase()}) as trial:
                    run = await trial.start(UserQuery("s1", "where is my parcel?"))
                    assert await run.result() == Answer("on its way")

            async def test_slow_shop_is_asked_again():
                async with app.test() as trial:
                    await trial.publish(UserQuery("s1", "late"))
                    await trial.settled()           # handled, failed, and waits for its retry
                    await trial.move("5m")          # all retries, in a moment
                    assert (await trial.dead(ask_shop))[0].error_kind == "TimeoutError"

        `provide`: what goes before the app's own `provide`, by annotation. `only`: these handlers alone work.
        `lifespan`: whether the app's own is entered. In the block, and in the handlers that it runs, the app itself is
        the one under test: `app.publish` stays in the trial. Trials share nothing, also two of one app at once.
        """
        clock = ManualClock()
        backend = self._assembled(lambda url: create_backend("memory://", clock))
        watch = Watch(backend)
        opened = Opened(Scene(self, clock), watch, routed=backend if isinstance(backend, Routed) else None)
        provided = self._provided | {annotation: _factory(made) for annotation, made in (provide or {}).items()}
        entered = self._lifespan if lifespan else None
        with standing_in(self, opened):
            try:
                await opened.open(provided, None if entered is None else lambda: entered(self))
                await opened.start(only)
                yield Trial(self, opened, watch, clock)
            finally:
                await opened.stop()
                await opened.close()

    @asynccontextmanager
    async def beside(self, backend: Backend, handlers: Mapping[str, Handler]) -> AsyncIterator[Opened]:
        """Let `handlers` work on a backend of the caller's making, with all that this app provides: for a replay.

        `handlers`: by the names of their groups, made of the app's own. In the block, and in the handlers, that is
        where `app.publish` goes. The app itself may be open or not, and is not touched.
        """
        opened = Opened(Scene(self, self.clock, self.grace_s, handlers), backend)
        lifespan = self._lifespan
        with standing_in(self, opened):
            try:
                await opened.open(self._provided, None if lifespan is None else lambda: lifespan(self))
                await opened.start(None)
                yield opened
            finally:
                await opened.stop()
                await opened.close()

    def _opened(self) -> Opened:
        opened = opened_in_trial(self) or self._open
        if opened is None:
            raise NotStarted(f"app {self.name!r} is not open", hint="async with app: ...")
        return opened

    @property
    def backend(self) -> Backend:
        """The open backend, for what is not part of an app: dead letters, browsing, steering."""
        return self._opened().backend

    @property
    def capabilities(self) -> Capabilities:
        """What the open backend can promise."""
        return self._opened().capabilities

    # --- publishing --------------------------------------------------------------------------------------------------

    @overload
    async def publish(self, events: list[Any], **options: Any) -> list[Receipt]: ...
    @overload
    async def publish(self, events: Any, **options: Any) -> Receipt: ...
    async def publish(self, events: Any, **options: Any) -> Any:
        """Publish an event, or a list of events together; return when they are stored.

        The options are those of `PublishOptions`. Raises `NoGroup` when nobody ever declared to listen, `TopicFull`,
        `DiskFull`, `PublishUnconfirmed` when the outcome is unknown (publish again with the same `id`), and
        `InvalidArgument` for what cannot be published. Of a list, all are stored or none (on each backend). The
        receipt of an event that middleware has dropped says why.
        """
        opened = self._opened()
        made = publish_options(options)
        if self._layers.publish:
            return await publish_through(self._layers, events, made, opened.publisher, opened.committer)
        if not isinstance(events, list):
            put, event = opened.publisher.first(events, made)
            outcome = await opened.put(Unit((put,)), (event,), made)
            return receipts_of(outcome, (event,), made.topic)[0]
        pairs = [opened.publisher.first(event, made) for event in events]
        if not pairs:
            return []
        made_events = [event for _, event in pairs]
        outcome = await opened.put(Unit([put for put, _ in pairs]), made_events, made)
        return receipts_of(outcome, made_events, made.topic)

    async def start(
        self,
        event: Any,
        *,
        until: type | Sequence[type] | None = None,
        deadline_s: float | str | None = None,
        **options: Any,
    ) -> Run:
        """Publish the first event of a run and return the run.

        It ends with the first event of a class in `until`, or of a class that is `final=True`; with a dead letter of
        one of its events; or `deadline_s` seconds from now. The other options are those of `publish`; `priority` is
        that of all that follows, wherever topics have priorities.
        """
        opened = self._opened()
        store = opened.need_store("a run")
        made = publish_options(options)
        wanted = until_text(until, self.topics)
        put, first = await first_of_run(self._layers, event, made, opened.publisher, wanted)
        now = opened.plan.clock.now()
        deadline_at = None if deadline_s is None else now + seconds(deadline_s, "deadline_s")
        change = record_change(first.id, RunRecord(wanted, now, deadline_at))
        outcome = await opened.put(Unit([put], (), [change]), [first], made)
        receipts_of(outcome, [first], made.topic)
        return Run(first.id, store, self.topics, opened.plan.clock, opened.need_board("a run"), opened.bodies)

    async def request(
        self,
        event: Any,
        reply: type | Sequence[type],
        *,
        timeout: float | str | None = 30.0,
        **options: Any,
    ) -> Any:
        """Publish an event, wait for what comes of it, and return that: the first event of a class in `reply`.

        A run under the hood: the reply is found by the correlation id, whichever process gives it, and however many
        handlers lie between. Raises `RunTimeout` after `timeout` (None: never; the work goes on, and its error names
        the run, so that the reply can be had later by `run_of`), `RunFailed` when there will be none, and what `start`
        raises. The other options are those of `start`.
        """
        run = await self.start(event, until=reply, **options)
        return await run.result(None if timeout is None else seconds(timeout, "timeout of request"))

    def run_of(self, run_id: str) -> Run:
        """Return a run by its id, to read its status, result or stream from any process."""
        opened = self._opened()
        store, board = opened.need_store("a run"), opened.need_board("a run")
        return Run(run_id, store, self.topics, opened.plan.clock, board, opened.bodies)

    # --- steering ----------------------------------------------------------------------------------------------------

    async def pause(self, group: Callable[..., Any] | str, *, member: str | None = None, why: str = "") -> Steered:
        """Let a handler's group, or one `member` of it, take no more events until `resume`, over restarts too.

        `group`: the handler's function, its name, or the group's. What runs is finished, what waits is handed back;
        publishing and every other group go on. Raises `InvalidArgument` for a group or member that is not there.
        """
        return await self._opened().steering.pause(self._group(group), member, why=why)

    async def resume(self, group: Callable[..., Any] | str, *, member: str | None = None, why: str = "") -> Steered:
        """Let a group or member go on that was paused, drained or (a member) cancelled."""
        return await self._opened().steering.resume(self._group(group), member, why=why)

    async def cancel(self, group: Callable[..., Any] | str, *, member: str | None = None, why: str = "") -> Steered:
        """Cancel all that was published for a group until now; of one member, hand back what it holds, and leave.

        For one run: `await run.cancel()`.
        """
        return await self._opened().steering.cancel(self._group(group), member, why=why)

    async def drain(
        self,
        group: Callable[..., Any] | str,
        *,
        member: str | None = None,
        why: str = "",
        timeout: float | str | None = None,
    ) -> Drained:
        """Pause a group and wait until its members hold nothing; let one `member` finish, hand back and leave.

        Returns what was done; after `timeout` what was done until then, and it goes on.
        """
        limit_s = None if timeout is None else seconds(timeout, "timeout of drain")
        return await self._opened().steering.drain(self._group(group), member, why=why, timeout_s=limit_s)

    def _group(self, which: Callable[..., Any] | str) -> str:
        for name, handler in self._handlers.items():
            if which in (handler.function, handler.name, name):
                return self.topics.qualified(name)
        if isinstance(which, str):
            return which
        raise InvalidArgument(f"app {self.name!r} has no handler {which!r}", hint="give the name of a group")

    # --- dead letters ------------------------------------------------------------------------------------------------

    async def dead(self, handler: Callable[..., Any] | str | None = None) -> list[DeadLetter]:
        """Return the open dead letters of a handler, or of all handlers, oldest first: each with reason and error."""
        names = [handler] if handler is not None else self._handlers
        return await self._letters().open([self._group(name) for name in names])

    async def redrive(
        self, handler: Callable[..., Any] | str, *, ids: Sequence[str] | None = None, rate: float | None = None
    ) -> int:
        """Send open dead letters of a handler to it again, all or those of `ids`; return how many.

        `rate`: at most so many events a second. Those that died of the same reason again and again are left out;
        `vagus dead redrive --force` sends them.
        """
        return await self._letters().redrive(self._group(handler), ids, rate)

    async def discard(self, handler: Callable[..., Any] | str, *, ids: Sequence[str] | None = None) -> int:
        """Close open dead letters of a handler for good, all or those of `ids`; return how many. The record stays."""
        return await self._letters().discard(self._group(handler), ids)

    def _letters(self) -> Letters:
        opened = self._opened()
        return Letters(opened.backend, opened.plan.clock, f"app {self.name}")

    def sync(self, *, handle: bool = False) -> SyncApp:
        """Open the app for code that cannot await, such as scripts and notebooks; see `SyncApp`.

        `handle`: whether its handlers work meanwhile.
        """
        if opened_in_trial(self) is not None:
            raise InvalidArgument("app.sync() opens the app for real, and this is a trial", hint="use the trial itself")
        return SyncApp(self, handle=handle)

    async def switch(
        self,
        which: Callable[..., Any] | str,
        *,
        deliver: Literal["once", "all"] | None = None,
        pick: Any = None,
        why: str = "",
        timeout: float | str | None = None,
    ) -> Switched:
        """Change how a group delivers while events flow, for all of its workers in whatever process; see docs/picks.md.

        `which`: a handler, its name, or a group. `deliver` and `pick`: what is not given stays; pick="own" leaves the
        choice to the backend. `why` goes into the record on `vagus.control`. `timeout`: give up before the cut after so
        many seconds. An event keeps the mode and the pick under which it was first dispatched, also in retry.

        Raises `InvalidArgument` for a group that is not there or a pick that makes no sense, `UnsupportedCapability`
        where backend or members cannot do it, `GroupConflict` when somebody else switched at the same moment. Nothing
        is changed then, nor when it is cancelled before the cut.
        """
        opened = self._opened()
        group = self._group(which)
        wanted = Wish(deliver, None if pick is None else pick_text(pick), why)
        within_s = None if timeout is None else seconds(timeout, "timeout")
        return await opened.switcher.switch(group, wanted, within_s)

    async def collect_blobs(self, grace: float | str = GRACE_S, *, dry_run: bool = False) -> Collected:
        """Remove the bodies that nothing refers to any more and that have been idle for `grace`; default 1 day.

        All that the app's backends keep is looked through, so it costs a reading of the whole log. Make `grace` longer
        than anything that is published may be on its way, an outbox of another app included. `dry_run`: say what would
        be removed. Raises `InvalidArgument` for an app without `blobs=`.
        """
        opened = self._opened()
        return await opened.collect_blobs(seconds(grace, "grace"), dry_run=dry_run)

    async def stats(self) -> AppStats:
        """Return the books of all groups of the app, and what the members in this process do."""
        return await self._opened().stats()


def _factory(made: Any) -> Callable[[], Any]:
    return made if callable(made) else lambda: made


def _file_stem() -> str:
    frame = sys._getframe(2)
    return Path(frame.f_globals.get("__file__") or "app.py").stem
