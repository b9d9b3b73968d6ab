"""How an attempt can end, and what becomes of its event: every way to fail is caught, named and kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vagus import App, Context, ErrorEvent, Event, Reject, Retry, RetryLater
from vagus.errors import UndecodableEvent


class Query(Event):
    text: str


class Panic(BaseException):
    """What an extension module of another language raises when it breaks."""


@pytest.fixture
def app() -> App:
    return App("memory://", name="shop")


async def raises(query: Query) -> None:
    raise ValueError("boom")


def raises_in_thread(query: Query) -> None:
    raise ValueError("boom")


async def exits(query: Query) -> None:
    raise SystemExit("boom")


def exits_in_thread(query: Query) -> None:
    raise SystemExit("boom")


async def panics(query: Query) -> None:
    raise Panic("boom")


def panics_in_thread(query: Query) -> None:
    raise Panic("boom")


def stops_iteration_in_thread(query: Query) -> None:
    next(iter(()))


async def cancels_itself(query: Query) -> None:
    raise asyncio.CancelledError


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


async def raises_without_words(query: Query) -> None:
    raise Unprintable


async def raises_with_words_that_nothing_can_write(query: Query) -> None:
    raise LookupError("half a character: \ud800")


async def raises_with_more_words_than_an_event_holds(query: Query) -> None:
    raise LookupError("word " * 1_000_000)


@pytest.mark.parametrize(
    "function",
    [
        raises,
        raises_in_thread,
        exits,
        exits_in_thread,
        panics,
        panics_in_thread,
        stops_iteration_in_thread,
        cancels_itself,
        raises_without_words,
        raises_with_words_that_nothing_can_write,
        raises_with_more_words_than_an_event_holds,
    ],
)
@pytest.mark.contract("G6", "G19")
async def test_every_way_to_fail_costs_an_attempt_and_no_worker(app: App, function: Any) -> None:
    app.on(Query, retry=Retry(attempts=2, base_s=1), group="shop.g", concurrency=1)(function)

    async with app.test() as trial:
        await trial.publish([Query("1"), Query("2")])
        await trial.settled(5)
        await trial.move("1m")

        letters = await trial.dead("shop.g")
        assert [(letter.reason, letter.attempts) for letter in letters] == [("attempts", 2)] * 2
        facts = trial.published(ErrorEvent)
        assert [fact.outcome for fact in facts] == ["retry", "retry", "dead", "dead"]
        assert all(fact.stack and fact.stage == "shop.g" and fact.trace_id for fact in facts if fact.outcome == "retry")


async def test_reject_is_a_dead_letter_at_once(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None:
        raise Reject("not for us")

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()

        (letter,) = await trial.dead(look)
        assert (letter.reason, letter.error_message, letter.attempts) == ("rejected", "not for us", 1)


async def test_retry_later_comes_back_when_asked_for(app: App) -> None:
    at: list[float] = []

    @app.on(Query, retry=2)
    async def look(query: Query, ctx: Context) -> None:
        at.append(trial.clock.now())
        if len(at) < 4:
            raise RetryLater(100, free=True)

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.move("10m")

        assert [round(later - at[0]) for later in at] == [0, 100, 200, 300]
        assert trial.handled(look) == [Query("x")]


async def test_each_kind_of_error_has_its_own_count(app: App) -> None:
    errors = [TimeoutError("a"), KeyError("b"), TimeoutError("c"), KeyError("d")]

    @app.on(Query, retry=[Retry(attempts=3, on=TimeoutError), Retry(attempts=2, on=KeyError)])
    async def look(query: Query) -> None:
        raise errors.pop(0)

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.move("10m")

        (letter,) = await trial.dead(look)
        assert (letter.error_kind, letter.attempts) == ("KeyError", 4)


@pytest.mark.parametrize("error", [KeyError("no policy"), UndecodableEvent("inside")], ids=["uncovered", "permanent"])
async def test_error_that_no_attempt_mends_is_dead_at_once(app: App, error: Exception) -> None:
    @app.on(Query, retry=Retry(attempts=5, on=TimeoutError))
    async def look(query: Query) -> None:
        raise error

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()

        assert [letter.attempts for letter in await trial.dead(look)] == [1]


async def test_total_time_bounds_the_retries(app: App) -> None:
    attempts: list[float] = []

    @app.on(Query, retry=Retry(attempts=1_000, base_s=10, cap_s=10, floor_s=10, total_s=60))
    async def look(query: Query) -> None:
        attempts.append(trial.clock.now())
        raise ValueError("no")

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.move("10m")

        (letter,) = await trial.dead(look)
        assert letter.reason == "total time"
        assert attempts[-1] - attempts[0] <= 60


async def test_hanging_handler_fails_by_its_timeout_and_dies_of_it(app: App) -> None:
    @app.on(Query, timeout=10, retry=Retry(attempts=2, base_s=1))
    async def hang(query: Query) -> None:
        await asyncio.Event().wait()

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.begun(hang)
        await trial.move("11s")
        await trial.begun(hang)
        await trial.move("11s")

        (letter,) = await trial.dead(hang)
        assert (letter.error_kind, letter.attempts) == ("TimeoutError", 2)
        assert "10 s" in letter.error_message


async def test_handlers_own_timeout_is_an_error_like_others(app: App) -> None:
    @app.on(Query, retry=1)
    async def look(query: Query) -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()

        assert [letter.error_kind for letter in await trial.dead(look)] == ["TimeoutError"]


async def test_handler_that_swallows_its_cancellation_still_counts_as_handled(app: App) -> None:
    @app.on(Query, timeout=10)
    async def stubborn(query: Query) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)

    @app.on(Query, group="shop.other", timeout=10)
    async def other(query: Query) -> None:
        await asyncio.sleep(0)

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.begun(stubborn)
        await trial.move("11s")

        assert (trial.handled(stubborn), trial.handled(other)) == ([Query("x")], [Query("x")])


async def test_pool_survives_a_cancellation_from_inside_after_a_timeout(app: App) -> None:
    @app.on(Query, timeout=10, retry=1, concurrency=1)
    async def look(query: Query) -> None:
        if query.text == "hang":
            await asyncio.Event().wait()
        if query.text == "cancel":
            raise asyncio.CancelledError

    async with app.test() as trial:
        await trial.publish(Query("hang"))
        await trial.begun(look)
        await trial.move("11s")
        await trial.publish([Query("cancel"), Query("fine")])
        await trial.settled(5)

        assert trial.handled(look) == [Query("fine")]
        assert [letter.reason for letter in await trial.dead(look)] == ["attempts", "attempts"]


def leave(seen: list[str]) -> None:
    seen.append("x")
    if len(seen) == 1:
        raise GeneratorExit


async def leaves(query: Query, seen: list[str]) -> None:
    leave(seen)


def leaves_its_thread(query: Query, seen: list[str]) -> None:
    leave(seen)


async def leaves_with_its_batch(queries: list[Query], seen: list[str]) -> None:
    leave(seen)


async def ends_its_task(query: Query, seen: list[str]) -> None:
    seen.append("x")
    if len(seen) == 1:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.Event().wait()


@pytest.mark.parametrize("function", [leaves, leaves_its_thread, leaves_with_its_batch, ends_its_task])
@pytest.mark.contract("G4")
async def test_event_whose_handler_ends_the_task_that_it_runs_in_comes_again(app: App, function: Any) -> None:
    app.on(Query, group="shop.g", concurrency=1)(function)
    seen: list[str] = []

    async with app.test(provide={list[str]: seen}) as trial:
        await trial.publish(Query("x"))
        await trial.move("31s")

        (group,) = (await trial.stats()).groups
        assert (group.acked, group.lost, len(seen)) == (1, 1, 2)


@pytest.mark.contract("G4")
async def test_event_after_one_that_ended_its_task_is_handled(app: App) -> None:
    @app.on(Query, concurrency=1)
    async def look(query: Query) -> None:
        if query.text == "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return
        await asyncio.sleep(0)

    async with app.test() as trial:
        await trial.publish([Query("cancel"), Query("next")])
        await trial.settled()

        assert trial.handled(look) == [Query("cancel"), Query("next")]


async def test_failure_of_a_monitor_is_not_told_again(app: App) -> None:
    @app.on(Query, retry=1)
    async def fail(query: Query) -> None:
        raise ValueError("first")

    @app.on(ErrorEvent, retry=1)
    async def monitor(error: ErrorEvent) -> None:
        raise ValueError("second")

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()
        assert await trial.redrive(monitor) == 1
        await trial.settled()

        assert [fact.error_message for fact in trial.published(ErrorEvent)] == ["first"]
