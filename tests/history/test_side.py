"""A replay into a side group: exactly what is meant runs again beside the live groups, which see nothing of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.history.conftest import DAY_S, Bill, Order, Store, books, handled
from vagus import App, Context, Retry
from vagus.backend import After, Ago, First
from vagus.errors import InvalidArgument, ReplayConflict
from vagus.history import Filter, Selection, Side

SINCE_3D = Selection(start=Ago(3 * DAY_S))


def shop(place: Store, seen: list[tuple[str, int, int]], fails: bool = False) -> App:
    """An app with two groups; what each handles, in which generation, is written down."""
    app = place.app()

    @app.on(Order, retry=Retry(attempts=1))
    async def bill(order: Order, ctx: Context) -> Bill:
        seen.append((ctx.group, order.number, ctx.generation))
        if fails and order.number == 7 and ctx.generation:
            raise ValueError("no such order")
        return Bill(order.number)

    @app.on(Bill)
    async def send(found: Bill, ctx: Context) -> None:
        seen.append((ctx.group, found.number, ctx.generation))

    return app


async def lived(app: App, place: Store, count: int = 10) -> None:
    """Let the live groups handle a log that is five days old."""
    place.fill(count)
    await handled(app, "shop.bill", count)
    await handled(app, "shop.send", count)


@pytest.mark.requirement("R76", "R94")
@pytest.mark.contract("G14")
async def test_exactly_the_events_of_three_days_are_replayed_beside(place: Store) -> None:
    seen: list[tuple[str, int, int]] = []
    app = shop(place, seen)
    async with app.running():
        await lived(app, place)
        before = await books(app, "shop.bill", "shop.send")
        topics = (await app.backend.describe()).topics
        seen.clear()

        (report,) = await Side(app, app.backend, "fix", only=["bill"]).run(SINCE_3D)

        assert [number for _, number, _ in seen] == [4, 5, 6, 7, 8, 9]
        assert {group for group, _, _ in seen} == {"shop.bill.side.fix"}
        assert {generation for _, _, generation in seen} == {1}
        assert await books(app, "shop.bill", "shop.send") == before
        assert (await app.backend.describe()).topics == topics
        assert (report.count, report.books.acked, report.books.replayed, report.kept) == (6, 6, 6, False)
        assert [info.spec.name for info in (await app.backend.describe()).groups] == ["shop.bill", "shop.send"]


@pytest.mark.contract("G14")
async def test_live_events_pass_a_side_group_by(place: Store) -> None:
    seen: list[tuple[str, int, int]] = []
    app = shop(place, seen)
    async with app.running():
        await lived(app, place)
        side = Side(app, app.backend, "fix", only=["bill"], keep=True)
        await side.run(SINCE_3D)
        seen.clear()

        await app.publish(Order(100))
        await handled(app, "shop.send", 11)

        assert [group for group, _, _ in seen] == ["shop.bill", "shop.send"]
        assert (await app.backend.stats("shop.bill.side.fix"))[0].entered == 6


@pytest.mark.contract("G14", "G12")
async def test_outputs_go_to_topics_of_their_own_where_a_prefix_is_named(place: Store) -> None:
    seen: list[tuple[str, int, int]] = []
    app = shop(place, seen)
    async with app.running():
        await lived(app, place)
        for _ in range(2):  # the second is not swallowed as a double of the first
            await Side(app, app.backend, "ab", only=["bill"], outputs="ab").run(SINCE_3D)

        records = await app.backend.read("ab.bill", First(), 100)
        assert len(records) == 12
        assert len(await app.backend.read("bill", First(), 100)) == 10


@pytest.mark.contract("G14")
async def test_every_group_of_the_app_takes_part_unless_told_otherwise(place: Store) -> None:
    seen: list[tuple[str, int, int]] = []
    app = shop(place, seen)
    async with app.running():
        await lived(app, place)
        reports = await Side(app, app.backend, "fix").run(Selection(topics=("order",)))
        assert [(report.group, report.count) for report in reports] == [("shop.bill", 10)]
        reports = await Side(app, app.backend, "fix").run(Selection())
        assert [(report.group, report.count) for report in reports] == [("shop.bill", 10), ("shop.send", 10)]


@pytest.mark.contract("G14", "G6")
async def test_side_group_with_dead_letters_stays_to_be_looked_at(place: Store) -> None:
    seen: list[tuple[str, int, int]] = []
    app = shop(place, seen, fails=True)
    async with app.running():
        await lived(app, place)
        before = await books(app, "shop.bill", "shop.send")

        (report,) = await Side(app, app.backend, "fix", only=["shop.bill"]).run(SINCE_3D)

        assert (report.books.acked, report.books.dead, report.kept) == (5, 1, True)
        assert await books(app, "shop.bill", "shop.send") == before
        assert len(await app.backend.read("$dead.shop.bill.side.fix", First(), 10)) == 1
        assert await app.backend.read("error_event", First(), 10) == []


async def test_survey_says_how_much_before_anything_moves(place: Store) -> None:
    seen: list[tuple[str, int, int]] = []
    app = shop(place, seen)
    async with app.running():
        await lived(app, place)
        seen.clear()
        plans = await Side(app, app.backend, "fix").survey(SINCE_3D)
        counts = {plan.group: [(stretch.topic, stretch.count) for stretch in plan.stretches] for plan in plans}
        assert counts == {"shop.bill": [("order", 6)], "shop.send": [("bill", 10)]}
        assert seen == []


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (Selection(only=Filter(fields={"number": 3})), [3]),
        (Selection(only=Filter(types=("order.#",), sources=("till",)), until=Ago(4 * DAY_S)), [0, 1]),
        (Selection(start=After(8)), [8, 9]),
        (Selection(only=Filter(sources=("nobody",))), []),
        (Selection(only=Filter(runs=("order-5",))), [5]),
    ],
    ids=["field", "until", "position", "nothing", "run"],
)
async def test_filter_end_and_position_are_kept(file: Store, selection: Selection, numbers: list[int]) -> None:
    seen: list[tuple[str, int, int]] = []
    app = shop(file, seen)
    async with app.running():
        await lived(app, file)
        seen.clear()
        await Side(app, app.backend, "fix", only=["bill"]).run(selection)
        assert [number for _, number, _ in seen] == numbers


async def test_rate_bounds_the_events_of_a_second(file: Store) -> None:
    seen: list[tuple[str, int, int]] = []
    app = shop(file, seen)
    async with app.running():
        await lived(app, file)
        began = app.clock.monotonic()
        await Side(app, app.backend, "fix", only=["bill"]).run(Selection(), rate=20)
        assert app.clock.monotonic() - began >= 0.4


async def test_handler_publishes_and_starts_nothing_from_the_side(place: Store) -> None:
    app = place.app()
    told: list[Any] = []

    @app.on(Order)
    async def bill(order: Order, ctx: Context) -> None:
        if ctx.generation:
            told.append(await app.publish(Bill(order.number)))
            await ctx.emit("part")

    @app.on(Bill)
    async def send(found: Bill) -> None: ...

    async with app.running():
        run = await app.start(Order(1), until=Bill)
        await handled(app, "shop.bill", 1)
        await Side(app, app.backend, "fix", only=["bill"]).run(Selection())

        assert len(told) == 1
        assert (await app.backend.stats("shop.send"))[0].entered == 0
        assert await run.status() == "running"
        store = app.backend.store
        assert store is not None
        assert list(await store.follow(f"run/{run.id}", 0, 10)) == []


async def test_other_replay_half_done_is_not_overrun(file: Store) -> None:
    app = file.app()

    @app.on(Order)
    async def bill(order: Order) -> None: ...

    async with app:
        file.fill(10)
        side = Side(app, app.backend, "fix")
        (planned,) = await side._planned(SINCE_3D, restart=False)
        await side._begun(planned, SINCE_3D, restart=False)
        await app.backend.declare((), [app.handlers["shop.bill"].spec("shop.bill.side.fix", ())])

        with pytest.raises(ReplayConflict, match=r"0 of 6 events"):
            await side.run(Selection())
        (report,) = await side.run(Selection(), restart=True)
        assert report.count == 10


async def test_group_or_topic_that_is_not_there_is_named(place: Store) -> None:
    app = shop(place, [])
    async with app:
        with pytest.raises(InvalidArgument, match=r"no group 'bil'.*shop\.bill"):
            Side(app, app.backend, "fix", only=["bil"])
        with pytest.raises(InvalidArgument, match=r"no topic 'ordr': did you mean 'order'"):
            await Side(app, app.backend, "fix").survey(Selection(topics=("ordr",)))


async def test_what_was_surveyed_is_what_is_carried_out(place: Store) -> None:
    seen: list[tuple[str, int, int]] = []
    app = shop(place, seen)
    async with app.running():
        await lived(app, place)
        side = Side(app, app.backend, "fix", only=["bill"])
        await side.survey(Selection())
        await app.publish(Order(100))
        await handled(app, "shop.send", 11)

        first, second = await side.run(Selection()), await side.run(Selection())

        assert [report.count for report in (*first, *second)] == [10, 11]


@pytest.mark.requirement("R2")
@pytest.mark.contract("G14")
async def test_side_group_stays_in_the_namespace_of_its_app(file: Store) -> None:
    apps = [App(file.url, name="shop", namespace=tenant) for tenant in ("t1", "t2")]
    seen: list[str] = []
    for app in apps:

        @app.on(Order)
        async def bill(order: Order, ctx: Context) -> Bill:
            seen.append(ctx.group)
            return Bill(order.number)

    async with apps[0].running(), apps[1].running():
        for app in apps:
            await app.publish([Order(1), Order(2)])
            await handled(app, app.topics.qualified("shop.bill"), 2)
        seen.clear()
        before = await books(apps[1], "t2.shop.bill")

        (report,) = await Side(apps[0], apps[0].backend, "fix", outputs="ab").run(Selection())

        assert (report.side, report.count) == ("t1.shop.bill.side.fix", 2)
        assert seen == ["t1.shop.bill.side.fix"] * 2
        assert len(await apps[0].backend.read("t1.ab.bill", First(), 10)) == 2
        assert await books(apps[1], "t2.shop.bill") == before


@pytest.mark.requirement("R91")
@pytest.mark.contract("G14", "G8")
async def test_order_of_a_key_holds_beside_also_across_a_retry(place: Store) -> None:
    app, seen, failed = place.app(), [], []

    @app.on(Order, retry=Retry(attempts=2, base_s=0.1))
    async def bill(order: Order, ctx: Context) -> None:
        if ctx.generation:
            if order.number == 3 and not failed:
                failed.append(order)
                raise TimeoutError
            seen.append(order.number)

    async with app.running():
        await app.publish([Order(number) for number in range(8)])
        await handled(app, "shop.bill", 8)
        await Side(app, app.backend, "fix").run(Selection())
        assert seen == list(range(8))
