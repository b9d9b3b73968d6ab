"""The outbox: what a transaction published is published once, in order, or was never there."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.effects.shop import Shop, connection_to
from vagus import App, Drop, Event, Outgoing, SqlEffects
from vagus.app.effects.database import Row
from vagus.backend import First
from vagus.errors import InvalidArgument, NotStarted

pytestmark = [pytest.mark.contract("G12"), pytest.mark.requirement("R105")]


class Placed(Event, key="order"):
    order: str
    number: int


class Other(Event):
    number: int


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop.db")


@pytest.fixture
def app() -> App:
    app = App("memory://", name="shop")
    app.topic(Placed, keep="1d")
    app.topic(Other, keep="1d")
    return app


async def test_rows_and_events_of_a_block_are_stored_together(app: App, shop: Shop) -> None:
    orders = app.outbox(SqlEffects(shop.file))

    async with app.test() as trial:
        async with orders.begin() as box:
            for number in range(5):
                box.connection.execute("INSERT INTO charge VALUES (?, 1)", (f"o{number}",))
                await box.publish(Placed("a", number))
            assert trial.published() == []
        await trial.settled()
        assert trial.published(Placed) == [Placed("a", number) for number in range(5)]
        assert (shop.total, shop.outbox) == (5, [])


async def test_block_that_raises_stores_and_publishes_nothing(app: App, shop: Shop) -> None:
    orders = app.outbox(SqlEffects(shop.file))

    async with app.test() as trial:
        with pytest.raises(ZeroDivisionError):
            async with orders.begin() as box:
                box.connection.execute("INSERT INTO charge VALUES ('a', 1)")
                await box.publish(Placed("a", 1))
                raise ZeroDivisionError
        await trial.move("5m")
        assert (shop.total, trial.published()) == (0, [])


async def test_own_connection_and_its_transaction_are_joined(app: App, shop: Shop) -> None:
    orders = app.outbox(SqlEffects(shop.file))
    own = connection_to(shop.file)

    async with app.test() as trial:
        own.execute("BEGIN")
        own.execute("INSERT INTO charge VALUES ('a', 7)")
        async with orders.begin(own) as box:
            assert box.connection is own
            await box.publish(Placed("a", 1))
        assert not own.in_transaction
        async with orders.begin(own) as box:
            await box.publish(Placed("a", 2))
        await trial.settled()
        assert (shop.total, trial.published(Placed)) == (7, [Placed("a", 1), Placed("a", 2)])
    own.close()


async def test_what_a_process_left_behind_is_published_at_the_next_start(app: App, shop: Shop) -> None:
    orders = app.outbox(SqlEffects(shop.file))
    async with app.test():
        pass  # makes the tables
    with sqlite3.connect(shop.file) as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM vagus_outbox")
        connection.execute(
            "CREATE TRIGGER keep AFTER INSERT ON vagus_outbox BEGIN INSERT INTO kept SELECT * FROM vagus_outbox"
            " WHERE seq = NEW.seq; END"
        )
    async with app.test(), orders.begin() as box:
        await box.publish(Placed("a", 1))
    with sqlite3.connect(shop.file) as connection:  # as if it had died before it published
        connection.execute("DROP TRIGGER keep")
        connection.execute("INSERT INTO vagus_outbox SELECT * FROM kept")

    async with app.test() as trial:
        await trial.settled()
        assert trial.published(Placed) == [Placed("a", 1)]
        assert shop.outbox == []


async def test_rows_of_another_app_are_left_alone(app: App, shop: Shop) -> None:
    other = App("memory://", name="other")
    app.outbox(SqlEffects(shop.file))
    theirs = other.outbox(SqlEffects(shop.file))
    async with app.test() as trial, other.test() as their_trial:
        async with theirs.begin() as box:
            await box.publish(Other(1))
        await their_trial.settled()
        await trial.move("5m")
        assert (trial.published(), their_trial.published()) == ([], [Other(1)])


async def test_full_topic_holds_up_its_own_events_alone_and_keeps_their_order(app: App, shop: Shop) -> None:
    app.topic(Placed, max_events=2)
    orders = app.outbox(SqlEffects(shop.file))
    go = asyncio.Event()

    @app.on(Placed, prefetch=1, concurrency=1)
    async def place(event: Placed) -> None:
        await go.wait()

    async with app.test() as trial:
        async with orders.begin() as box:
            for number in range(5):
                await box.publish(Placed("a", number))
                await box.publish(Other(number))
        await trial.begun(place)
        await trial.move("1s")
        assert [event.number for event in trial.published(Other)] == list(range(5))
        assert [event.number for event in trial.published(Placed)] == [0, 1]
        go.set()
        await trial.move("1m")
        assert [event.number for event in trial.published(Placed)] == list(range(5))


async def test_row_that_is_published_twice_is_one_event(app: App, shop: Shop) -> None:
    orders = app.outbox(SqlEffects(shop.file))
    async with app.test() as trial:
        async with orders.begin() as box:
            id = await box.publish(Placed("a", 1), id="placed-1")
        await trial.settled()
        async with orders.begin() as box:
            await box.publish(Placed("a", 1), id="placed-1")
        await trial.settled()
        assert (id, trial.published(Placed)) == ("placed-1", [Placed("a", 1)])


async def test_rare_look_finds_what_nobody_woke_it_for(app: App, shop: Shop) -> None:
    orders, effects = app.outbox(SqlEffects(shop.file)), SqlEffects(shop.file)
    elsewhere = app.outbox(effects)

    async with app.test() as trial:
        async with orders.begin() as box:
            await box.publish(Placed("a", 1))
        relay = trial._opened.outboxes.relay(effects)
        transaction = await relay.database.begin()
        await transaction.commit([another(box.rows[0])], None, 0.0)
        await trial.settled()
        await trial.move("31s")
        assert [event.number for event in trial.published(Placed)] == [1, 1]
    assert elsewhere is not orders


def another(row: Row) -> Row:
    return msgspec.structs.replace(row, event_id="again", dedupe="again")


async def test_many_tasks_take_turns(app: App, shop: Shop) -> None:
    orders = app.outbox(SqlEffects(shop.file))

    async def place(number: int) -> None:
        async with orders.begin() as box:
            box.connection.execute("INSERT INTO charge VALUES ('a', 1)")
            await asyncio.sleep(0)
            await box.publish(Placed("a", number))

    async with app.test() as trial:
        await asyncio.gather(*(place(number) for number in range(50)))
        await trial.settled()
        assert (shop.total, len(trial.published(Placed))) == (50, 50)


async def test_two_processes_worth_of_apps_publish_each_row_once(shop: Shop, tmp_path: Path) -> None:
    def made() -> App:
        app = App(f"sqlite:///{tmp_path}/vagus.db", name="shop")
        app.topic(Placed, keep="1d")
        return app

    one, two = made(), made()
    boxes = [one.outbox(SqlEffects(shop.file)), two.outbox(SqlEffects(shop.file))]
    async with one, two:
        for number in range(40):
            async with boxes[number % 2].begin() as box:
                await box.publish(Placed("a", number))
        async with asyncio.timeout(20):
            while shop.outbox:
                await asyncio.sleep(0.01)
        records = await one.backend.read("placed", First(), 100)
    assert len(records) == 40


async def test_outbox_of_an_app_that_is_not_open_says_so(app: App, shop: Shop) -> None:
    with pytest.raises(NotStarted):
        async with app.outbox(SqlEffects(shop.file)).begin():
            raise AssertionError("it began")


async def test_what_cannot_be_published_rolls_the_block_back(app: App, shop: Shop) -> None:
    orders = app.outbox(SqlEffects(shop.file))
    async with app.test():
        with pytest.raises(InvalidArgument):
            async with orders.begin() as box:
                box.connection.execute("INSERT INTO charge VALUES ('a', 1)")
                await box.publish({"no": "topic"})
    assert shop.total == 0


async def test_publish_middleware_stands_around_the_outbox_too(app: App, shop: Shop) -> None:
    orders = app.outbox(SqlEffects(shop.file))

    @app.middleware("publish")
    async def doubles(event: Outgoing, call_next: Any) -> Any:
        if event.data == Other(0):
            raise Drop("nobody wants nothing")
        return await call_next(Outgoing(Other(event.data.number * 2), event.options))

    async with app.test() as trial:
        async with orders.begin() as box:
            assert await box.publish(Other(0)) == ""
            assert await box.publish(Other(2))
        await trial.settled()
        assert trial.published() == [Other(4)]
