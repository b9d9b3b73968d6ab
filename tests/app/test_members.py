"""Deliver to all: every member hears, a named one also what it missed, and a dead letter names whose it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vagus import App, Context, Event
from vagus.backend import First
from vagus.errors import GroupConflict
from vagus.reliability.dead import open_letters
from vagus.reliability.redrive import plan_redrive


class Updated(Event):
    session: str


class Fact(Event):
    text: str


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A place in memory of this test alone."""
    return f"memory://{tmp_path.name}"


@pytest.fixture(autouse=True)
async def keeper(url: str) -> AsyncIterator[App]:
    """Memory of a name lives as long as somebody has it open."""
    app = App(url, name="keeper")
    async with app:
        yield app


class Place:
    """Replicas of one app in one place, and what they have seen."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[str] = []

    def replica(self, name: str, member: str | None = None, fails: bool = False) -> App:
        return replica(self.url, self.seen, name, member, fails)


@pytest.fixture
def place(url: str) -> Place:
    return Place(url)


def replica(url: str, seen: list[str], name: str, member: str | None, fails: bool) -> App:
    app = App(url, name="shop", grace_s=0.0)

    async def drop(event: Updated, ctx: Context) -> Fact:
        seen.append(f"{name}:{event.session}")
        if fails:
            raise ValueError("cache is broken")
        return Fact(name)

    app.on(Updated, deliver="all", group="shop.cache", member=member, retry=1)(drop)
    return app


async def counted(app: App, **figures: int) -> None:
    """Wait until the books of the group, over its members, show these figures."""
    async with asyncio.timeout(20):
        while True:
            books = await app.backend.stats("shop.cache")
            if all(sum(getattr(one, name) for one in books) >= count for name, count in figures.items()):
                return
            await asyncio.sleep(0)


@pytest.mark.contract("G3")
async def test_named_member_gets_what_it_missed_and_an_anonymous_one_does_not(place: Place) -> None:
    named, anonymous = place.replica("named", "cache-1"), place.replica("anonymous")
    async with named.running(), anonymous.running():
        await named.publish(Updated("1"))
        await counted(named, acked=2)
    other = place.replica("other", "cache-2")
    async with other.running():
        await other.publish(Updated("2"))
        await counted(other, acked=2)
    async with named.running(), anonymous.running():
        await counted(named, acked=3)

    assert sorted(place.seen) == ["anonymous:1", "named:1", "named:2", "other:2"]


@pytest.mark.contract("G3", "G12")
async def test_each_member_gives_an_answer_of_its_own(keeper: App, place: Place) -> None:
    facts: list[str] = []

    @keeper.on(Fact)
    async def collect(fact: Fact) -> None:
        facts.append(fact.text)
        if len(facts) == 3:
            all_there.set()

    all_there = asyncio.Event()
    await keeper.refresh()
    replicas = [place.replica(name) for name in ("a", "b", "c")]
    async with replicas[0].running(), replicas[1].running(), replicas[2].running():
        await keeper._opened().start(None)
        await replicas[0].publish(Updated("1"))
        async with asyncio.timeout(20):
            await all_there.wait()
        await keeper._opened().stop()
    assert sorted(facts) == ["a", "b", "c"]


@pytest.mark.contract("G3", "G7")
async def test_dead_letter_of_a_member_names_it_and_goes_back_to_it_alone(place: Place) -> None:
    good, bad = place.replica("good", "cache-1"), place.replica("bad", "cache-2", fails=True)
    async with good.running(), bad.running():
        await good.publish(Updated("1"))
        await counted(good, acked=1, dead=1)
        letters = open_letters(await good.backend.read("$dead.shop.cache", First(), 10))
        plan = plan_redrive(letters.values(), good.clock.now())
        assert all(outcome.done for outcome in await good.backend.commit(list(plan.units)))
        await counted(good, acked=1, dead=2)

    assert [state.letter.member for state in letters.values()] == ["cache-2"]
    assert sorted(place.seen) == ["bad:1", "bad:1", "good:1"]


@pytest.mark.contract("G3", "G7")
async def test_dead_letter_of_a_member_that_is_gone_is_kept_and_not_sent_to_others(place: Place) -> None:
    good, bad = place.replica("good", "cache-1"), place.replica("bad", fails=True)
    async with good.running():
        async with bad.running():
            await good.publish(Updated("1"))
            await counted(good, acked=1, dead=1)
        letters = open_letters(await good.backend.read("$dead.shop.cache", First(), 10))
        plan = plan_redrive(letters.values(), good.clock.now())
        (outcome,) = await good.backend.commit(list(plan.units))
        again = open_letters(await good.backend.read("$dead.shop.cache", First(), 10))

    assert (outcome.done, outcome.puts[0].why) == (False, "no group")
    assert again.keys() == letters.keys()
    assert sorted(place.seen) == ["bad:1", "good:1"]


async def test_group_of_another_mode_is_a_conflict_that_names_both(place: Place) -> None:
    app = place.replica("x")
    async with app:
        other = App(place.url, name="shop")

        async def drop(event: Updated) -> None: ...

        other.on(Updated, group="shop.cache")(drop)
        with pytest.raises(GroupConflict, match=r"'all'.*'once'"):
            async with other:
                raise AssertionError("opened")
