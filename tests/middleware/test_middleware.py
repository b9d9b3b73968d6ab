"""Middleware: its order, what it may change, how it drops and fails; around single events, batches, joins, effects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from vagus import App, Context, Drop, Event, Outgoing, Reject, Retry, Router
from vagus.errors import InvalidArgument, InvalidHandler, RunFailed
from vagus.message import CloudEvent

Next = Callable[[Any], Awaitable[Any]]


class Query(Event):
    text: str


class Found(Event, final=True):
    text: str


class Other(Event):
    text: str


@pytest.fixture
def app() -> App:
    return App("memory://", name="shop")


class Layer:
    """Writes down when it is entered and left."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self.name, self.seen = name, seen

    async def __call__(self, event: Any, call_next: Next) -> None:
        self.seen.append(f"{self.name} in")
        await call_next(event)
        self.seen.append(f"{self.name} out")


async def test_layers_stand_in_the_order_in_which_they_were_added(app: App) -> None:
    seen: list[str] = []
    router = Router()
    router.middleware("consume")(Layer("router", seen))

    @router.on(Query)
    async def look(query: Query) -> None:
        seen.append("handler")

    @app.on(Other)
    async def other(other: Other) -> None:
        seen.append("other")

    app.include(router)
    app.middleware("consume")(Layer("first", seen))
    app.middleware("consume")(Layer("second", seen))

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()
        assert seen == ["first in", "second in", "router in", "handler", "router out", "second out", "first out"]
        seen.clear()
        await trial.publish(Other("x"))
        await trial.settled()
        assert seen == ["first in", "second in", "other", "second out", "first out"]
    assert [getattr(layer, "name", "") for layer in app.layers.consume] == ["first", "second"]


async def test_publish_layers_stand_around_outputs_and_first_events(app: App) -> None:
    seen: list[str] = []

    @app.middleware("publish")
    async def stamp(event: Outgoing, call_next: Next) -> None:
        made: CloudEvent = await call_next(event.changed(extensions={**event.extensions, "tenant": "t1"}))
        seen.append(f"{event.topic} from {event.cause and event.cause.type}: {made.type}")

    @app.on(Query)
    async def look(query: Query, ctx: Context) -> Found:
        ctx.publish(Other("o"), extensions={"mine": 1})
        assert ctx.extensions == {"tenant": "t1"}
        return Found(query.text)

    @app.on(Other)
    async def other(other: Other, ctx: Context) -> None:
        assert ctx.extensions == {"tenant": "t1", "mine": 1}

    async with app.test() as trial:
        run = await trial.start(Query("a"), until=Found)
        assert await run.result() == Found("a")
        await trial.settled()
        assert trial.handled(other) == [Other("o")]
    assert seen == ["query from None: query", "other from query: other", "found from query: found"]


async def test_publish_layer_changes_the_data_before_it_is_encoded(app: App) -> None:
    @app.middleware("publish")
    async def mask(event: Outgoing, call_next: Next) -> None:
        await call_next(event.changed(data=Query(event.data.text.replace("secret", "***"))))

    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        first, second = await trial.publish([Query("my secret"), Query("none")])
        await trial.settled()
        assert trial.handled(look) == [Query("my ***"), Query("none")]
        assert (first.dropped, second.dropped) == (None, None)


async def test_dropped_publish_is_not_stored_and_its_receipt_says_why(app: App) -> None:
    @app.middleware("publish")
    async def guard(event: Outgoing, call_next: Next) -> None:
        if event.data.text == "spam":
            raise Drop("it is spam")
        await call_next(event)

    @app.on(Query)
    async def look(query: Query) -> list[Found]:
        return [Found("spam"), Found("kept")]

    async with app.test() as trial:
        spam, good = await trial.publish([Query("spam"), Query("good")])
        assert (spam.dropped, spam.position, spam.topic, good.dropped) == ("it is spam", None, "query", None)
        assert (await trial.publish(Query("spam"), id="mine")).id == "mine"
        assert [one.dropped for one in await trial.publish([Query("spam")])] == ["it is spam"]
        await trial.settled()
        assert trial.published() == [Query("good"), Found("kept")]
        with pytest.raises(RunFailed, match="its first event was dropped: it is spam"):
            await trial.start(Query("spam"))


@pytest.mark.contract("G12")
async def test_output_that_is_dropped_leaves_the_others_their_ids(app: App) -> None:
    dropping = False

    @app.middleware("publish")
    async def guard(event: Outgoing, call_next: Next) -> None:
        if dropping and event.cause is not None and event.data.text == "1":
            raise Drop("not today")
        await call_next(event)

    @app.on(Query)
    async def look(query: Query) -> list[Found]:
        return [Found("1"), Found("2")]

    ids = []
    for wanted in (False, True):
        dropping = wanted
        async with app.test() as trial:
            await trial.publish(Query("x"), id="0190b5a2-0000-7000-8000-000000000001")
            await trial.settled()
            ids.append([event.id for event in trial.events(Found)])
    assert ids[0][1:] == ids[1]


