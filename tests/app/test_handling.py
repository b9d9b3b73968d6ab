"""What an app promises its handlers, on both backends: retries, dead letters, order, runs, joins, streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vagus import App, Context, ErrorEvent, Event, JoinTimeout, Reject, Retry, Router
from vagus.backend import First, Unit
from vagus.errors import InvalidArgument, InvalidHandler, NoGroup, RunFailed, TopicFull
from vagus.reliability.dead import open_letters
from vagus.reliability.redrive import plan_redrive

QUICK = Retry(attempts=3, base_s=0.1, cap_s=0.2)


class Query(Event, key="session"):
    session: str
    text: str


class Passages(Event):
    text: str


class Orders(Event):
    count: int


class Answer(Event, final=True):
    text: str


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> App:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/app.db"
    return App(url, name="shop", grace_s=1.0)


async def until(true: Callable[[], Any], within_s: float = 20.0) -> None:
    """Wait until `true()` holds, looking at each turn of what else happens."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.requirement("R53")
@pytest.mark.contract("G5")
async def test_handler_that_fails_twice_succeeds_on_the_third(app: App) -> None:
    attempts: list[int] = []

    @app.on(Query, retry=QUICK)
    async def handle(query: Query, ctx: Context) -> None:
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            raise TimeoutError("not yet")

    async with app.running():
        await app.publish(Query("s", "hello"))
        await until(lambda: len(attempts) == 3)
        await until_acked(app, "shop." + handle.__qualname__.rpartition("<locals>.")[2])
    assert attempts == [1, 2, 3]


async def until_acked(app: App, group: str, count: int = 1) -> None:
    async with asyncio.timeout(20):
        while sum(f.acked for f in await app.backend.stats(group)) < count:
            await asyncio.sleep(0.01)


@pytest.mark.requirement("R16", "R42", "R62")
@pytest.mark.contract("G6", "G7", "G20")
async def test_event_that_always_fails_is_dead_and_redriven(app: App) -> None:
    healed = False
    seen: list[tuple[int, int]] = []

    @app.on(Query, retry=QUICK, group="shop.g")
    async def handle(query: Query, ctx: Context) -> None:
        seen.append((ctx.generation, ctx.attempt))
        if not healed:
            raise ValueError("broken")

    async with app.running():
        await app.publish(Query("s", "hello"))
        async with asyncio.timeout(20):
            while not (records := await app.backend.read("$dead.shop.g", First(), 10)):
                await asyncio.sleep(0.01)
        letters = open_letters(records)
        (state,) = letters.values()
        assert (state.letter.reason, state.letter.attempts, state.letter.error_kind) == ("attempts", 3, "ValueError")
        healed = True
        plan = plan_redrive(letters.values(), time.time())
        assert all(outcome.done for outcome in await app.backend.commit(list(plan.units)))
        await until_acked(app, "shop.g")
        (figures,) = await app.backend.stats("shop.g")
        assert (figures.acked, figures.dead, figures.redriven, figures.entered) == (1, 1, 1, figures.accounted)
    assert seen == [(0, 1), (0, 2), (0, 3), (1, 1)]


@pytest.mark.requirement("R69", "R70", "R71", "R72", "R73")
async def test_join_answers_once_when_the_last_event_arrives(app: App) -> None:
    @app.on(Query)
    async def retrieve(query: Query) -> Passages:
        return Passages(query.text)

    @app.on(Query)
    def orders(query: Query) -> Orders:
        return Orders(2)

    @app.join(Passages, Orders, timeout=10)
    async def answer(passages: Passages, orders: Orders, ctx: Context) -> Answer:
        await ctx.emit(passages.text)
        await ctx.emit(str(orders.count))
        return Answer(f"{passages.text} {orders.count}")

    async with app.running():
        run = await app.start(Query("s", "parcels"))
        parts = [part.text async for part in run.stream()]
        assert (parts, await run.result(10), await run.status()) == (["parcels", "2"], Answer("parcels 2"), "done")


@pytest.mark.requirement("R72")
async def test_join_with_a_missing_event_tells_of_it_in_time(app: App) -> None:
    late: list[JoinTimeout] = []

    @app.join(Passages, Orders, timeout=0.2)
    async def answer(passages: Passages, orders: Orders) -> None:
        raise AssertionError("called without its events")

    @app.on(JoinTimeout)
    async def tell(fact: JoinTimeout) -> None:
        late.append(fact)

    async with app.running():
        await app.publish(Passages("alone"))
        await until(lambda: late)
    assert (late[0].present, late[0].missing) == (["passages"], ["orders"])


