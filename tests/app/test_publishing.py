"""Publishing: who may, when it is refused, and what its options do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vagus import App, Context, Event
from vagus.errors import InvalidArgument, InvalidTopic, NoGroup, NotStarted


class Query(Event, key="session"):
    session: str
    text: str


class Urgent(Event):
    text: str


@pytest.fixture
def app() -> App:
    return App("memory://", name="shop")


@pytest.mark.parametrize("call", ["publish", "start", "stats", "refresh"])
async def test_app_that_is_not_open_says_so_before_and_after(app: App, call: str) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    arguments = (Query("s", "x"),) if call in ("publish", "start") else ()
    for _ in range(2):
        with pytest.raises(NotStarted, match="'shop' is not open") as caught:
            await getattr(app, call)(*arguments)
        assert caught.value.hint == "async with app: ..."
        async with app:
            await getattr(app, call)(*arguments)


async def test_app_is_not_opened_twice_at_once(app: App) -> None:
    async with app:
        with pytest.raises(InvalidArgument, match="open already"):
            async with app:
                raise AssertionError("opened twice")
        assert app.capabilities.system == "memory"


async def test_topic_that_nobody_was_declared_for_is_refused(app: App) -> None:
    async with app.test() as trial:
        with pytest.raises(NoGroup, match="'query'") as caught:
            await trial.publish(Query("s", "x"))
        assert "keep=" in caught.value.hint
        with pytest.raises(NoGroup):
            await trial.start(Query("s", "x"))


async def test_list_is_stored_as_one_or_refused_as_one(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        with pytest.raises(NoGroup, match="'urgent'"):
            await trial.publish([Query("s", "x"), Urgent("y")])
        await trial.settled()
        assert trial.handled(look) == []
        assert await trial.publish([]) == []
        receipts = await trial.publish([Query("s", "1"), Query("s", "2")])
        assert len({receipt.id for receipt in receipts}) == 2


@pytest.mark.contract("G12")
async def test_same_id_published_again_is_a_duplicate(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        first = await trial.publish(Query("s", "x"), id="mine")
        again = await trial.publish(Query("s", "x"), id="mine")
        other = await trial.publish(Query("s", "x"), id="mine", source="another")
        await trial.settled()

        assert (first.duplicate, again.duplicate, other.duplicate) == (False, True, False)
        assert again.position == first.position
        assert len(trial.handled(look)) == 2


@pytest.mark.contract("G10")
async def test_delayed_event_waits_for_its_time(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        await trial.publish(Query("s", "x"), delay_s="2h")
        await trial.move("119m")
        assert trial.handled(look) == []
        await trial.move("1m")
        assert trial.handled(look) == [Query("s", "x")]


@pytest.mark.contract("G11")
async def test_event_past_its_expiry_is_counted_and_not_handled(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        await trial.publish(Query("s", "late"), delay_s=10, expires_s=5)
        await trial.publish(Query("s", "in time"), delay_s=10, expires_s=15)
        await trial.move(20)

        assert trial.handled(look) == [Query("s", "in time")]
        assert (await trial.stats()).groups[0].expired == 1


@pytest.mark.contract("G9")
async def test_urgent_events_are_handled_first(app: App) -> None:
    app.topic(Urgent, priorities=True)
    gate = asyncio.Event()
    seen: list[str] = []

    @app.on(Urgent, concurrency=1, prefetch=1)
    async def look(urgent: Urgent, ctx: Context) -> None:
        seen.append(urgent.text)
        await gate.wait()

    async with app.test() as trial:
        await trial.publish(Urgent("first"))
        await trial.begun(look)
        for priority in (0, 9, 5):
            await trial.publish(Urgent(str(priority)), priority=priority)
        gate.set()
        await trial.settled()

    assert seen == ["first", "9", "5", "0"]


@pytest.mark.contract("G9")
async def test_priority_on_a_topic_without_lanes_is_refused_by_name(app: App) -> None:
    @app.on(Urgent)
    async def look(urgent: Urgent) -> None: ...

    async with app.test() as trial:
        with pytest.raises(InvalidArgument, match="'urgent' has no priorities") as caught:
            await trial.publish(Urgent("x"), priority=9)
        assert "priorities=True" in caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 10},
        {"priority": "high"},
        {"delay_s": -1},
        {"delay_s": "soon"},
        {"delay_s": b"1s"},
        {"delay_s": 10**400},
        {"expires_s": "x"},
        {"id": ""},
        {"id": 5},
        {"source": ""},
        {"source": 5},
        {"key": 5},
        {"key": ["s1"]},
        {"extensions": "abc"},
        {"extensions": {5: "x"}},
        {"extensions": {"abc": 1.5}},
        {"extensions": {"abc": None}},
        {"extensions": {"id": "x"}},
        {"extensions": {"Upper": "x"}},
        {"unheard_of": 1},
    ],
    ids=str,
)
async def test_option_that_cannot_be_meant_is_refused(app: App, options: dict[str, Any]) -> None:
    app.topic(Urgent, priorities=True)

    @app.on(Urgent)
    async def look(urgent: Urgent) -> None: ...

    async with app.test() as trial:
        with pytest.raises(InvalidArgument):
            await trial.publish(Urgent("x"), **options)
        await trial.settled()
        assert trial.published() == []


@pytest.mark.parametrize("topic", ["", "a b", "a..b", "rag.*", "$dead.x", 5], ids=str)
async def test_illegal_topic_is_refused_with_what_was_expected(app: App, topic: Any) -> None:
    async with app.test() as trial:
        with pytest.raises(InvalidTopic, match="expected"):
            await trial.publish({"x": 1}, topic=topic)


@pytest.mark.parametrize(
    "call",
    [
        lambda app: app.topic("a b"),
        lambda app: app.topic("a", keep="long"),
        lambda app: app.topic("a", max_events=0),
        lambda app: app.topic("a", wire="yaml"),
    ],
)
def test_wrong_setting_of_a_topic_is_refused(app: App, call: Any) -> None:
    with pytest.raises(InvalidArgument, match="expected"):
        call(app)


@pytest.mark.parametrize("settings", [{"name": "a b"}, {"namespace": "x y"}, {"grace_s": "soon"}], ids=str)
def test_wrong_setting_of_an_app_is_refused(settings: Any) -> None:
    with pytest.raises(InvalidArgument, match="expected"):
        App("memory://", **settings)


async def test_unknown_backend_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidArgument, match="no backend") as caught:
        async with App("pigeon://post", name="shop"):
            raise AssertionError("opened")
    assert "memory://" in caught.value.hint


async def test_waiting_backlog_follows_the_group_that_was_declared(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test(only=[]) as trial:
        await trial.publish(Query("s", "x"))
        await trial.settled()

        (figures,) = (await trial.stats()).groups
        assert (figures.ready, figures.entered, trial.handled()) == (1, 1, [])
