"""`app.test()`: the app's own contract in memory, settled without sleeping, under a clock that the test moves."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from vagus import App, Context, ErrorEvent, Event, JoinTimeout, Retry
from vagus.errors import InvalidArgument, NoGroup, NotSettled, NotStarted, RunFailed, RunTimeout


class Query(Event, key="session"):
    session: str
    text: str


class Found(Event):
    text: str


class Priced(Event):
    price: int


class Answer(Event, final=True):
    text: str


@pytest.fixture
def app(tmp_path: Path) -> App:
    """An app whose own backend could not be opened: a trial must not try."""
    return App(f"sqlite:///{tmp_path}/no/such/folder/app.db", name="shop")


async def test_trial_settles_a_chain_of_handlers_without_its_backend(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> Found:
        return Found(query.text)

    @app.on(Found)
    def answer(found: Found) -> Answer:
        return Answer(found.text.upper())

    async with app.test() as trial:
        receipt = await trial.publish(Query("s", "hi"))
        await trial.settled()

        assert trial.published(Answer) == [Answer("HI")]
        assert trial.handled(look) == [Query("s", "hi")]
        assert trial.events(Answer)[0].correlationid == receipt.id


async def test_retries_come_due_as_the_clock_moves(app: App) -> None:
    attempts: list[tuple[int, float]] = []

    @app.on(Query, retry=Retry(attempts=3, base_s=60, cap_s=60, floor_s=60))
    async def fail(query: Query, ctx: Context) -> None:
        attempts.append((ctx.attempt, trial.clock.now()))
        raise TimeoutError("shop is closed")

    async with app.test() as trial:
        begun = trial.clock.now()
        await trial.publish(Query("s", "x"))
        await trial.settled()
        assert [number for number, _ in attempts] == [1]
        await trial.move("10m")

        assert [(number, round(at - begun)) for number, at in attempts] == [(1, 0), (2, 60), (3, 120)]
        (letter,) = await trial.dead(fail)
        assert (letter.reason, letter.error_kind, letter.attempts) == ("attempts", "TimeoutError", 3)


async def test_hanging_handler_is_stopped_when_its_timeout_passes(app: App) -> None:
    attempts: list[int] = []

    @app.on(Query, timeout=30)
    async def hang(query: Query, ctx: Context) -> None:
        attempts.append(ctx.attempt)
        if ctx.attempt == 1:
            await asyncio.Event().wait()

    async with app.test() as trial:
        await trial.publish(Query("s", "x"))
        await trial.begun(hang)
        await trial.move("1m")

        assert (attempts, trial.handled(hang)) == ([1, 2], [Query("s", "x")])


async def test_handlers_that_do_not_end_are_named(app: App) -> None:
    @app.on(Query)
    async def hang(query: Query) -> None:
        await asyncio.Event().wait()

    async with app.test() as trial:
        await trial.publish(Query("s", "x"))
        with pytest.raises(NotSettled, match=r"shop\.hang \(query\)"):
            await trial.settled(within_s=0.05)


async def test_handler_that_never_begins_is_named(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        with pytest.raises(NotSettled, match=r"shop\.look never got 1"):
            await trial.begun(look)


@pytest.mark.contract("G4")
async def test_lost_worker_leaves_the_event_until_its_lease_lapses(app: App) -> None:
    losses: list[int] = []

    @app.on(Query, lease=30)
    async def look(query: Query, ctx: Context) -> Found:
        losses.append(ctx.losses)
        return Found(query.text)

    async with app.test() as trial:
        trial.lose_next(look)
        await trial.publish(Query("s", "x"))
        await trial.settled()
        assert (losses, trial.handled(look)) == ([0], [])
        await trial.move(29)
        assert losses == [0]
        await trial.move(2)

        assert (losses, trial.published(Found)) == ([0, 1], [Found("x")])
        assert (await trial.stats()).groups[0].lost == 1


async def test_join_times_out_when_its_time_has_passed(app: App) -> None:
    @app.join(Found, Priced, timeout="5m")
    async def answer(found: Found, priced: Priced) -> Answer:
        return Answer(f"{found.text} {priced.price}")

    async with app.test() as trial:
        await trial.publish(Found("alone"))
        await trial.move("4m")
        assert trial.published(JoinTimeout) == []
        await trial.move("2m")

        (fact,) = trial.published(JoinTimeout)
        assert (fact.present, fact.missing, fact.waited_s) == (["found"], ["priced"], 300.0)


async def test_run_streams_and_ends_in_a_trial(app: App) -> None:
    @app.on(Query)
    async def answer(query: Query, ctx: Context) -> Answer:
        for word in ("a", "b"):
            await ctx.emit(word)
        return Answer("ab")

    async with app.test() as trial:
        run = await trial.start(Query("s", "x"))

        assert [part.text async for part in run.stream()] == ["a", "b"]
        assert await run.result() == Answer("ab")


async def test_stream_longer_than_its_buffer_needs_no_time(app: App) -> None:
    @app.on(Query)
    async def answer(query: Query, ctx: Context) -> Answer:
        for number in range(2_500):
            await ctx.emit(str(number))
        return Answer("done")

    async with app.test() as trial:
        run = await trial.start(Query("s", "x"))

        assert [part.text async for part in run.stream()] == [str(number) for number in range(2_500)]


async def test_run_that_only_time_can_end_says_so(app: App) -> None:
    @app.on(Query, retry=Retry(attempts=2, base_s=60))
    async def fail(query: Query) -> None:
        raise ValueError("no")

    async with app.test() as trial:
        run = await trial.start(Query("s", "x"), until=Answer)
        with pytest.raises(RunTimeout, match="until time passes"):
            await run.result()
        await trial.move("1h")
        with pytest.raises(RunFailed, match="no"):
            await run.result()


async def test_provided_value_is_replaced_for_the_trial_alone(app: App) -> None:
    seen: list[object] = []
    app.provide(str, "real")

    @app.on(Query)
    async def look(query: Query, shop: str) -> None:
        seen.append(shop)

    for wanted in ({str: "fake"}, None):
        async with app.test(provide=wanted) as trial:
            await trial.publish(Query("s", "x"))
            await trial.settled()
    assert seen == ["fake", "real"]


async def test_two_trials_of_one_app_share_nothing(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> Found:
        return Found(query.text)

    async with app.test() as one, app.test() as two:
        await one.publish(Query("s", "one"))
        await one.settled()
        await two.move(5)

        assert (one.published(Found), two.published()) == ([Found("one")], [])
        assert two.clock.now() - one.clock.now() == 5
        assert (await two.stats()).groups[0].entered == 0


async def test_trials_at_once_keep_their_app_apart(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None:
        await app.publish(Found(query.text))

    @app.on(Found)
    async def keep(found: Found) -> None: ...

    async def one(text: str) -> list[Found]:
        async with app.test() as trial:
            await app.publish(Query("s", text))
            await trial.settled()
            return trial.handled(keep)

    assert await asyncio.gather(*(one(str(n)) for n in range(5))) == [[Found(str(n))] for n in range(5)]


async def test_app_itself_is_closed_after_its_trial(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test():
        await app.publish(Query("s", "x"))
        async with app:  # code under test that opens it
            await app.publish(Query("s", "y"))
        await app.publish(Query("s", "z"))
    with pytest.raises(NotStarted):
        await app.publish(Query("s", "x"))


async def test_handler_added_during_a_trial_works_after_refresh(app: App) -> None:
    async with app.test() as trial:
        with pytest.raises(NoGroup):
            await trial.publish(Query("s", "x"))

        @app.on(Query)
        async def look(query: Query) -> None: ...

        await app.refresh()
        await trial.publish(Query("s", "x"))
        await trial.settled()
        assert trial.handled(look) == [Query("s", "x")]


async def test_only_the_wanted_handlers_work(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    @app.on(Query)
    async def count(query: Query) -> None: ...

    async with app.test(only=["look"]) as trial:
        await trial.publish(Query("s", "x"))
        await trial.settled()
        assert (len(trial.handled(look)), len(trial.handled(count))) == (1, 0)


async def test_redriven_letter_reaches_its_handler_again(app: App) -> None:
    broken = True

    @app.on(Query, retry=1)
    async def look(query: Query) -> None:
        if broken:
            raise ValueError("broken")

    async with app.test() as trial:
        await trial.publish(Query("s", "x"))
        await trial.settled()
        broken = False
        assert await trial.redrive(look) == 1
        await trial.settled()
        assert (trial.handled(look), await trial.dead()) == ([Query("s", "x")], [])
        assert [fact.outcome for fact in trial.published(ErrorEvent)] == ["dead"]


async def test_lifespan_is_entered_or_left_out(app: App, tmp_path: Path) -> None:
    entered: list[bool] = []

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        entered.append(True)
        yield

    lively = App("sqlite:///no/such/folder.db", name="shop", lifespan=lifespan)
    async with lively.test(lifespan=False):
        assert not entered
    async with lively.test():
        assert entered == [True]


@pytest.mark.requirement("R85")
@pytest.mark.contract("G4")
async def test_blocking_handler_keeps_its_lease_while_time_passes(app: App) -> None:
    release = threading.Event()
    losses: list[int] = []

    @app.on(Query, lease=30)
    def block(query: Query, ctx: Context) -> None:
        losses.append(ctx.losses)
        release.wait(60)

    async with app.test() as trial:
        await trial.publish(Query("s", "x"))
        await trial.begun(block)
        await trial.move("10m")
        release.set()
        await trial.settled()

        assert (losses, (await trial.stats()).groups[0].lost) == ([0], 0)


async def test_leaving_a_trial_ends_handlers_that_hang(app: App, caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    @app.on(Query)
    async def hang(query: Query) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(query.text)

    with caplog.at_level(logging.WARNING):
        async with app.test() as trial:
            await trial.publish(Query("s", "x"))
            await trial.begun(hang)
    assert (ended, caplog.records) == (["x"], [])


@pytest.mark.parametrize("wrong", ["nobody", len])
async def test_unknown_handler_is_refused_with_those_there_are(app: App, wrong: object) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        with pytest.raises(InvalidArgument, match=r"shop\.look"):
            trial.handled(wrong)  # type: ignore[arg-type]


async def test_week_of_retries_passes_in_a_moment(app: App) -> None:
    @app.on(Query, retry=Retry(attempts=10, base_s=3600, cap_s=86_400), lease="1h")
    async def fail(query: Query) -> None:
        raise ValueError("no")

    async with app.test() as trial:
        await trial.publish(Query("s", "x"))
        await trial.move("7d")

        assert len(trial.published(ErrorEvent)) == 10
