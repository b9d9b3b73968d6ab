"""Events that cannot be handled: broken, foreign, too large, too deep, of another shape; each is kept and named."""

from __future__ import annotations

from typing import Any

import pytest

from vagus import App, Context, ErrorEvent, Event
from vagus.backend import Put, Topic, Unit
from vagus.errors import EventTooLarge, InvalidArgument
from vagus.message import Envelope, Limits, Wire


class Query(Event):
    text: str


@pytest.fixture
def app() -> App:
    return App("memory://", name="shop")


async def put(app: App, topic: str, body: bytes, content_type: str = "", headers: dict[str, str] | None = None) -> None:
    """Store bytes as a producer that knows nothing of vagus would."""
    unit = Unit([Put(Topic(topic), Envelope(body, content_type, headers))])
    assert all(outcome.done for outcome in await app.backend.commit([unit]))


TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DEEP = b'{"specversion":"1.0","id":"1","source":"x","type":"query","data":' + b"[" * 500 + b"]" * 500 + b"}"
LARGE = b'{"specversion":"1.0","id":"1","source":"x","type":"query","data":{"text":"' + b"x" * 2_000_000 + b'"}}'


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("body", "content_type", "named"),
    [
        (b"\xff\xfe not json", "", "cannot be decoded"),
        (b"", "", "cannot be decoded"),
        (b"5", "", "cannot be decoded"),
        (b'{"event_type": "query", "query": "x"}', "application/json", "cannot be decoded"),
        (b"<query/>", "application/xml", "application/xml"),
        (b'{"specversion":"1.0","id":"1","source":"x","type":"query","data":{"text":5}}', "", "Query(text: str)"),
        (b'{"specversion":"1.0","id":"1","source":"x","type":"query"}', "", "no data"),
        (DEEP, "", "deep"),
        (LARGE, "", "limit is 1048576"),
    ],
    ids=["bytes", "nothing", "number", "foreign", "xml", "shape", "no data", "deep", "large"],
)
async def test_event_that_cannot_be_read_is_kept_and_named(
    app: App, body: bytes, content_type: str, named: str
) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        await put(app, "query", body, content_type)
        await trial.publish(Query("sound"))
        await trial.settled()

        assert trial.handled(look) == [Query("sound")]
        (letter,) = await trial.dead(look)
        assert (letter.body, letter.attempts) == (body, 1)
        assert named in letter.error_message
        assert [fact.outcome for fact in trial.published(ErrorEvent)] == ["dead"]


async def test_dead_letter_of_another_shape_still_names_its_event(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        body = b'{"specversion":"1.0","id":"e1","source":"x","type":"query","traceparent":"%b","data":{"text":5}}'
        await put(app, "query", body % TRACE)
        await trial.settled()

        (letter,) = await trial.dead(look)
        assert (letter.event_id, letter.event_type, letter.reason) == ("e1", "query", "undecodable")
        assert letter.traceparent == TRACE.decode()


async def test_event_that_is_too_large_or_deep_is_refused_when_published(app: App) -> None:
    app.topic(Query, wire=Wire(limits=Limits(size=1_000)))
    app.topic("rag.step", wire=Wire(limits=Limits(depth=5)), keep="1h")

    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        with pytest.raises(EventTooLarge):
            await trial.publish(Query("x" * 2_000))
        with pytest.raises(EventTooLarge):
            await trial.publish({"a": [[[[[[1]]]]]]}, topic="rag.step")


@pytest.mark.parametrize("event", [5, "text", None, object(), [object()], {"no": "topic"}], ids=type)
async def test_what_is_no_event_is_refused_when_published(app: App, event: Any) -> None:
    async with app.test() as trial:
        with pytest.raises(InvalidArgument):
            await trial.publish(event)


# --- foreign events ------------------------------------------------------------------------------------------------

FOREIGN = '{"event_type": "user_query", "event_id": "e1", "session_id": "s", "query": "如何重置密码？"}'.encode()


@pytest.mark.contract("G7", "G19")
async def test_redriven_foreign_event_is_read_as_its_topic_says(app: App) -> None:
    app.topic("kotaemon-dialog-events", wire="json")
    seen: list[tuple[Any, str, int]] = []

    @app.on("kotaemon-dialog-events", retry=1)
    async def look(event: dict[str, Any], ctx: Context) -> None:
        seen.append((event["query"], ctx.topic, ctx.generation))
        if ctx.generation == 0:
            raise ValueError("not yet")

    async with app.test() as trial:
        await put(app, "kotaemon-dialog-events", FOREIGN, "application/json")
        await trial.settled()
        (letter,) = await trial.dead(look)
        await trial.redrive(look)
        await trial.settled()

        topic = "kotaemon-dialog-events"
        assert seen == [("如何重置密码？", topic, 0), ("如何重置密码？", topic, 1)]
        assert letter.event_id == "e1"
        assert await trial.dead(look) == []


@pytest.mark.parametrize("namespace", [None, "t1"])
async def test_redriven_event_of_a_pattern_is_read_as_its_own_class(namespace: str | None) -> None:
    app = App("memory://", name="shop", namespace=namespace)

    class Created(Event, topic="user.created"):
        name: str

    class Removed(Event, topic="user.removed"):
        name: str

    seen: list[Any] = []

    async def look(event: Any, ctx: Context) -> None:
        seen.append((event, ctx.topic))
        if ctx.generation == 0:
            raise ValueError("not yet")

    look.__annotations__["event"] = Created | Removed
    app.on("user.*", retry=1)(look)
    async with app.test() as trial:
        await trial.publish([Created("a"), Removed("b")])
        await trial.settled()
        assert await trial.redrive(look) == 2
        await trial.settled()

    assert sorted(seen[2:], key=str) == [(Created("a"), "user.created"), (Removed("b"), "user.removed")]


async def test_event_that_dies_again_tells_of_its_earlier_death(app: App) -> None:
    @app.on(Query, retry=1)
    async def look(query: Query) -> None:
        raise ValueError("always")

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()
        await trial.redrive(look)
        await trial.settled()

        (letter,) = await trial.dead(look)
        assert (letter.generation, letter.topic, [death.reason for death in letter.history]) == (
            1,
            "query",
            ["attempts"],
        )
        assert {fact.topic for fact in trial.published(ErrorEvent)} == {"query"}
