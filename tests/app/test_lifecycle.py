"""Opening, running, stopping: what an app promises when it comes and goes, and when its backend does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from vagus import App, Context, Event
from vagus.app.opened import Opened
from vagus.app.publisher import PublishOptions
from vagus.app.trial.watch import Watch
from vagus.backend import Cut, Inbox, Outcome, SeekTo, Source, Switch, Unit
from vagus.backends.memory import Memory
from vagus.errors import ConnectionLost, InvalidArgument


class Query(Event):
    text: str


@pytest.fixture
def app() -> App:
    return App("memory://", name="shop", grace_s=0.0)


@pytest.mark.parametrize("url", [5, Path("app.db")])
def test_url_that_is_no_text_is_refused_at_once(url: Any) -> None:
    with pytest.raises(InvalidArgument, match="a URL is text, got"):
        App(url)


async def test_error_of_a_lifespan_leaves_the_app_closed() -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        raise OSError("no model file")
        yield

    app = App("memory://", name="shop", lifespan=lifespan)
    for _ in range(2):
        with pytest.raises(OSError, match="no model file"):
            async with app:
                raise AssertionError("opened")


async def test_lifespan_may_publish_and_is_left_while_the_backend_is_open() -> None:
    left: list[str] = []

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        await app.publish(Query("warm up"))
        yield
        left.extend(group.spec.name for group in (await app.backend.describe()).groups)

    app = App("memory://", name="shop", lifespan=lifespan)

    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        await trial.settled()
        assert trial.handled(look) == [Query("warm up")]
    assert left == ["shop.look"]
    left.clear()
    async with app:
        assert left == []
    assert left == ["shop.look"]


@pytest.mark.contract("G16")
async def test_handler_cut_short_at_shutdown_costs_no_attempt(app: App) -> None:
    app.url = "memory://shutdown"
    begun = asyncio.Event()
    attempts: list[tuple[int, int]] = []

    @app.on(Query)
    async def look(query: Query, ctx: Context) -> None:
        attempts.append((ctx.attempt, ctx.losses))
        if len(attempts) == 1:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                raise OSError("what a library makes of a cancellation")

    async with App("memory://shutdown", name="keeper"):  # memory lives as long as somebody has it open
        async with app.running():
            await app.publish(Query("x"))
            await begun.wait()
        async with app.running():
            async with asyncio.timeout(10):
                while not (await app.stats()).groups[0].acked:
                    await asyncio.sleep(0)
    assert attempts == [(1, 0), (1, 0)]


async def test_running_handler_finishes_within_the_grace_time() -> None:
    app = App("memory://", name="shop", grace_s=30)
    begun, gate = asyncio.Event(), asyncio.Event()
    done: list[str] = []

    @app.on(Query)
    async def look(query: Query) -> None:
        begun.set()
        await gate.wait()
        done.append(query.text)

    async with app.running():
        await app.publish(Query("x"))
        await begun.wait()
        asyncio.get_running_loop().call_soon(gate.set)
    assert done == ["x"]


@pytest.mark.parametrize("times", [1, 2])
async def test_handler_that_refuses_to_stop_holds_up_nobody(
    app: App, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()
    refused: list[int] = []

    @app.on(Query)
    async def stubborn(query: Query) -> None:
        begun.set()
        while len(refused) < times:
            try:
                await gate.wait()
            except asyncio.CancelledError:
                refused.append(1)

    async with asyncio.timeout(20):
        async with app.running():
            await app.publish(Query("x"))
            await begun.wait()
    assert len(refused) == times


class Vanishing(Watch):
    """A backend that is gone from some moment on."""

    vanished = False

    def _check(self) -> None:
        if self.vanished:
            raise ConnectionLost("the server is gone", hint="start it again")

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        self._check()
        return await super().commit(units)

    async def steer(self, group: str, change: SeekTo | Switch) -> Cut | None:
        self._check()
        return None

    def attach(self, source: Source, member: Any, credit: int) -> Any:
        self._check()
        feed = super().attach(source, member, credit)
        leave = feed.leave

        async def leaves() -> None:
            self._check()
            await leave()

        feed.leave = leaves  # type: ignore[method-assign]
        return feed


@pytest.mark.contract("G17")
async def test_worker_stops_in_time_when_its_backend_is_gone(app: App, caplog: pytest.LogCaptureFixture) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    @app.on(Query, concurrency=1, prefetch=2)
    async def look(query: Query) -> None:
        begun.set()
        await gate.wait()

    backend = Vanishing(Memory())
    opened = Opened(app, backend)
    await opened.open({}, None)
    await opened.start(None)
    for text in ("running", "queued"):
        put, _ = opened.publisher.first(Query(text), PublishOptions())
        await opened.committer.commit(Unit([put]))
    await begun.wait()

    with caplog.at_level(logging.WARNING):
        backend.vanished = True
        gate.set()
        async with asyncio.timeout(15):
            await opened.stop()
            await opened.close()
    assert "could not settle" in caplog.text
    assert "could not say goodbye" in caplog.text


@pytest.mark.contract("G17")
async def test_worker_whose_group_was_dropped_says_that_it_is_stalled(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        await trial.settled()
        assert (await trial.stats()).healthy
        await app.backend.drop(Inbox("shop.look"))
        await trial.move(60)

        workers = app._opened().workers
        assert [worker.state for worker in workers.values()] == ["stalled"]
        await app.refresh()
        await trial.move(60)
        await trial.publish(Query("x"))
        await trial.settled()
        assert trial.handled(look) == [Query("x")]


@pytest.mark.contract("G17")
async def test_idle_member_is_a_member_after_many_leases(app: App) -> None:
    @app.on(Query, lease=30)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        await trial.move("1h")

        (group,) = (await app.backend.describe()).groups
        (member,) = group.members
        assert member.seen_s <= 30
        assert group.idle_s is None


async def test_member_with_its_hands_full_is_a_member_after_many_leases(app: App) -> None:
    @app.on(Query, lease=30, concurrency=1, prefetch=1)
    async def look(query: Query) -> None:
        await asyncio.Event().wait()

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.begun(look)
        await trial.move("1h")

        (group,) = (await app.backend.describe()).groups
        assert [(member.held, member.seen_s <= 30) for member in group.members] == [(1, True)]


async def test_stats_tell_of_groups_and_of_members_here(app: App) -> None:
    gate = asyncio.Event()

    @app.on(Query, retry=1, concurrency=1, prefetch=1)
    async def look(query: Query) -> None:
        if query.text == "bad":
            raise ValueError("bad")
        if query.text == "wait":
            await gate.wait()

    async with app.test() as trial:
        await trial.publish([Query("good"), Query("bad")])
        await trial.settled()
        await trial.publish([Query("wait"), Query("good")])
        await trial.begun(look)
        stats = await trial.stats()
        gate.set()

    (figures,), (worker,) = stats.groups, stats.workers
    assert (figures.acked, figures.dead, figures.held, figures.ready, figures.entered) == (1, 1, 1, 1, 4)
    assert (worker.group, worker.state, worker.held) == ("shop.look", "working", 1)
    assert (worker.handled, worker.failed, worker.lost, worker.reconnects) == (1, 1, 0, 0)
    assert stats.healthy


async def test_attempt_over_its_time_makes_its_member_stalled(app: App) -> None:
    @app.on(Query, timeout=10)
    async def stubborn(query: Query) -> None:
        while not over:
            with suppress(asyncio.CancelledError):
                await gate.wait()

    gate, over = asyncio.Event(), list[int]()
    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.begun(stubborn)
        await trial.move(12)
        assert not (await trial.stats()).healthy
        over.append(1)
        gate.set()
        await trial.settled()
        assert (await trial.stats()).healthy
