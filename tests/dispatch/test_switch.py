"""The live switch: what goes which way, what stays, what is refused before the cut, and what is recorded."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.dispatch.members import GROUP, Crew, Query, running
from vagus import App, ByLabel, RoundRobin
from vagus.app.dispatch.record import read_record
from vagus.app.dispatch.roster import entry_change
from vagus.app.dispatch.switch import Wish
from vagus.errors import BackendError, GroupConflict, InvalidArgument, UnsupportedCapability


@pytest.fixture(params=["memory", "sqlite"])
async def crew(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Crew]:
    """Members on a backend that lives as long as the test."""
    url = f"memory://{tmp_path.name}" if request.param == "memory" else f"sqlite:///{tmp_path}/events.db"
    async with App(url, name="keeper") as keeper:
        if not keeper.capabilities.inboxes:
            pytest.skip("this backend has no inboxes of members yet")
        yield Crew(url)


async def publish(app: App, first: int, count: int = 10, **facts: Any) -> None:
    await app.publish([Query(number, **facts) for number in range(first, first + count)])


@pytest.mark.contract("G15")
async def test_each_event_goes_the_way_of_its_epoch(crew: Crew) -> None:
    apps = [crew.app(name) for name in "AB"]
    async with running(*apps) as app:
        await publish(app, 0)
        await crew.handled(10)
        await app.switch(GROUP, deliver="all")
        await publish(app, 10)
        await crew.handled(30)
        await app.switch(GROUP, deliver="once", pick=RoundRobin())
        await publish(app, 30)
        await crew.handled(40)
        await app.switch(GROUP, pick="own")
        await publish(app, 40)
        await crew.handled(50)

    by_epoch = {epoch: [seen for seen in crew.seen if seen.epoch == epoch] for epoch in (1, 2, 3, 4)}
    assert [len(by_epoch[epoch]) for epoch in (1, 2, 3, 4)] == [10, 20, 10, 10]
    assert Counter((seen.member, seen.number) for seen in by_epoch[2]) == Counter(
        (member, number) for member in "AB" for number in range(10, 20)
    )
    assert Counter(seen.member for seen in by_epoch[3]) == {"A": 5, "B": 5}


@pytest.mark.contract("G15")
async def test_what_was_dispatched_before_the_cut_keeps_its_way(crew: Crew) -> None:
    crew.gates = {"A": asyncio.Event(), "B": asyncio.Event()}
    apps = [crew.app(name, pick="round_robin", prefetch=2, concurrency=1) for name in "AB"]
    async with running(*apps) as app:
        await publish(app, 0)
        await crew.until(lambda: sum(worker.held for one in apps for worker in one._opened().workers.values()) == 4)
        switched = await app.switch(GROUP, deliver="all")
        await publish(app, 10, 1)
        crew.gates["A"].set()
        crew.gates["B"].set()
        await crew.until(lambda: len(crew.seen) == 4 + 2 * 7)

    assert switched.cut is not None
    assert switched.cut.ends["query"] == (4,)
    handled = Counter(seen.number for seen in crew.seen)
    assert handled == Counter({number: 1 if number < 4 else 2 for number in range(11)})
    assert {seen.number for seen in crew.seen if seen.epoch == 1} == {0, 1, 2, 3}


@pytest.mark.contract("G15")
async def test_switch_outlives_a_restart_of_everybody(crew: Crew) -> None:
    app = crew.app("A")
    async with running(app):
        await app.switch(GROUP, pick="round_robin")
    async with running(crew.app("A"), crew.app("B")) as again:
        assert (await again.backend.describe()).groups[0].steering.pick == "round_robin"
        await publish(again, 0)
        await crew.handled(10)

    assert {seen.epoch for seen in crew.seen} == {2}


@pytest.mark.contract("G15")
async def test_switch_is_recorded_with_who_why_and_where(crew: Crew) -> None:
    app = crew.app("A")
    async with running(app):
        await publish(app, 0)
        await crew.handled(10)
        switched = await app.switch(GROUP, deliver="all", why="a cache in each")
        again = await app.switch(GROUP, deliver="all")
        (entry,) = await read_record(app.backend, GROUP)

    assert switched.cut is not None
    assert (again.cut, again.after.epoch) == (None, 2)
    assert (entry.epoch, entry.why, entry.before["mode"], entry.after["mode"]) == (2, "a cache in each", "once", "all")
    assert entry.who
    assert {topic: tuple(ends) for topic, ends in entry.cut.items()} == switched.cut.ends


@pytest.mark.contract("G15")
async def test_switch_that_is_given_up_before_the_cut_leaves_nothing(crew: Crew) -> None:
    app = crew.app("A")
    async with running(app):
        switcher = app._opened().switcher
        reached = asyncio.Event()
        describe = app.backend.describe

        async def never() -> Any:
            reached.set()
            await asyncio.Event().wait()

        switcher._backend.describe = never  # type: ignore[method-assign]
        task = asyncio.create_task(switcher.switch(GROUP, Wish("all")))
        await reached.wait()
        task.cancel()
        await asyncio.wait([task])
        with pytest.raises(BackendError, match=r"not ready within 0\.01 s; nothing was changed"):
            await switcher.switch(GROUP, Wish("all"), 0.01)
        switcher._backend.describe = describe  # type: ignore[method-assign]
        (info,) = (await app.backend.describe()).groups

    assert (info.steering.epoch, info.cuts) == (1, ())


@pytest.mark.contract("G15")
async def test_switch_that_is_given_up_during_the_cut_is_recorded_all_the_same(crew: Crew) -> None:
    app = crew.app("A")
    async with running(app):
        switcher = app._opened().switcher
        steer = app.backend.steer
        reached = asyncio.Event()

        async def slow(*args: Any) -> Any:
            reached.set()
            await asyncio.sleep(0)
            return await steer(*args)

        switcher._backend.steer = slow  # type: ignore[method-assign]
        task = asyncio.create_task(switcher.switch(GROUP, Wish("all")))
        await reached.wait()
        task.cancel()
        await asyncio.wait([task])
        (entry,) = await read_record(app.backend, GROUP)

    assert task.cancelled()
    assert entry.epoch == 2


@pytest.mark.contract("G15")
async def test_of_two_switches_at_once_one_is_a_conflict(crew: Crew) -> None:
    app = crew.app("A")
    async with running(app):
        switches = (app.switch(GROUP, pick="random"), app.switch(GROUP, deliver="all"))
        found = await asyncio.gather(*switches, return_exceptions=True)

    assert [isinstance(one, GroupConflict) for one in found].count(True) == 1


@pytest.mark.contract("G15")
async def test_pick_by_a_label_that_nobody_has_is_warned_of(crew: Crew) -> None:
    app = crew.app("A", words={"labels": {"lang": "zh"}})
    async with running(app):
        fine = await app.switch(GROUP, pick=ByLabel("lang"))
        switched = await app.switch(GROUP, pick=ByLabel("tier"))
        rules = await app.switch(GROUP, pick="when('data.lang == 1', lang='fr')")
    alone = await switched_alone(crew)

    assert fine.warnings == ()
    assert "no member has a label 'tier'" in switched.warnings[0]
    assert "no member has the labels of when" in rules.warnings[0]
    assert "has no member now" in alone.warnings[0]


async def switched_alone(crew: Crew) -> Any:
    async with crew.app("A") as app:
        return await app.switch(GROUP, pick="random")


@pytest.mark.parametrize(
    ("group", "wish", "error", "said"),
    [
        ("shop.other", {"deliver": "all"}, InvalidArgument, "there is no group 'shop.other': expected one of"),
        (GROUP, {"deliver": "some"}, InvalidArgument, 'expected deliver="once"'),
        (GROUP, {"pick": "round-robin"}, InvalidArgument, "is no pick"),
        (GROUP, {"pick": "nobodys"}, InvalidArgument, "'nobodys' is not registered with A"),
        (GROUP, {"deliver": "all", "pick": "random"}, InvalidArgument, "none to pick"),
        (len, {"deliver": "all"}, InvalidArgument, "no handler"),
    ],
)
async def test_switch_that_makes_no_sense_is_refused(group: Any, wish: Any, error: Any, said: str) -> None:
    crew = Crew("memory://")
    app = crew.app("A")
    async with running(app):
        with pytest.raises(error, match=said):
            await app.switch(group, **wish)


async def test_members_of_a_release_without_picks_are_named() -> None:
    app = Crew("memory://").app("A")
    async with running(app):
        store = app.backend.store
        assert store is not None
        await store.swap([entry_change(GROUP, "A", None)])
        with pytest.raises(UnsupportedCapability, match=r"no member of shop.handle can dispatch \(A\)"):
            await app.switch(GROUP, pick="random")
