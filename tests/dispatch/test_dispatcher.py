"""What a dispatcher does where it is tight: too many events that wait, full pages, a place that was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.dispatch.members import GROUP, Crew, Query, running, seated
from vagus import App, ByLabel
from vagus.app.dispatch import dispatcher
from vagus.app.dispatch.desks import Desks
from vagus.app.dispatch.term import State, Terms, holder_key, read_states
from vagus.backend import Inbox
from vagus.backends.memory import Memory
from vagus.clock import ManualClock
from vagus.errors import UnsupportedCapability
from vagus.store import Change, Store


@pytest.fixture
async def crew(tmp_path: Path) -> AsyncIterator[Crew]:
    """Members in a place in memory."""
    url = f"memory://{tmp_path.name}"
    async with App(url, name="keeper"):
        yield Crew(url)


def store_of(app: App) -> Store:
    store = app.backend.store
    assert store is not None
    return store


async def test_more_unmatched_events_than_are_held_are_shown_and_come_again(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "UNMATCHED_MOST", 3)
    options = {"pick": ByLabel("lang"), "lease": 1.0}
    async with running(crew.app("A", words={"labels": {"lang": "en"}}, **options)) as first:
        await seated(first, 1)
        await first.publish([*(Query(number, lang="zh") for number in range(8)), Query(8, lang="en")])
        await crew.handled(1)
        await crew.until(lambda: first._opened().desks._desks[GROUP].state.unmatched == 8)
        async with running(crew.app("B", words={"labels": {"lang": "zh"}}, **options)):
            await crew.handled(9)

    assert Counter(seen.member for seen in crew.seen) == {"A": 1, "B": 8}
    assert Counter(seen.number for seen in crew.seen) == Counter(range(9))


async def test_full_page_of_reports_is_turned_and_none_is_missed(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "PAGE_PARTS", 2)
    apps = [crew.app(name, pick="round_robin", prefetch=1, concurrency=1) for name in "AB"]
    async with running(*apps) as app:
        await seated(app, 2)
        # With a credit of one, every event but the first two waits for a report.
        await app.publish([Query(number) for number in range(24)])
        await crew.handled(24)
        (state,) = [state for one in apps if (state := one._opened().desks._desks[GROUP].state) is not None]

    assert state.page > 3
    assert Counter(seen.number for seen in crew.seen) == Counter(range(24))


async def test_dispatcher_that_lost_its_place_leaves_it_to_the_next(
    crew: Crew, caplog: pytest.LogCaptureFixture
) -> None:
    apps = [crew.app(name, pick="round_robin", lease=1.0) for name in "AB"]
    async with running(*apps) as app:
        await seated(app, 2)
        await app.publish([Query(number) for number in range(10)])
        await store_of(app).swap([Change(holder_key(GROUP), None)])
        await app.publish([Query(number) for number in range(10, 20)])
        await crew.until(lambda: any("another member dispatches now" in told for told in caplog.messages))
        await seated(app, 2)
        await app.publish([Query(number) for number in range(20, 30)])
        await crew.handled(30)

    assert Counter(seen.number for seen in crew.seen) == Counter(range(30))


@pytest.mark.contract("G4")
async def test_place_of_the_dispatcher_has_one_holder_and_lapses() -> None:
    clock = ManualClock()
    backend = Memory("memory://", clock)
    await backend.open()
    store = backend.store
    assert store is not None
    first, second = Terms(store, "g", "A", 30.0), Terms(store, "g", "B", 30.0)

    assert await first.begin() == State()
    assert await second.begin() is None
    assert await first.keep(State("A", 3, {"1": "x"}))
    assert (await read_states(store, ["g", "other"]))["g"].member == "A"
    clock.move(first.ttl_s + second.look_s)
    assert (await read_states(store, ["g"]))["g"].member == ""
    assert await second.begin() == State("A", 3, {"1": "x"})
    assert not await first.keep(State("A", 9))
    assert await second.keep(State("B", 4))
    await second.end(State(page=5))
    assert await first.begin() == State(page=5)
    assert first.ttl_s + first.look_s <= 30.0


async def test_event_for_a_member_that_was_just_dropped_goes_to_another(crew: Crew) -> None:
    apps = [crew.app(name, pick="round_robin") for name in "AB"]
    async with running(*apps) as app:
        await seated(app, 2)
        await app.backend.drop(Inbox(GROUP, "B"))
        await app.publish([Query(number) for number in range(6)])
        await crew.handled(6)

    assert Counter(seen.number for seen in crew.seen) == Counter(range(6))


async def test_pick_on_a_backend_that_cannot_carry_it_out_is_refused_at_start(crew: Crew) -> None:
    app = crew.app("A", pick="round_robin")
    async with app:
        desks, lacking = Desks(app.backend), msgspec.structs.replace(app.capabilities, inboxes=False)
        with pytest.raises(UnsupportedCapability, match=r"handler shop\.handle has the pick round_robin, and memory"):
            desks.check(app.handlers, lacking, app._opened().board, app.words)
        with pytest.raises(UnsupportedCapability, match="has no store"):
            desks.check(app.handlers, lacking, None, app.words)