async def test_dropped_delivery_is_settled_counted_and_logged(app: App, caplog: pytest.LogCaptureFixture) -> None:
    @app.middleware("consume")
    async def guard(ctx: Context, call_next: Next) -> None:
        if ctx.event.data.text == "old":
            raise Drop("it is old")
        await call_next(ctx)

    @app.on(Query, effects=True)
    async def look(query: Query) -> None: ...

    with caplog.at_level(logging.INFO, "vagus.handler"):
        async with app.test() as trial:
            await trial.publish([Query("old"), Query("new")])
            await trial.settled()
            stats = await trial.stats()
            (books,) = stats.groups
            assert (books.acked, books.skipped, books.dead) == (1, 1, 0)
            assert (stats.workers[0].handled, stats.workers[0].dropped) == (1, 1)
            assert trial.handled(look) == [Query("new")]
    assert "shop.look dropped query" in caplog.text


async def test_what_a_layer_raises_is_as_if_the_handler_had(app: App) -> None:
    tries: list[int] = []

    @app.middleware("consume")
    async def auth(ctx: Context, call_next: Next) -> None:
        tries.append(ctx.attempt)
        if ctx.event.data.text == "never":
            raise Reject("no ticket")
        if ctx.attempt == 1:
            raise TimeoutError("the directory is slow")
        await call_next(ctx)

    @app.on(Query, retry=Retry(attempts=2))
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        await trial.publish([Query("slow"), Query("never")])
        await trial.move("1m")
        assert trial.handled(look) == [Query("slow")]
        assert [letter.reason for letter in await trial.dead(look)] == ["rejected"]
        assert sorted(tries) == [1, 1, 2]


async def test_layer_sees_and_may_swallow_what_the_handler_raises(app: App) -> None:
    seen: list[str] = []

    @app.middleware("consume")
    async def forgive(ctx: Context, call_next: Next) -> None:
        try:
            await call_next(ctx)
        except ValueError as error:
            seen.append(str(error))

    @app.on(Query)
    async def look(query: Query) -> None:
        raise ValueError("not today")

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()
        assert seen == ["not today"]
        assert trial.handled(look) == [Query("x")]


async def test_consume_layer_changes_what_the_handler_sees(app: App) -> None:
    got: list[Any] = []

    @app.middleware("consume")
    async def unmask(ctx: Context, call_next: Next) -> None:
        await call_next(ctx.changed(data=Query(ctx.event.data.text.upper())))

    @app.on(Query)
    async def look(query: Query, ctx: Context) -> None:
        got.append((query, ctx.event.data, ctx.event.type))

    @app.on(Query, batch=10)
    def many(queries: list[Query]) -> None:
        got.append(queries)

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()
    assert (Query("X"), Query("X"), "query") in got
    assert [Query("X")] in got


async def test_events_of_a_batch_each_have_their_layers_around_one_call(app: App) -> None:
    seen: list[str] = []
    calls: list[list[str]] = []

    @app.middleware("consume")
    async def watch(ctx: Context, call_next: Next) -> None:
        text = ctx.event.data.text
        if text == "old":
            raise Drop("it is old")
        if text == "bad":
            raise Reject("no ticket")
        try:
            await call_next(ctx)
            seen.append(f"{text} done")
        except ValueError as error:
            seen.append(f"{text} {error}")
            raise

    @app.on(Query, batch=10, retry=1)
    async def look(queries: list[Query]) -> list[Any]:
        calls.append([query.text for query in queries])
        return [ValueError("failed") if query.text == "fails" else Found(query.text) for query in queries]

    async with app.test() as trial:
        await trial.publish([Query(text) for text in ("a", "old", "fails", "bad", "b")])
        await trial.settled()
        assert calls == [["a", "fails", "b"]]
        assert sorted(seen) == ["a done", "b done", "fails failed"]
        assert trial.published(Found) == [Found("a"), Found("b")]
        (books,) = (await trial.stats()).groups
        assert (books.acked, books.skipped, books.dead) == (2, 1, 2)


async def test_error_of_a_whole_batch_passes_through_each_layer(app: App) -> None:
    seen: list[str] = []

    @app.middleware("consume")
    async def watch(ctx: Context, call_next: Next) -> None:
        try:
            await call_next(ctx)
        except OSError as error:
            seen.append(f"{ctx.event.data.text} {error}")
            raise

    @app.on(Query, batch=10, retry=1)
    def look(queries: list[Query]) -> None:
        raise OSError("gone")

    async with app.test() as trial:
        await trial.publish([Query("a"), Query("b")])
        await trial.settled()
        assert sorted(seen) == ["a gone", "b gone"]
        assert len(await trial.dead(look)) == 2


