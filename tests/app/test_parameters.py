"""What fills a handler's parameters: the event by its annotation, the context, and what was provided."""

from __future__ import annotations

import threading
import traceback
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pydantic
import pytest

from vagus import App, Context, Event
from vagus.errors import InvalidArgument, InvalidHandler, InvalidTopic


class Query(Event):
    text: str


class Other(Event, topic="query"):
    text: str


class Click(Event):
    user: str


class Bare(msgspec.Struct, frozen=True):
    text: str


@dataclass(frozen=True)
class Plain:
    text: str
    count: int = 1


class Model(pydantic.BaseModel):
    text: str = pydantic.Field(min_length=2)


class Database:
    def __init__(self) -> None:
        self.open = True


@pytest.fixture
def app() -> App:
    return App("memory://", name="shop")


@pytest.mark.parametrize(
    "event", [Query("hi"), Bare("hi"), Plain("hi", 2), Model(text="hi")], ids=lambda e: type(e).__name__
)
async def test_event_arrives_as_the_class_of_its_annotation(app: App, event: Any) -> None:
    seen: list[Any] = []

    async def look(event: Any) -> None:
        seen.append(event)

    look.__annotations__["event"] = type(event)
    app.on(type(event))(look)

    async with app.test() as trial:
        await trial.publish(event)
        await trial.settled()

    assert seen == [event]
    assert type(seen[0]) is type(event)


async def test_dict_is_published_to_a_topic_and_arrives_as_a_dict(app: App) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []

    @app.on("rag.*")
    async def look(event: dict[str, Any], ctx: Context) -> None:
        seen.append((ctx.topic, event))

    async with app.test() as trial:
        await trial.publish({"text": "如何重置密码？"}, topic="rag.user_query")
        await trial.settled()

    assert seen == [("rag.user_query", {"text": "如何重置密码？"})]


async def test_union_takes_either_class(app: App) -> None:
    seen: list[Any] = []

    @app.on(Query, Click)
    async def look(event: Query | Click) -> None:
        seen.append(event)

    async with app.test() as trial:
        await trial.publish([Query("a"), Click("b")])
        await trial.settled()

    assert sorted(seen, key=str) == [Click("b"), Query("a")]


async def test_annotation_alone_says_what_a_handler_is_for(app: App) -> None:
    @app.on()
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        await trial.publish(Query("a"))
        await trial.settled()

        assert trial.handled(look) == [Query("a")]


async def test_context_tells_where_the_event_comes_from(app: App) -> None:
    seen: list[Context] = []

    @app.on(Query)
    async def look(query: Query, ctx: Context) -> None:
        seen.append(ctx)

    async with app.test() as trial:
        receipt = await trial.publish(Query("a"), key="k", extensions={"tenant": "t1"})
        await trial.settled()

    (ctx,) = seen
    assert (ctx.event.id, ctx.run_id, ctx.key) == (receipt.id, receipt.id, "k")
    assert (ctx.topic, ctx.group, ctx.attempt, ctx.losses, ctx.generation) == ("query", "shop.look", 1, 0, 0)
    assert ctx.extensions["tenant"] == "t1"


async def test_handler_of_an_app_with_a_namespace_sees_bare_topics() -> None:
    app = App("memory://", name="shop", namespace="t1")
    seen: list[tuple[str, str]] = []

    @app.on("#")
    async def look(query: dict[str, Any], ctx: Context) -> None:
        seen.append((ctx.topic, ctx.group))

    async with app.test() as trial:
        await trial.publish(Query("a"))
        await trial.settled()
        assert trial.handled(look) == [Query("a")]

    assert seen == [("query", "t1.shop.look")]


async def test_sync_handler_runs_in_a_thread(app: App) -> None:
    threads: list[int] = []

    @app.on(Query)
    def look(query: Query) -> None:
        threads.append(threading.get_ident())

    async with app.test() as trial:
        await trial.publish(Query("a"))
        await trial.settled()

    assert threads != [threading.get_ident()]


# --- what is provided ----------------------------------------------------------------------------------------------


def plain_value() -> Database:
    return Database()


