"""Named effects: the result of what was done is replayed by retries, redeliveries and redrives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vagus import App, Context, Event, Reject, Retry
from vagus.app.effects.once import Once
from vagus.app.work.committer import Committer
from vagus.errors import InvalidArgument
from vagus.registry import create_backend
from vagus.reliability.effects import Identity

pytestmark = [pytest.mark.contract("G12"), pytest.mark.requirement("R37", "R66")]


class Charge(Event):
    cents: int


class Receipt(Event):
    number: int
    cents: int


@pytest.fixture
def app() -> App:
    return App("memory://", name="shop")


async def test_retry_replays_the_result_of_an_async_effect(app: App) -> None:
    calls: list[int] = []
    seen: list[Any] = []

    @app.on(retry=Retry(attempts=3, base_s=1))
    async def charge(event: Charge, ctx: Context) -> None:
        async def pay() -> Receipt:
            calls.append(event.cents)
            return Receipt(len(calls), event.cents)

        seen.append(await ctx.once("pay", pay, Receipt))
        if ctx.attempt < 3:
            raise TimeoutError

    async with app.test() as trial:
        await trial.publish(Charge(5))
        await trial.move("1m")
        assert (calls, seen, len(trial.handled())) == ([5], [Receipt(1, 5)] * 3, 1)


async def test_sync_handler_calls_and_replays_without_await(app: App) -> None:
    calls: list[int] = []
    seen: list[Any] = []

    @app.on(retry=Retry(attempts=3, base_s=1))
    def charge(event: Charge, ctx: Context) -> None:
        seen.append(ctx.once("pay", lambda: calls.append(event.cents) or {"paid": event.cents}))
        if ctx.attempt < 2:
            raise TimeoutError

    async with app.test() as trial:
        await trial.publish(Charge(5))
        await trial.settled()
        await trial.move("1m")
        assert (calls, seen, len(trial.handled())) == ([5], [{"paid": 5}] * 2, 1)


async def test_redelivery_after_a_lost_worker_replays_too(app: App) -> None:
    calls: list[str] = []

    @app.on(lease=10)
    async def charge(event: Charge, ctx: Context) -> None:
        await ctx.once("pay", lambda: calls.append("pay"))
        await ctx.once("mail", lambda: calls.append("mail"))

    async with app.test() as trial:
        trial.lose_next(charge)
        await trial.publish(Charge(5))
        await trial.move("1m")
        assert (calls, len(trial.handled())) == (["pay", "mail"], 1)


async def test_redrive_replays_what_was_done_before_the_event_died(app: App) -> None:
    calls: list[int] = []

    @app.on()
    async def charge(event: Charge, ctx: Context) -> None:
        await ctx.once("pay", lambda: calls.append(ctx.generation))
        if ctx.generation == 0:
            raise Reject("no printer")

    async with app.test() as trial:
        await trial.publish(Charge(5))
        await trial.settled()
        await trial.redrive(charge)
        await trial.settled()
        assert (calls, len(trial.handled())) == ([0], 1)


async def test_effect_that_raises_is_not_recorded(app: App) -> None:
    calls: list[int] = []

    def pay() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise TimeoutError
        return "paid"

    @app.on(retry=Retry(attempts=3, base_s=1))
    async def charge(event: Charge, ctx: Context) -> None:
        assert await ctx.once("pay", pay) == "paid"

    async with app.test() as trial:
        await trial.publish(Charge(5))
        await trial.move("1m")
        assert (len(calls), len(trial.handled())) == (2, 1)


async def test_key_for_outside_is_the_same_in_every_attempt(app: App) -> None:
    keys: list[str] = []

    @app.on(retry=Retry(attempts=3, base_s=1))
    async def charge(event: Charge, ctx: Context) -> None:
        keys.append(ctx.effect_key("pay"))
        assert ctx.effect_key("mail") not in keys
        if ctx.attempt < 3:
            raise TimeoutError

    async with app.test() as trial:
        await trial.publish([Charge(5), Charge(6)])
        await trial.move("1m")
        assert (len(keys), len(set(keys))) == (6, 2)


async def test_two_holders_of_one_event_go_by_the_first_record() -> None:
    backend = create_backend("memory://")
    await backend.open()
    assert backend.store is not None
    identity, loop = Identity("shop.charge", None, "shop", "e-1", 0), asyncio.get_running_loop()
    late, fast = (Once(identity, backend.store, Committer(backend), 60.0, loop) for _ in range(2))
    gate = asyncio.Event()

    async def slow() -> str:
        await gate.wait()
        return "late"

    behind = asyncio.create_task(late.call("pay", slow, None, here=True))
    await asyncio.sleep(0)
    ahead = await fast.call("pay", lambda: "fast", None, here=True)
    gate.set()

    assert (ahead, await behind) == ("fast", "fast")


@pytest.mark.parametrize("name", ["", "x" * 201, 3])
async def test_name_that_is_no_name_is_refused(app: App, name: Any) -> None:
    @app.on()
    async def charge(event: Charge, ctx: Context) -> None:
        await ctx.once(name, lambda: None)

    async with app.test() as trial:
        await trial.publish(Charge(5))
        await trial.settled()
        (letter,) = await trial.dead()
        assert (letter.error_kind, letter.reason) == (InvalidArgument.__module__ + ".InvalidArgument", "permanent")


async def test_result_that_cannot_be_recorded_does_not_happen_twice(app: App) -> None:
    calls: list[int] = []

    @app.on()
    async def charge(event: Charge, ctx: Context) -> None:
        await ctx.once("pay", lambda: calls.append(1) or object())

    async with app.test() as trial:
        await trial.publish(Charge(5))
        await trial.move("1h")
        (letter,) = await trial.dead()
        assert calls == [1]
        assert "has happened, and its result cannot be recorded" in letter.error_message
