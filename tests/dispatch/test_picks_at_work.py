"""Picks carried out by a dispatcher, in one process: who gets what, what waits, and who takes over."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.dispatch.members import GROUP, Crew, Query, running, seated
from vagus import App, ByLabel, Candidate, PickEvent, Random, RoundRobin, When
from vagus.errors import InvalidArgument, InvalidHandler

EVERY = ["round_robin", "random(7)", "by_key", "least_busy", "weighted", "by_label('lang')"]


@pytest.fixture(params=["memory", "sqlite"])
async def crew(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Crew]:
    """Members on a backend that lives as long as the test."""
    url = f"memory://{tmp_path.name}" if request.param == "memory" else f"sqlite:///{tmp_path}/events.db"
    async with App(url, name="keeper") as keeper:
        if not keeper.capabilities.inboxes:
            pytest.skip("this backend has no inboxes of members yet")
        yield Crew(url)


class OnlyB:
    def apply(self, message: Any) -> Any:
        for member in message.members:
            if member.name == "B":
                return member
        return None


def queries(count: int, **facts: Any) -> list[Query]:
    return [Query(number, **facts) for number in range(count)]


@pytest.mark.requirement("R5")
async def test_round_robin_gives_each_member_its_turn(crew: Crew) -> None:
    apps = [crew.app(name, pick="round_robin") for name in "ABC"]
    async with running(*apps):
        await seated(apps[0], 3)
        await apps[0].publish(queries(300))
        await crew.handled(300)

    assert crew.turns == "ABC" * 100


@pytest.mark.requirement("R6")
async def test_same_seed_gives_the_same_members_the_same_events(crew: Crew) -> None:
    turns = []
    for run in range(2):
        crew.seen.clear()
        apps = [crew.app(name, pick=Random(7), group=f"shop.handle_{run}") for name in "ABC"]
        async with running(*apps):
            await seated(apps[0], 3, f"shop.handle_{run}")
            await apps[0].publish(queries(60))
            await crew.handled(60)
        turns.append(crew.turns)

    assert turns[0] == turns[1]
    assert set(turns[0]) == set("ABC")


@pytest.mark.requirement("R12", "R13")
async def test_plain_class_of_the_user_is_obeyed(crew: Crew) -> None:
    apps = [crew.app(name, words={"strategy": OnlyB()}) for name in "ABC"]
    async with running(*apps):
        await seated(apps[0], 3)
        await apps[0].publish(queries(300))
        await crew.handled(300)

    assert crew.turns == "B" * 300


@pytest.mark.requirement("R20")
async def test_content_reaches_only_members_with_the_label(crew: Crew) -> None:
    rule = When("data.lang == 'zh'", lang="zh")
    labels = {"A": {"lang": "en"}, "B": {"lang": "zh"}, "C": {"lang": "zh"}}
    apps = [crew.app(name, words={"labels": words}, pick=rule) for name, words in labels.items()]
    async with running(*apps):
        await seated(apps[0], 3)
        await apps[0].publish([*queries(20, lang="zh"), Query(20, lang="fr"), Query(21, lang="fr"), Query(22)])
        await crew.handled(23)

    assert crew.turns == "BC" * 10 + "ABC"


@pytest.mark.requirement("R20")
async def test_weights_and_load_decide_where_they_are_asked_to(crew: Crew) -> None:
    apps = [crew.app(name, words={"weight": weight}, pick="weighted") for name, weight in (("A", 3), ("B", 1))]
    async with running(*apps):
        await seated(apps[0], 2)
        await apps[0].publish(queries(40))
        await crew.handled(40)

    assert Counter(crew.turns) == {"A": 30, "B": 10}


@pytest.mark.requirement("R20")
async def test_least_busy_spares_who_is_slow(crew: Crew) -> None:
    crew.gates["A"] = asyncio.Event()
    apps = [crew.app(name, pick="least_busy") for name in "AB"]
    async with running(*apps):
        await seated(apps[0], 2)
        for number in range(20):
            await apps[0].publish(Query(number))
            await asyncio.sleep(0.07)  # what B settled is told within 50 ms
        crew.gates["A"].set()
        await crew.handled(20)

    assert Counter(crew.turns)["A"] <= 3


@pytest.mark.contract("G8")
@pytest.mark.parametrize("pick", EVERY)
async def test_order_of_keys_is_kept_under_every_pick(crew: Crew, pick: str) -> None:
    apps = [crew.app(name, words={"labels": {"lang": "x"}, "weight": 2}, pick=pick) for name in "ABC"]
    async with running(*apps):
        await seated(apps[0], 3)
        await apps[0].publish([Query(number, user=f"u{number % 7}", lang="x") for number in range(210)])
        await crew.handled(210)

    for user in range(7):
        assert [seen.number for seen in crew.seen if seen.number % 7 == user] == list(range(user, 210, 7))


@pytest.mark.requirement("R20")
async def test_event_that_nobody_matches_waits_and_goes_when_one_comes(crew: Crew) -> None:
    first = crew.app("A", words={"labels": {"lang": "en"}}, pick=ByLabel("lang"))
    second = crew.app("B", words={"labels": {"lang": "zh"}}, pick=ByLabel("lang"))
    async with running(first):
        await seated(first, 1)
        await first.publish([Query(0, lang="zh"), Query(1, lang="en")])
        await crew.handled(1)  # it went by the one that waits
        await shown(first, unmatched=1)
        (standing,) = (await first.stats()).dispatch
        async with running(second):
            await crew.handled(2)
            await shown(first, unmatched=0)

    assert (standing.group, standing.dispatcher) == (GROUP, "A")
    assert [(seen.member, seen.number) for seen in crew.seen] == [("A", 1), ("B", 0)]


@pytest.mark.contract("G13")
async def test_event_for_a_member_without_credit_waits_for_it(crew: Crew) -> None:
    crew.gates["B"] = asyncio.Event()
    apps = [crew.app(name, pick=OnlyB(), prefetch=2, concurrency=2) for name in "AB"]
    async with running(*apps):
        await seated(apps[0], 2)
        await apps[0].publish(queries(5))
        await shown(apps[0], blocked=3)
        crew.gates["B"].set()
        await crew.handled(5)

    assert crew.turns == "B" * 5


@pytest.mark.contract("G4")
async def test_what_a_member_left_behind_is_moved_to_others(crew: Crew) -> None:
    crew.gates["B"] = asyncio.Event()
    staying, leaving = crew.app("A", pick="round_robin"), crew.app("B", pick="round_robin")
    async with running(staying):
        async with running(leaving):
            await seated(staying, 2)
            await staying.publish(queries(10))
            await crew.handled(5)
        await crew.handled(10)

    assert crew.turns == "A" * 10
    assert Counter(seen.number for seen in crew.seen) == Counter(range(10))


@pytest.mark.requirement("R5")
async def test_another_member_goes_on_with_the_turn_when_the_dispatcher_leaves(crew: Crew) -> None:
    apps = [crew.app(name, pick=RoundRobin) for name in "ABC"]
    async with running(apps[1]):
        async with running(apps[0]):
            await seated(apps[0], 2)
            await apps[0].publish(queries(4))
            await crew.handled(4)
        await seated(apps[1], 1)
        async with running(apps[2]):
            await seated(apps[1], "BC")  # not A and B, who were two as well
            await apps[1].publish([Query(number) for number in range(4, 10)])
            await crew.handled(10)

    assert crew.turns[:4] == "ABAB"
    assert crew.turns[4:] in ("CBCBCB", "BCBCBC")


class Broken:
    def choose(self, event: PickEvent, members: Any) -> Candidate:
        raise KeyError("no such table")


@pytest.mark.requirement("R13")
async def test_pick_that_fails_is_named_in_the_log_and_loses_nothing(
    crew: Crew, caplog: pytest.LogCaptureFixture
) -> None:
    app = crew.app("A", pick=Broken)
    with caplog.at_level(logging.ERROR, "vagus.dispatch"):
        async with running(app):
            await app.publish(queries(3))
            await shown(app, unmatched=3)
            (standing,) = (await app.stats()).dispatch
            switched = await app.switch(GROUP, pick="own")
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    again = crew.app("A", pick=Broken)
    async with running(again):
        await again.publish(Query(3))
        await crew.handled(1)

    assert "KeyError: 'no such table'" in standing.why
    assert len(told) == 1
    assert switched.after.epoch == 2
    assert [seen.number for seen in crew.seen] == [3]


async def shown(app: App, **figures: int) -> None:
    """Wait until what is shown of the group's dispatcher has these figures."""
    found: object = None
    try:
        async with asyncio.timeout(30):
            while True:
                stats = await app.stats()
                found = stats.dispatch, stats.groups
                if stats.dispatch and all(getattr(stats.dispatch[0], name) == figures[name] for name in figures):
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"expected {figures}, the last that was shown is {found}")


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pick": "round_robin", "deliver": "all"}, "none to pick"),
        ({"pick": "round-robin"}, "is no pick"),
        ({"pick": 7}, "cannot choose"),
        ({"pick": "by_label"}, "is no pick|label"),
    ],
)
def test_pick_that_makes_no_sense_is_refused_where_it_is_declared(options: dict[str, Any], said: str) -> None:
    app = App("memory://", name="shop")

    async def handle(query: Query) -> None: ...

    with pytest.raises(InvalidHandler, match=said):
        app.on(Query, **options)(handle)