@pytest.mark.contract("G18")
async def test_retried_stream_starts_anew_for_its_reader(app: App) -> None:
    @app.on(Query, retry=QUICK)
    async def answer(query: Query, ctx: Context) -> Answer:
        for word in ("a", "b", "c"):
            await ctx.emit(word)
            if word == "b" and ctx.attempt == 1:
                raise ValueError("cut")
        return Answer("abc")

    async with app.running():
        run = await app.start(Query("s", "x"))
        text = ""
        position = 0
        async for part in run.stream():
            text = part.text if part.restarted else text + part.text
            position = position or part.position
        assert text == "abc"
        again = [part async for part in run.stream(after=position)]
        assert "".join(part.text for part in again).endswith("abc")


async def test_run_fails_when_one_of_its_events_dies(app: App) -> None:
    @app.on(Query)
    async def refuse(query: Query) -> None:
        raise Reject("not for us")

    async with app.running():
        run = await app.start(Query("s", "x"), until=Answer)
        with pytest.raises(RunFailed, match="not for us"):
            await run.result(10)
        assert await run.status() == "failed"


@pytest.mark.requirement("R79")
async def test_failure_is_told_with_stack_stage_and_trace(app: App) -> None:
    told: list[ErrorEvent] = []

    @app.on(Query, retry=Retry(attempts=1))
    async def fail(query: Query) -> None:
        raise KeyError("boom")

    @app.on(ErrorEvent)
    async def monitor(error: ErrorEvent) -> None:
        told.append(error)
        raise RuntimeError("a monitor that fails must not tell of itself")

    async with app.running():
        await app.publish(Query("s", "x"))
        await until(lambda: told)
    fact = told[0]
    assert (fact.stage, fact.error_kind, fact.outcome, fact.reason) == ("shop.fail", "KeyError", "dead", "attempts")
    assert "boom" in fact.stack
    assert fact.trace_id


@pytest.mark.contract("G8")
@pytest.mark.requirement("R57")
async def test_events_of_one_key_are_handled_in_order_across_retries(app: App) -> None:
    done: dict[str, list[str]] = {}

    @app.on(Query, retry=Retry(attempts=5, base_s=0.1, cap_s=0.1))
    async def handle(query: Query, ctx: Context) -> None:
        await asyncio.sleep(0)
        if query.text == "1" and ctx.attempt < 3:
            raise ValueError("again")
        done.setdefault(query.session, []).append(query.text)

    async with app.running():
        await app.publish([Query(key, str(n)) for n in range(5) for key in "abc"])
        await until(lambda: sum(map(len, done.values())) == 15)
    assert done == {key: ["0", "1", "2", "3", "4"] for key in "abc"}