async def later_value() -> Database:
    return Database()


@asynccontextmanager
async def managed_value() -> AsyncIterator[Database]:
    yield Database()


@pytest.mark.parametrize("factory", [Database(), plain_value, later_value, managed_value])
async def test_every_kind_of_factory_provides_the_value(app: App, factory: Any) -> None:
    seen: list[Database] = []
    app.provide(Database, factory)

    @app.on(Query)
    async def look(query: Query, db: Database) -> None:
        seen.append(db)

    async with app.test() as trial:
        await trial.publish([Query("a"), Query("b")])
        await trial.settled()

    assert isinstance(seen[0], Database)
    assert seen[0] is seen[1]


async def test_provided_context_is_held_open_while_the_app_is(app: App) -> None:
    @asynccontextmanager
    async def database() -> AsyncIterator[Database]:
        made = Database()
        yield made
        made.open = False

    app.provide(Database, database)
    seen: list[Database] = []

    @app.on(Query)
    async def look(query: Query, db: Database) -> None:
        assert db.open
        seen.append(db)

    async with app.test() as trial:
        await trial.publish(Query("a"))
        await trial.settled()
        assert trial.handled(look)

    assert not seen[0].open


async def test_provided_contexts_are_closed_in_reverse_when_one_fails_to_open(app: App) -> None:
    closed: list[str] = []

    @asynccontextmanager
    async def first() -> AsyncIterator[str]:
        yield "first"
        closed.append("first")

    def second() -> int:
        raise OSError("the database is down")

    app.provide(str, first)
    app.provide(int, second)

    with pytest.raises(OSError, match="the database is down"):
        async with app.test():
            raise AssertionError("opened")
    assert closed == ["first"]


async def test_event_class_of_no_subscription_is_something_to_be_provided(app: App) -> None:
    app.provide(Click, Click("someone"))
    seen: list[Click] = []

    @app.on(Query)
    async def look(query: Query, settings: Click) -> None:
        seen.append(settings)

    async with app.test() as trial:
        await trial.publish(Query("a"))
        await trial.settled()

    assert seen == [Click("someone")]


# --- what can never be filled ----------------------------------------------------------------------------------------


async def test_parameter_with_a_default_is_left_alone(app: App) -> None:
    seen: list[int] = []

    @app.on(Query)
    async def look(query: Query, limit: int = 7) -> None:
        seen.append(limit)

    async with app.test() as trial:
        await trial.publish(Query("a"))
        await trial.settled()

    assert seen == [7]


async def test_parameter_that_nothing_fills_is_named_when_opened(app: App) -> None:
    @app.on(Query)
    async def look(query: Query, db: Database) -> None: ...

    with pytest.raises(InvalidHandler, match="'db'") as caught:
        async with app.test():
            raise AssertionError("opened")
    assert "app.provide(Database" in caught.value.hint


def test_parameter_without_annotation_is_named(app: App) -> None:
    def look(query: Query, db) -> None: ...  # type: ignore[no-untyped-def]

    app.on(Query)(look)
    with pytest.raises(InvalidHandler, match="no annotation"):
        _open(app)


def _open(app: App) -> None:
    import asyncio

    async def opened() -> None:
        async with app.test():
            raise AssertionError("opened")

    asyncio.run(opened())


def unknown_name(query: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def starred(*queries: Query) -> None: ...


def two_events(query: Query, click: Click) -> None: ...


def nothing() -> None: ...


async def yields_in_batches(queries: list[Query]) -> AsyncIterator[Click]:
    yield Click("x")


@pytest.mark.parametrize(
    ("function", "sources", "options", "named"),
    [
        (unknown_name, (Query,), {}, "Nowhere"),
        (starred, (Query,), {}, "queries"),
        (two_events, (), {}, "query, click"),
        (nothing, (), {}, "nothing"),
        (yields_in_batches, (Query,), {"batch": 5}, "does not yield"),
        (nothing, (Query,), {"batch": 5}, "list"),
        (nothing, (Query,), {"pick": "random", "deliver": "all"}, 'deliver="all"'),
    ],
)
def test_handler_that_can_never_run_is_refused_when_declared(
    app: App, function: Any, sources: Any, options: Any, named: str
) -> None:
    with pytest.raises(InvalidHandler, match=named):
        app.on(*sources, **options)(function)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": "soon"},
        {"lease": -1},
        {"concurrency": 0},
        {"batch": True},
        {"deliver": "twice"},
        {"start": "yesterday"},
        {"retry": "often"},
        {"unheard_of": 1},
    ],
    ids=str,
)
def test_wrong_option_of_a_handler_is_refused_when_declared(app: App, options: dict[str, Any]) -> None:
    async def look(queries: list[Query]) -> None: ...

    with pytest.raises(InvalidArgument, match="expected"):
        app.on(Query, **options)(look)


