"""Effects in the user's own transaction: effect, mark and outputs are there together, or none of them is."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.effects.shop import Shop, connection_to
from vagus import App, Context, Event, Reject, Retry, SqlEffects
from vagus.app.publisher import PublishOptions
from vagus.backend import Unit
from vagus.errors import DatabaseUnusable, InvalidArgument, InvalidHandler, SchemaTooNew

pytestmark = [pytest.mark.contract("G12"), pytest.mark.requirement("R105", "R66")]


class Charge(Event, key="order"):
    order: str
    cents: int


class Charged(Event, final=True):
    order: str
    cents: int


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop.db")


@pytest.fixture
def app() -> App:
    app = App("memory://", name="shop")
    app.topic(Charged, keep="1d")
    return app


def insert(connection: sqlite3.Connection, event: Charge) -> None:
    connection.execute("INSERT INTO charge VALUES (?, ?)", (event.order, event.cents))


def handlers(app: App, effects: SqlEffects, kind: str, fail: Any = None, **options: Any) -> Any:
    """A handler that charges, of any kind; `fail` is called after the effect."""

    async def charge(event: Charge, ctx: Context, db: sqlite3.Connection) -> Charged:
        insert(db, event)
        if fail is not None:
            fail(ctx)
        return Charged(event.order, event.cents)

    def charge_in_thread(event: Charge, ctx: Context, db: sqlite3.Connection) -> Charged:
        insert(db, event)
        if fail is not None:
            fail(ctx)
        return Charged(event.order, event.cents)

    return app.on(effects=effects, **options)(charge if kind == "async" else charge_in_thread)


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_effect_mark_and_output_are_committed_together(app: App, shop: Shop, kind: str) -> None:
    handlers(app, SqlEffects(shop.file), kind)

    async with app.test() as trial:
        await trial.publish([Charge(f"o{number % 3}", number) for number in range(20)])
        await trial.settled()

        assert shop.total == sum(range(20))
        assert shop.ask("SELECT count(*) FROM vagus_effect") == [(20,)]
        assert shop.outbox == []
        assert len(trial.handled()) == 20
        charged = [event.cents for event in trial.published(Charged)]
        assert sorted(charged) == list(range(20))
        for order in range(3):
            assert [cents for cents in charged if cents % 3 == order] == list(range(order, 20, 3))


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_failed_attempt_leaves_no_effect_no_mark_and_no_output(app: App, shop: Shop, kind: str) -> None:
    def fail(ctx: Context) -> None:
        if ctx.attempt < 3:
            raise TimeoutError

    handlers(app, SqlEffects(shop.file), kind, fail, retry=Retry(attempts=3, base_s=1))

    async with app.test() as trial:
        await trial.publish(Charge("a", 5))
        await trial.settled()
        assert (shop.total, trial.published(Charged)) == (0, [])
        assert shop.ask("SELECT count(*) FROM vagus_effect") == [(0,)]
        await trial.move("1m")
        assert (shop.total, trial.published(Charged)) == (5, [Charged("a", 5)])


async def test_worker_that_dies_after_its_commit_charges_once(app: App, shop: Shop) -> None:
    charge = handlers(app, SqlEffects(shop.file), "async", lease=10)

    async with app.test() as trial:
        trial.lose_next(charge)
        await trial.publish(Charge("a", 5))
        await trial.move("1m")
        assert (shop.total, trial.published(Charged)) == (5, [Charged("a", 5)])
        assert (await trial.stats()).workers[0].repeated == 1


async def test_event_that_is_delivered_three_times_is_charged_once(app: App, shop: Shop) -> None:
    handlers(app, SqlEffects(shop.file), "sync", ordered=False)

    async with app.test() as trial:
        put, _ = trial._opened.publisher.first(Charge("a", 5), PublishOptions(id="a-1"))
        await app.backend.commit([Unit([msgspec.structs.replace(put, dedupe=None)])] * 3)
        await trial.move("1m")
        assert (shop.total, len(trial.handled()), len(trial.published(Charged))) == (5, 3, 1)


async def test_output_that_ends_a_run_ends_it(app: App, shop: Shop) -> None:
    @app.on(effects=SqlEffects(shop.file))
    async def charge(event: Charge, ctx: Context, db: sqlite3.Connection) -> Charged:
        insert(db, event)
        await ctx.emit("charging")
        return Charged(event.order, event.cents)

    async with app.test() as trial:
        run = await trial.start(Charge("a", 5))
        assert await run.result(1) == Charged("a", 5)
        assert [part.text async for part in run.stream()] == ["charging"]


@pytest.mark.parametrize("by", [str, lambda file: partial(connection_to, file)], ids=["name", "connection"])
async def test_file_of_the_backend_is_refused_at_start(tmp_path: Path, by: Any) -> None:
    app = App(f"sqlite:///{tmp_path}/all.db", name="shop")
    handlers(app, SqlEffects(by(tmp_path / "all.db")), "sync")

    with pytest.raises(InvalidArgument, match="void each other's locks"):
        async with app:
            raise AssertionError("it opened")


async def test_file_of_one_of_several_backends_is_refused_too(tmp_path: Path) -> None:
    rules = [{"topic": "metrics.#", "to": f"sqlite:///{tmp_path}/log.db"}]
    app = App(f"sqlite:///{tmp_path}/all.db", name="shop", routes={"rules": rules})
    handlers(app, SqlEffects(tmp_path / "log.db"), "sync")

    with pytest.raises(InvalidArgument, match="void each other's locks"):
        async with app:
            raise AssertionError("it opened")


async def test_file_beside_the_backend_s_holds_effects(tmp_path: Path, shop: Shop) -> None:
    app = App(f"sqlite:///{tmp_path}/vagus.db", name="shop")
    app.topic(Charged, keep="1d")
    handlers(app, SqlEffects(shop.file), "sync")

    async with app.running():
        run = await app.start(Charge("a", 5))
        assert await run.result(20) == Charged("a", 5)
        await app.publish([Charge(f"o{number}", 1) for number in range(20)])
        async with asyncio.timeout(20):
            while shop.total != 25:
                await asyncio.sleep(0.01)


async def test_delayed_output_is_due_when_it_was_to_be(app: App, shop: Shop) -> None:
    seen: list[float] = []

    @app.on(effects=SqlEffects(shop.file))
    async def charge(event: Charge, ctx: Context, db: sqlite3.Connection) -> None:
        insert(db, event)
        ctx.publish(Charged("a", 5), delay_s=60)

    async with app.test() as trial:

        @app.on()
        async def charged(event: Charged) -> None:
            seen.append(trial.clock.now())

        await trial._opened.refresh()
        begin = trial.clock.now()
        await trial.publish(Charge("a", 5))
        await trial.move("5m")
        assert [round(at - begin) for at in seen] == [60]


async def test_timeout_rolls_back_and_the_next_transaction_begins(app: App, shop: Shop) -> None:
    @app.on(effects=SqlEffects(shop.file), timeout=5, retry=Retry(attempts=2, base_s=1))
    async def charge(event: Charge, ctx: Context, db: sqlite3.Connection) -> None:
        insert(db, event)
        if ctx.attempt == 1:
            await asyncio.Event().wait()

    async with app.test() as trial:
        await trial.publish(Charge("a", 5))
        await trial.begun(charge)
        await trial.move("1m")
        assert (shop.total, len(trial.handled())) == (5, 1)


async def test_handler_that_commits_itself_is_told_so(app: App, shop: Shop) -> None:
    @app.on(effects=SqlEffects(shop.file))
    async def charge(event: Charge, db: sqlite3.Connection) -> None:
        insert(db, event)
        db.commit()

    async with app.test() as trial:
        await trial.publish(Charge("a", 5))
        await trial.settled()
        (letter,) = await trial.dead()
        assert "has ended the transaction itself" in letter.error_message


async def test_locked_database_costs_no_attempt(app: App, shop: Shop) -> None:
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(shop.file, timeout=0.05, isolation_level=None, check_same_thread=False)

    handlers(app, SqlEffects(connect), "sync", retry=1)

    async with app.test() as trial:
        other = connection_to(shop.file)
        other.execute("BEGIN IMMEDIATE")
        await trial.publish(Charge("a", 5))
        await trial.settled()
        assert (trial.handled(), await trial.dead()) == ([], [])
        other.execute("ROLLBACK")
        other.close()
        await trial.move("1m")
        assert (shop.total, len(trial.handled())) == (5, 1)


async def test_mark_is_forgotten_after_keep_and_not_before(app: App, shop: Shop) -> None:
    handlers(app, SqlEffects(shop.file, keep="1h"), "sync")

    async with app.test() as trial:
        await trial.publish(Charge("a", 5))
        await trial.move("50m")
        assert shop.ask("SELECT count(*) FROM vagus_effect") == [(1,)]
        await trial.move("30m")
        assert shop.ask("SELECT count(*) FROM vagus_effect") == [(0,)]


@pytest.mark.parametrize("rows", [sqlite3.Row, None, lambda cursor, row: {"row": row}])
async def test_connection_of_a_factory_may_have_habits_of_its_own(app: App, shop: Shop, rows: Any) -> None:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(shop.file, check_same_thread=False)  # one that begins transactions itself
        connection.row_factory = rows
        return connection

    handlers(app, SqlEffects(connect), "sync")

    async with app.test() as trial:
        await trial.publish([Charge("a", 5), Charge("a", 6)])
        await trial.settled()
        assert (shop.total, len(trial.published(Charged))) == (11, 2)


# --- what bad input gets ---------------------------------------------------------------------------------------------


def test_handler_that_takes_no_connection_is_refused(app: App, shop: Shop) -> None:
    with pytest.raises(InvalidHandler, match="nothing takes the transaction") as refused:

        @app.on(effects=SqlEffects(shop.file))
        async def charge(event: Charge) -> None: ...

    assert refused.value.hint == "a parameter for it: connection: sqlite3.Connection"


def test_batch_in_a_transaction_is_refused(app: App, shop: Shop) -> None:
    with pytest.raises(InvalidHandler, match="a batch has no transaction of its own"):

        @app.on(effects=SqlEffects(shop.file))
        async def charge(events: list[Charge], db: sqlite3.Connection) -> None: ...


@pytest.mark.parametrize("name", ["", ":memory:"])
def test_database_without_a_file_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="need a database file"):
        SqlEffects(name)


async def test_connection_for_one_thread_only_is_refused_at_start(app: App, shop: Shop) -> None:
    handlers(app, SqlEffects(partial(sqlite3.connect, shop.file)), "sync")

    with pytest.raises(InvalidArgument, match="one thread only") as refused:
        async with app:
            raise AssertionError("it opened")
    assert "check_same_thread=False" in refused.value.hint


async def test_file_that_is_no_database_is_refused_at_start(app: App, tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("no database, but a text of some length " * 50)
    handlers(app, SqlEffects(tmp_path / "shop.db"), "sync")

    with pytest.raises(DatabaseUnusable, match="effects cannot be kept there"):
        async with app:
            raise AssertionError("it opened")


async def test_tables_of_a_newer_release_are_refused_at_start(app: App, shop: Shop) -> None:
    handlers(app, SqlEffects(shop.file), "sync")
    async with app:
        pass
    with sqlite3.connect(shop.file) as connection:
        connection.execute("UPDATE vagus_effect_version SET version=99")

    with pytest.raises(SchemaTooNew, match="version 99"):
        async with app:
            raise AssertionError("it opened")


async def test_rejected_event_leaves_nothing_behind(app: App, shop: Shop) -> None:
    def reject(ctx: Context) -> None:
        raise Reject("no money")

    handlers(app, SqlEffects(shop.file), "async", reject)

    async with app.test() as trial:
        await trial.publish(Charge("a", 5))
        await trial.settled()
        assert (shop.total, len(await trial.dead())) == (0, 1)