@pytest.mark.requirement("R8", "R78")
@pytest.mark.contract("G3")
async def test_every_member_of_an_all_group_gets_the_event(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/all.db"
    seen: list[str] = []

    def replica(name: str) -> App:
        app = App(url, name="shop")

        @app.on(Passages, deliver="all", group="shop.cache")
        async def drop(event: Passages) -> None:
            seen.append(f"{name}:{event.text}")

        return app

    one, two, three = replica("one"), replica("two"), replica("three")
    async with one.running(), two.running(), three.running():
        await one.publish(Passages("x"))
        await until(lambda: len(seen) == 3)
    assert sorted(seen) == ["one:x", "three:x", "two:x"]


@pytest.mark.requirement("R85")
@pytest.mark.contract("G4")
async def test_blocking_handler_keeps_its_lease_in_a_thread(app: App) -> None:
    calls: list[int] = []

    @app.on(Query, lease=0.6)
    def block(query: Query, ctx: Context) -> None:
        calls.append(ctx.losses)
        time.sleep(2.0)

    async with app.running():
        await app.publish(Query("s", "x"))
        await until_acked(app, "shop.block")
        (figures,) = await app.backend.stats("shop.block")
    assert (calls, figures.lost) == ([0], 0)


async def test_handler_that_exits_costs_an_attempt_and_no_worker(app: App) -> None:
    seen: list[str] = []

    @app.on(Query, retry=Retry(attempts=1))
    async def handle(query: Query) -> None:
        seen.append(query.text)
        if query.text == "exit":
            raise SystemExit(3)

    async with app.running():
        await app.publish(Query("a", "exit"))
        await app.publish(Query("b", "fine"))
        await until_acked(app, "shop.handle")
        (figures,) = await app.backend.stats("shop.handle")
    assert (sorted(seen), figures.dead) == (["exit", "fine"], 1)


async def test_handler_over_its_time_is_stopped_and_tried_again(app: App) -> None:
    attempts: list[int] = []

    @app.on(Query, timeout=0.2, retry=QUICK)
    async def slow(query: Query, ctx: Context) -> None:
        attempts.append(ctx.attempt)
        if ctx.attempt == 1:
            await asyncio.Event().wait()

    async with app.running():
        await app.publish(Query("s", "x"))
        await until_acked(app, "shop.slow")
    assert attempts == [1, 2]


@pytest.mark.requirement("R45")
async def test_batch_handler_settles_each_item_by_its_outcome(app: App) -> None:
    seen: list[str] = []

    @app.on(Passages, batch=10, retry=Retry(attempts=2, base_s=0.1, cap_s=0.1))
    async def store(events: list[Passages]) -> list[Exception | None]:
        seen.extend(event.text for event in events)
        return [ValueError("bad") if event.text == "2" else None for event in events]

    async with app.running():
        await app.publish([Passages(str(n)) for n in range(5)])
        await until_acked(app, "shop.store", 4)
        async with asyncio.timeout(10):
            while (await app.backend.stats("shop.store"))[0].dead != 1:
                await asyncio.sleep(0.01)
    assert sorted(seen) == ["0", "1", "2", "2", "3", "4"]


async def test_topic_that_nobody_declared_for_is_refused_by_name(app: App) -> None:
    async with app:
        with pytest.raises(NoGroup, match="passages"):
            await app.publish(Passages("x"))
        app.topic(Passages, keep="1h")
        await app.refresh()
        assert (await app.publish(Passages("x"))).topic == "passages"


@pytest.mark.contract("G13")
async def test_full_output_topic_costs_no_attempt(app: App) -> None:
    app.topic(Passages, max_events=1)
    attempts: list[int] = []
    gate = asyncio.Event()

    @app.on(Query, retry=Retry(attempts=2, base_s=0.1, cap_s=0.1))
    async def retrieve(query: Query, ctx: Context) -> Passages:
        attempts.append(ctx.attempt)
        return Passages(query.text)

    @app.on(Passages, prefetch=1, concurrency=1)
    async def slow(passages: Passages) -> None:
        await gate.wait()

    async with app.running():
        await app.publish(Passages("first"))
        with pytest.raises(TopicFull, match="passages"):
            await app.publish(Passages("second"))
        await app.publish(Query("s", "x"))
        await until(lambda: len(attempts) >= 4)
        gate.set()
        await until_acked(app, "shop.retrieve")
    assert set(attempts) == {1}


def test_parameter_that_nothing_fills_is_named_at_start(app: App) -> None:
    async def need(query: Query, db: int) -> None: ...

    app.on(Query, group="shop.need")(need)

    async def open_it() -> None:
        async with app:
            raise AssertionError("opened")

    with pytest.raises(InvalidHandler, match="'db'"):
        asyncio.run(open_it())


def test_two_handlers_of_one_group_name_are_refused(app: App) -> None:
    router = Router()

    @router.on(Query, group="shop.same")
    async def one(query: Query) -> None: ...

    app.include(router)
    with pytest.raises(InvalidHandler, match=r"shop\.same"):

        @app.on(Passages, group="shop.same")
        async def two(passages: Passages) -> None: ...


def test_unknown_option_of_a_handler_names_the_known_ones(app: App) -> None:
    with pytest.raises(InvalidArgument, match="retry"):
        app.on(Query, retries=3)


@pytest.mark.requirement("R125")
async def test_one_trace_runs_through_all_services(app: App) -> None:
    traces: list[str | None] = []

    @app.on(Query)
    async def first(query: Query, ctx: Context) -> Passages:
        traces.append(ctx.event.traceparent)
        return Passages("p")

    @app.on(Passages)
    async def second(passages: Passages, ctx: Context) -> Orders:
        traces.append(ctx.event.traceparent)
        return Orders(1)

    @app.on(Orders)
    async def third(orders: Orders, ctx: Context) -> None:
        traces.append(ctx.event.traceparent)

    async with app.running():
        await app.publish(Query("s", "x"))
        await until(lambda: len(traces) == 3)
    assert len({(trace or "").split("-")[1] for trace in traces}) == 1
    assert len({(trace or "").split("-")[2] for trace in traces}) == 3


async def test_plain_unit_commits_beside_the_app(app: App) -> None:
    async with app:
        assert [outcome.done for outcome in await app.backend.commit([Unit()])] == [True]
