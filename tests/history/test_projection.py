"""State that is built from the log: built anew it is the same, damaged it is noticed, and it goes on live."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tests.history.conftest import Bill, Order, Store
from vagus import App
from vagus.backend import Put, Topic, Unit
from vagus.errors import HistoryGone, InvalidArgument
from vagus.history import Projection
from vagus.message import CloudEvent, Envelope
from vagus.store import Change

Totals = dict[str, int]


def add(state: Totals, event: CloudEvent) -> None:
    state[event.data.customer] = state.get(event.data.customer, 0) + event.data.number


def totals(version: int = 1) -> Projection[Totals]:
    return Projection("totals", [Order], Totals, add, start=dict, version=version)


def shop(place: Store) -> App:
    app = place.app()
    app.topic(Order, keep="30d")
    app.topic(Bill, keep="30d")
    return app


async def sold(app: App, *numbers: int, customer: str = "ann") -> None:
    await app.publish([Order(number, customer) for number in numbers])


@pytest.mark.requirement("R101")
@pytest.mark.contract("G14")
async def test_dropped_and_replayed_state_has_the_same_hash(place: Store) -> None:
    app, projection = shop(place), totals()
    async with app:
        place.fill(300)
        await sold(app, 5, 6, customer="李")
        await projection.catch_up(app)
        await projection.save(app)
        before = projection.hash

        await projection.drop(app)
        assert (projection.state, await projection.load(app)) == ({}, False)
        assert projection.hash != before
        assert await projection.rebuild(app) == 302

        assert projection.hash == before
        assert projection.state == {"ann": sum(range(300)), "李": 11}


@pytest.mark.requirement("R102")
async def test_damaged_state_is_noticed_and_built_anew(place: Store) -> None:
    app, projection = shop(place), totals()
    async with app:
        await sold(app, 1, 2, 3)
        await projection.catch_up(app)
        sound = projection.hash
        assert await projection.verify(app)

        projection.state["ann"] += 1
        assert not await projection.verify(app)
        await projection.rebuild(app)
        assert (projection.hash, await projection.verify(app)) == (sound, True)


@pytest.mark.requirement("R102")
async def test_damaged_snapshot_is_not_taken_up(place: Store) -> None:
    app, projection = shop(place), totals()
    async with app:
        await sold(app, 1, 2)
        await projection.catch_up(app)
        await projection.save(app)
        store = app.backend.store
        assert store is not None
        [(key, value)] = await store.scan("projection/", "", 10)
        for damage in (value.body.replace(b'"ann":3', b'"ann":4'), value.body[:-4], b"\xff"):
            await store.swap([Change(key, damage)])
            fresh = totals()
            assert not await fresh.load(app)
            assert (fresh.state, fresh.positions) == ({}, {})
            await fresh.rebuild(app)
            assert fresh.hash == projection.hash


async def test_snapshot_goes_on_where_it_was_kept(file: Store) -> None:
    async with shop(file) as app:
        first = totals()
        await sold(app, 1, 2)
        assert await first.catch_up(app) == 2
        await first.save(app)
    async with shop(file) as app:
        await sold(app, 3)
        later = totals()
        assert await later.load(app)
        assert later.state == {"ann": 3}
        assert await later.catch_up(app) == 1
        assert await later.catch_up(app) == 0
        assert (later.state, later.folded) == ({"ann": 6}, 3)
        assert await later.verify(app)
        assert not await totals(version=2).load(app)


async def test_projection_follows_live_events(place: Store) -> None:
    app = shop(place)
    seen: list[str] = []

    def note(state: list[int], event: CloudEvent) -> list[int]:
        return [*state, event.data.number]

    projection: Projection[list[int]] = Projection("seen", [Order, "bill"], list[int], note, start=list)

    async def watch() -> None:
        async with aclosing(projection.follow(app)) as events:
            async for event in events:
                seen.append(event.type)
                if len(seen) == 3:
                    return

    async with app:
        await sold(app, 1)
        task = asyncio.create_task(watch())
        while projection.folded < 1:
            await asyncio.sleep(0)
        await sold(app, 2)
        await app.publish(Bill(3))
        await sold(app, 4)
        async with asyncio.timeout(10):
            await task
        assert seen[0] == "order"
        assert sorted(projection.state) == [1, 2, 3, 4]
        assert len([task for task in asyncio.all_tasks() if not task.done()]) == 1 + _workers()


def _workers() -> int:
    """Tasks of the backend's own in this loop: none that a projection made."""
    return len([task for task in asyncio.all_tasks() if "test" not in repr(task.get_coro())])


async def test_unreadable_event_is_counted_and_passed_over(place: Store) -> None:
    app, projection = shop(place), totals()
    async with app:
        await sold(app, 1)
        await app.backend.commit([Unit([Put(Topic("order"), Envelope(b"nonsense"))])])
        await sold(app, 2)
        assert await projection.catch_up(app) == 2
        assert (projection.state, projection.unreadable) == ({"ann": 3}, 1)


async def test_state_of_half_a_log_is_refused(place: Store) -> None:
    app, projection = place.app(), totals()
    app.topic(Order, keep="1h")

    async with app:
        place.fill(600)
        await sold(app, *range(600))
        (info,) = [info for info in (await app.backend.describe()).topics if info.spec.name == "order"]
        if info.stored == info.kept:
            pytest.skip("this backend trims later")
        with pytest.raises(HistoryGone, match=r"needs all events of topic 'order', and \d+ are no longer kept"):
            await projection.rebuild(app)
        assert projection.state == {}


async def test_projection_of_no_topic_is_refused(place: Store) -> None:
    with pytest.raises(InvalidArgument, match="a list of event classes or topics"):
        Projection("totals", [], Totals, add)
    app = place.app()
    async with app:
        with pytest.raises(InvalidArgument, match="there is no topic 'order'"):
            await totals().catch_up(app)