async def test_batch_that_runs_over_its_time_ends_its_layers(app: App) -> None:
    ended: list[str] = []

    @app.middleware("consume")
    async def watch(ctx: Context, call_next: Next) -> None:
        try:
            await call_next(ctx)
        finally:
            ended.append(ctx.event.data.text)

    @app.on(Query, batch=10, retry=1, timeout=5)
    async def look(queries: list[Query]) -> None:
        await asyncio.Event().wait()

    async with app.test() as trial:
        await trial.publish([Query("a"), Query("b")])
        await trial.begun(look, 2)
        await trial.move("6s")
        await trial.settled()
        assert sorted(ended) == ["a", "b"]
        assert {letter.error_kind for letter in await trial.dead(look)} == {"TimeoutError"}


async def test_join_has_its_layers_around_the_one_call(app: App) -> None:
    seen: list[str] = []
    app.middleware("consume")(Layer("app", seen))

    @app.on(Query)
    async def both(query: Query) -> list[Any]:
        return [Other(query.text), Found(query.text)]

    @app.join(Other, Found)
    async def pair(other: Other, found: Found) -> None:
        seen.append("pair")

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()
    assert seen == ["app in", "app out", "app in", "pair", "app out"]


async def test_events_of_a_join_cannot_be_changed(app: App) -> None:
    router = Router()

    @router.middleware("consume")
    async def change(ctx: Context, call_next: Next) -> None:
        await call_next(ctx.changed(data=Found("y")))

    @app.on(Query)
    async def both(query: Query) -> list[Any]:
        return [Other(query.text), Found(query.text)]

    @router.join(Other, Found)
    async def pair(other: Other, found: Found) -> None: ...

    app.include(router)
    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()
        (letter,) = await trial.dead(pair)
    assert "middleware cannot change the events of the join" in letter.error_message


# --- what is refused -------------------------------------------------------------------------------------------------


async def forgets(event: Any, call_next: Next) -> None: ...


async def twice(event: Any, call_next: Next) -> None:
    await call_next(event)
    await call_next(event)


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (forgets, "middleware forgets returned without passing the event on"),
        (twice, "middleware twice passed the event on twice"),
    ],
)
async def test_layer_that_holds_an_event_back_is_a_named_error(app: App, layer: Any, said: str) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    app.middleware("publish")(layer)
    async with app.test() as trial:
        with pytest.raises(InvalidHandler, match=said):
            await trial.publish(Query("x"))

    other = App("memory://", name="shop")
    other.on(Query)(look)
    other.middleware("consume")(layer)
    async with other.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()
        (letter,) = await trial.dead(look)
        assert said in letter.error_message


async def test_error_that_a_publish_layer_swallows_is_told(app: App) -> None:
    @app.middleware("publish")
    async def swallow(event: Outgoing, call_next: Next) -> None:
        with suppress(InvalidArgument):
            await call_next(event)

    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        with pytest.raises(InvalidHandler, match="swallowed the error of an event for query"):
            await trial.publish(Query("x"), priority=3)


@pytest.mark.contract("G19")
async def test_middleware_that_comes_too_late_is_refused(app: App) -> None:
    router = Router()
    app.include(router)
    with pytest.raises(InvalidHandler, match="forgets comes too late"):
        router.middleware("consume")(forgets)
    async with app.test():
        with pytest.raises(InvalidHandler, match="forgets comes too late"):
            app.middleware("publish")(forgets)
    async with app:
        with pytest.raises(InvalidHandler, match="forgets comes too late"):
            app.middleware("publish")(forgets)


@pytest.mark.contract("G19")
@pytest.mark.parametrize("wrong", [3, lambda event, call_next: None, Layer], ids=["number", "sync", "class"])
def test_what_cannot_be_middleware_is_refused(app: App, wrong: Any) -> None:
    with pytest.raises(InvalidHandler, match="cannot be middleware: expected an async function"):
        app.middleware("consume")(wrong)


@pytest.mark.contract("G19")
def test_wrong_words_of_middleware_are_refused(app: App) -> None:
    with pytest.raises(InvalidArgument, match='expected "publish" or "consume", got \'handle\''):
        app.middleware("handle")(forgets)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="expected a reason in words"):
        Drop("")
    with pytest.raises(InvalidArgument, match="middleware cannot change 'topic'"):
        Outgoing(Query("x"), None).changed(topic="other")  # type: ignore[arg-type]


@pytest.mark.parametrize("point", [None, "publish", "consume"])
async def test_app_without_middleware_takes_the_short_road(app: App, point: Any) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    if point is not None:
        app.middleware(point)(Layer("one", []))
    async with app.test() as trial:
        (worker,) = trial._opened.workers.values()
        assert worker.runner._bare is (point is None)
