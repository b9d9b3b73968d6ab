"""A replay into the group itself: in a new generation, without others seeing it, and without passing a backlog over."""

from __future__ import annotations

import pytest

from tests.history.conftest import DAY_S, Bill, Order, Store, books, handled
from vagus import App, Context
from vagus.backend import After, Ago, First
from vagus.errors import InvalidArgument, ReplayConflict
from vagus.history import Again, Filter, Reader, Selection
from vagus.history.course import Log

SINCE_3D = Selection(start=Ago(3 * DAY_S))


def again(app: App, group: str = "shop.book", member: str | None = None) -> Again:
    return Again(app.backend, Reader(app.backend, app.clock), app.clock, group, member)


class Sink:
    """An idempotent sink: a row for each event, and how often a row was written with something new."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.changes: dict[int, int] = {}

    def put(self, number: int, value: int) -> None:
        if self.rows.get(number) != value:
            self.rows[number] = value
            self.changes[number] = self.changes.get(number, 0) + 1


@pytest.mark.requirement("R94", "R93", "R102")
@pytest.mark.contract("G14")
async def test_replay_since_three_days_mends_the_wrong_rows_and_no_other(place: Store) -> None:
    app, sink, wrong, generations = place.app(), Sink(), {5, 8}, set()

    @app.on(Order)
    async def book(order: Order, ctx: Context) -> Bill:
        generations.add(ctx.generation)
        sink.put(order.number, -1 if order.number in wrong else order.number * 2)
        return Bill(order.number)

    async with app.running():
        place.fill(10)
        await handled(app, "shop.book", 10)
        sink.changes.clear()
        wrong.clear()

        done = await again(app).run(SINCE_3D)
        await handled(app, "shop.book", 16)

        assert (done.count, done.generation, generations) == (6, 1, {0, 1})
        assert sink.rows == {number: number * 2 for number in range(10)}
        assert sink.changes == {5: 1, 8: 1}
        assert (await app.backend.stats("shop.book"))[0].replayed == 6


@pytest.mark.contract("G14", "G12")
async def test_outputs_of_a_replay_are_no_doubles_downstream(place: Store) -> None:
    app, sent = place.app(), []

    @app.on(Order)
    async def book(order: Order) -> Bill:
        return Bill(order.number)

    @app.on(Bill)
    async def send(bill: Bill) -> None:
        sent.append(bill.number)

    async with app.running():
        place.fill(2)
        await handled(app, "shop.send", 2)
        await again(app).run(Selection())
        await handled(app, "shop.send", 4)
        await again(app).run(Selection(only=Filter(fields={"number": 1})))
        await handled(app, "shop.send", 5)

        assert sorted(sent) == [0, 0, 1, 1, 1]


@pytest.mark.contract("G14")
async def test_only_what_fits_is_replayed_and_others_see_nothing(place: Store) -> None:
    app, seen = place.app(), []

    @app.on(Order)
    async def book(order: Order, ctx: Context) -> None:
        seen.append((order.number, ctx.topic, ctx.generation))

    @app.on(Order)
    async def audit(order: Order) -> None: ...

    async with app.running():
        place.fill(10)
        await handled(app, "shop.book", 10)
        await handled(app, "shop.audit", 10)
        seen.clear()
        before = await books(app, "shop.audit")

        done = await again(app).run(Selection(start=Ago(3 * DAY_S), until=Ago(DAY_S), only=Filter(types=("order",))))
        await handled(app, "shop.book", 10 + done.count)

        assert seen == [(number, "order", 1) for number in (4, 5, 6, 7)]
        assert await books(app, "shop.audit") == before


@pytest.mark.contract("G14")
async def test_backlog_is_never_passed_over_by_a_replay(place: Store) -> None:
    app, seen = place.app(), []

    @app.on(Order)
    async def book(order: Order) -> None:
        seen.append(order.number)

    async with app:
        place.fill(10)
        done = await again(app).run(Selection(start=Ago(DAY_S)))
        assert done.count == 0
    if place.url.startswith("sqlite"):  # what is in memory ends with its last app
        async with app.running():
            await handled(app, "shop.book", 10)
        assert seen == list(range(10))


async def test_replay_of_one_topic_leaves_the_cursors_of_others(place: Store) -> None:
    app = place.app()

    @app.on(Order, Bill)
    async def book(event: Order | Bill) -> None: ...

    async with app.running():
        await app.publish([Order(1), Bill(1), Bill(2)])
        await handled(app, "shop.book", 3)
        assert (await again(app).run(Selection(topics=("bill",), start=After(1)))).count == 1
        await handled(app, "shop.book", 4)
        assert (await again(app).run(Selection(topics=("bill",)))).count == 2


@pytest.mark.contract("G3", "G14")
async def test_member_of_a_group_for_all_is_replayed_to_alone(place: Store) -> None:
    apps, seen = [place.app(), place.app()], []
    for app, name in zip(apps, ("ann", "bob"), strict=True):

        @app.on(Order, deliver="all", member=name, group="caches")
        async def book(order: Order, ctx: Context) -> None:
            seen.append((ctx.member, order.number, ctx.generation))

    async with apps[0].running(), apps[1].running():
        await apps[0].publish([Order(1), Order(2)])
        await handled(apps[0], "caches", 4)
        seen.clear()
        await again(apps[0], "caches", "bob").run(Selection())
        await handled(apps[0], "caches", 6)
        await again(apps[0], "caches", "ann").run(Selection(only=Filter(fields={"number": 2})))
        await handled(apps[0], "caches", 7)
        await again(apps[0], "caches").run(Selection(only=Filter(fields={"number": 1})))
        await handled(apps[0], "caches", 9)

        assert seen[:3] == [("bob", 1, 1), ("bob", 2, 1), ("ann", 2, 2)]
        assert sorted(seen[3:]) == [("ann", 1, 3), ("bob", 1, 3)]
        with pytest.raises(InvalidArgument, match="no member 'eve': expected one of ann, bob"):
            await again(apps[0], "caches", "eve").run(Selection())


async def test_half_done_replay_is_told_from_another(file: Store) -> None:
    app = file.app()

    @app.on(Order)
    async def book(order: Order) -> None: ...

    async with app:
        file.fill(10)
        only = Selection(only=Filter(types=("order",)))
        store = app.backend.store
        assert store is not None
        log = await Log.look_up(store, "shop.book")
        stretches = await again(app).survey(only)
        await log.begin(repr((only, None)), await log.next_generation(), stretches)

        with pytest.raises(ReplayConflict, match="0 of 10 events"):
            await again(app).run(Selection(until=Ago(0.0)))
        done = await again(app).run(only)
        assert (done.count, done.generation) == (10, 1)
        assert (await again(app).run(only)).generation == 2


async def test_two_that_carry_out_one_replay_put_nothing_twice(file: Store) -> None:
    app = file.app()

    @app.on(Order)
    async def book(order: Order) -> None: ...

    async with app:
        file.fill(10)
        store = app.backend.store
        assert store is not None
        mine, other = await Log.look_up(store, "shop.book"), await Log.look_up(store, "shop.book")
        await mine.begin("mine", 1, [])
        with pytest.raises(ReplayConflict, match="another process"):
            await other.begin("other", 1, [])


async def test_group_that_hears_no_such_topic_is_told(place: Store) -> None:
    app = place.app()

    @app.on(Order)
    async def book(order: Order) -> None: ...

    app.topic(Bill, keep="7d")
    async with app:
        with pytest.raises(InvalidArgument, match="does not listen to 'bill': expected one of order"):
            await again(app).run(Selection(topics=("bill",)))
        with pytest.raises(InvalidArgument, match=r"no group 'nobody': expected one of shop\.book"):
            await again(app, "nobody").run(Selection())


async def test_reader_merges_topics_by_the_time_of_storing(place: Store) -> None:
    app = place.app()
    app.topic(Order, keep="7d")
    app.topic(Bill, keep="7d")
    async with app:
        place.fill(3, days=3)
        place.fill(3, days=1.5, topic="bill", first=10)
        reader = Reader(app.backend, app.clock)
        stretches = await reader.survey(Selection())
        found = [(one.topic, one.record.position) async for one in reader.found(stretches)]
        assert [topic for topic, _ in found] == ["order", "order", "bill", "bill", "order", "bill"]
        rest = [one.record.position async for one in reader.found(stretches, {"order": 2, "bill": 3})]
        assert rest == [3]
        assert await app.backend.read("order", First(), 9) != []