@pytest.mark.parametrize("topic", ["", "a..b", "white space", "a.#.b", "x" * 300])
def test_illegal_topic_of_a_handler_is_refused_when_declared(app: App, topic: str) -> None:
    async def look(event: dict[str, Any]) -> None: ...

    with pytest.raises(InvalidTopic, match="expected"):
        app.on(topic)(look)


def test_two_classes_of_one_topic_are_refused(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    with pytest.raises(InvalidHandler, match="query"):

        @app.on(Other)
        async def other(query: Other) -> None: ...


def test_join_of_one_class_is_refused(app: App) -> None:
    with pytest.raises(InvalidHandler, match="two or more"):
        app.join(Query)


def generated(query: Query) -> Iterator[Click]:
    yield Click(f"{query.text}1")
    yield Click(f"{query.text}2")


async def test_routers_keep_their_handlers_for_the_app_that_takes_them(app: App) -> None:
    from vagus import Router

    router = Router()
    router.on(Query)(generated)
    other = App("memory://", name="other")
    app.include(router)
    other.include(router)

    for one, group in ((app, "shop.generated"), (other, "other.generated")):
        async with one.test() as trial:
            await trial.publish(Query("a"))
            await trial.settled()
            assert (list(one.handlers), trial.published(Click)) == ([group], [Click("a1"), Click("a2")])


def test_decorator_without_its_parentheses_is_refused(app: App) -> None:
    with pytest.raises(InvalidHandler, match="not for <function") as caught:

        @app.on  # type: ignore[arg-type]
        async def look(query: Query) -> None: ...

    assert caught.value.hint == "write @app.on() with its parentheses"


@pytest.mark.parametrize(
    ("annotation", "hint"),
    [
        (None, "annotate it: "),
        (Click, "if its events are meant: @app.on(Click); else app.provide(Click, factory)"),
        (Database, "app.provide(Database, factory)"),
    ],
    ids=["bare", "event", "need"],
)
async def test_parameter_that_nothing_fills_comes_with_what_to_do(app: App, annotation: Any, hint: str) -> None:
    async def look(query: Query, more: Any) -> None: ...

    look.__annotations__ |= {"query": Query, "more": annotation}
    if annotation is None:
        del look.__annotations__["more"]
    app.on(Query)(look)

    with pytest.raises(InvalidHandler, match="nothing fills parameter 'more'") as caught:
        async with app.test():
            pass
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("returned", [str, int | None, list[Query | bool], Iterator[bytes]], ids=str)
def test_handler_that_says_it_returns_no_event_is_refused(app: App, returned: Any) -> None:
    async def look(query: Query) -> Any: ...

    look.__annotations__ |= {"query": Query, "return": returned}

    with pytest.raises(InvalidHandler, match="must be an event"):
        app.on(Query)(look)


@pytest.mark.parametrize("returned", [None, dict[str, int], list[Query | None], Generator[Query, str, int]], ids=str)
def test_handler_may_return_events_of_any_kind_or_nothing(app: App, returned: Any) -> None:
    async def look(query: Query) -> Any: ...

    look.__annotations__ |= {"query": Query, "return": returned}

    app.on(Query)(look)


def test_hint_stands_at_the_foot_of_a_traceback() -> None:
    error = InvalidArgument("what", hint="do this")

    assert traceback.format_exception(error)[-1] == "hint: do this\n"
    assert str(error) == "what"