async def test_name_that_no_pick_is_registered_under_is_refused_when_the_app_opens() -> None:
    app = App("memory://", name="shop")

    @app.on(Query, pick="only_b")
    async def handle(query: Query) -> None: ...

    with pytest.raises(InvalidHandler, match="no pick is called 'only_b'"):
        async with app:
            raise AssertionError("opened")
    app.pick("only_b", OnlyB())
    async with app:
        pass


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"labels": {"a b": 1}}, "expected a name of letters"),
        ({"weight": 0}, "from 1 to 1000"),
        ({"strategy": "random(x)"}, "is no pick"),
    ],
)
def test_words_of_a_member_that_make_no_sense_are_refused(words: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        App("memory://", name="shop", **words)


def test_name_of_a_pick_must_not_be_one_of_ours() -> None:
    with pytest.raises(InvalidArgument, match="expected a word other than"):
        App("memory://", name="shop").pick("random", OnlyB)


@pytest.mark.contract("G16")
async def test_member_that_is_paused_or_drained_gets_nothing_until_it_goes_on(crew: Crew) -> None:
    apps = [crew.app(name, pick="round_robin") for name in "AB"]
    async with running(*apps) as app:
        await seated(app, 2)
        await app.pause(GROUP, member="B")
        await seated(app, 1)
        await app.publish(queries(4))
        await crew.handled(4)
        await app.resume(GROUP, member="B")
        await seated(app, 2)
        await app.publish([Query(number) for number in range(4, 8)])
        await crew.handled(8)
        await app.drain(GROUP, member="A", timeout=20)
        await seated(app, 1)
        await app.publish([Query(number) for number in range(8, 12)])
        await crew.handled(12)

    assert crew.turns[:4] == "AAAA"
    assert crew.turns[4:8] in ("ABAB", "BABA")
    assert crew.turns[8:] == "BBBB"
