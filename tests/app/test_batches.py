"""Batch handlers: many events in one call, each with an outcome of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vagus import App, ErrorEvent, Event, Reject, Retry
from vagus.backend import Put, Topic, Unit
from vagus.message import Envelope


class Click(Event):
    user: str


class Seen(Event):
    user: str


@pytest.fixture
def app() -> App:
    return App("memory://", name="shop")


def clicks(count: int) -> list[Click]:
    return [Click(str(number)) for number in range(count)]


@pytest.mark.requirement("R45")
async def test_batch_is_no_larger_than_it_was_asked_to_be(app: App) -> None:
    sizes: list[int] = []

    @app.on(Click, batch=10, concurrency=1, prefetch=100)
    async def store(events: list[Click]) -> None:
        sizes.append(len(events))

    async with app.test() as trial:
        await trial.publish(clicks(25))
        await trial.settled()

        assert (sizes, len(trial.handled(store))) == ([10, 10, 5], 25)


@pytest.mark.requirement("R45")
async def test_each_item_of_a_batch_has_its_own_outcome(app: App) -> None:
    @app.on(Click, batch=10, retry=Retry(attempts=2, base_s=1))
    def store(events: list[Click]) -> list[Any]:
        outcomes: dict[str, Any] = {"0": None, "1": Seen("1"), "2": ValueError("bad"), "3": Reject("never")}
        return [outcomes[event.user] for event in events]

    async with app.test() as trial:
        await trial.publish(clicks(4))
        await trial.settled()
        assert trial.handled(store) == [Click("0"), Click("1")]
        assert trial.published(Seen) == [Seen("1")]
        await trial.move("1m")

        reasons = {letter.error_message: (letter.reason, letter.attempts) for letter in await trial.dead(store)}
        assert reasons == {"bad": ("attempts", 2), "never": ("rejected", 1)}


async def test_batch_that_raises_fails_all_of_its_items(app: App) -> None:
    @app.on(Click, batch=10, retry=1)
    async def store(events: list[Click]) -> None:
        raise ValueError("all")

    async with app.test() as trial:
        await trial.publish(clicks(3))
        await trial.settled()

        assert len(await trial.dead(store)) == 3


@pytest.mark.parametrize("given", [[None], "done", 3], ids=str)
async def test_batch_with_the_wrong_number_of_outcomes_is_told_what_was_expected(app: App, given: Any) -> None:
    @app.on(Click, batch=10)
    async def store(events: list[Click]) -> Any:
        return given

    async with app.test() as trial:
        await trial.publish(clicks(3))
        await trial.settled()

        assert all("a list of 3 outcomes" in letter.error_message for letter in await trial.dead(store))


async def test_item_that_cannot_be_decoded_holds_up_no_other(app: App) -> None:
    @app.on(Click, batch=10)
    async def store(events: list[Click]) -> None: ...

    async with app.test() as trial:
        await trial.publish([Click("a")])
        body = b'{"specversion":"1.0","id":"1","source":"x","type":"click","data":{"user":5}}'
        await app.backend.commit([Unit([Put(Topic("click"), Envelope(body))])])
        await trial.publish([Click("b")])
        await trial.settled()

        assert trial.handled(store) == [Click("a"), Click("b")]
        assert [letter.reason for letter in await trial.dead(store)] == ["undecodable"]


async def test_batch_over_its_time_costs_each_item_one_attempt(app: App) -> None:
    @app.on(Click, batch=10, timeout=10, retry=Retry(attempts=2, base_s=1), concurrency=1)
    async def store(events: list[Click]) -> None:
        if not trial.published(ErrorEvent):
            await asyncio.Event().wait()

    async with app.test() as trial:
        await trial.publish(clicks(3))
        await trial.begun(store, 3)
        await trial.move("1m")

        assert sorted(click.user for click in trial.handled(store)) == ["0", "1", "2"]
        assert [fact.error_kind for fact in trial.published(ErrorEvent)] == ["TimeoutError"] * 3


@pytest.mark.contract("G4")
async def test_event_that_was_lost_twice_runs_in_a_batch_of_its_own(app: App) -> None:
    batches: list[list[str]] = []

    @app.on(Click, batch=10, lease=30, concurrency=1)
    async def store(events: list[Click]) -> None:
        batches.append([event.user for event in events])

    async with app.test() as trial:
        trial.lose_next(store, 2)
        await trial.publish(Click("suspect"))
        await trial.move(31)
        assert batches == [["suspect"], ["suspect"]]
        await trial.publish([Click("a"), Click("b")], delay_s=29)  # ready in the moment in which its lease lapses
        await trial.move(31)

        assert sorted(batches[2:], key=len) == [["suspect"], ["a", "b"]]
        assert len(trial.handled(store)) == 3
