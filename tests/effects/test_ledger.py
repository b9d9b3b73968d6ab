"""The effect ledger: what was completed is not handled again, however often it is delivered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vagus import App, Context, Effects, Event, Reject, Retry
from vagus.app.effects import runner
from vagus.app.publisher import PublishOptions
from vagus.backend import Backend, Unit
from vagus.errors import InvalidArgument, InvalidHandler, UnsupportedCapability
from vagus.reliability.effects import complete

pytestmark = [pytest.mark.contract("G12"), pytest.mark.requirement("R66", "R117")]


class Charge(Event):
    cents: int


class Charged(Event):
    cents: int


class Account:
    """What effects are done to."""

    def __init__(self) -> None:
        self.sum = 0
        self.calls = 0

    def charge(self, cents: int) -> None:
        self.calls += 1
        self.sum += cents


@pytest.fixture(params=["memory://", "sqlite:///effects.db"])
def app(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.chdir(tmp_path)
    return App(request.param, name="shop")


@pytest.fixture
def account() -> Account:
    return Account()


async def deliver_again(app: App, times: int, cents: int = 5, id: str = "charge-1") -> None:
    """Publish one event so many times, on a road that does not know a repetition."""
    put, _ = app._opened().publisher.first(Charge(cents), PublishOptions(id=id))
    copy = msgspec.structs.replace(put, dedupe=None)
    for _ in range(times):
        assert (await app.backend.commit([Unit([copy])]))[0].done


async def until_settled(app: App, count: int) -> None:
    async with asyncio.timeout(20):
        while (figures := (await app.stats()).groups[0]).acked + figures.dead < count:
            await asyncio.sleep(0.01)


async def test_event_that_is_delivered_three_times_is_charged_once(app: App, account: Account) -> None:
    @app.on(effects=True, retry=Retry(attempts=3, base_s=0.1))
    async def charge(event: Charge) -> Charged:
        account.charge(event.cents)
        return Charged(event.cents)

    app.topic(Charged, keep="1d")
    async with app.running():
        for number in range(20):
            await deliver_again(app, 3, id=f"charge-{number}")
        await until_settled(app, 60)

        stats = await app.stats()
        assert (account.calls, account.sum) == (20, 100)
        assert (stats.workers[0].handled, stats.workers[0].repeated) == (20, 40)
        topics = {info.spec.name: info for info in (await app.backend.describe()).topics}
        assert topics["charged"].stored == 20


async def test_batch_handler_gets_each_event_once(app: App, account: Account) -> None:
    @app.on(effects=True, batch=10, retry=Retry(attempts=3, base_s=0.1))
    async def charge(events: list[Charge]) -> None:
        for event in events:
            account.charge(event.cents)

    async with app.running():
        for number in range(5):
            await deliver_again(app, 3, id=f"charge-{number}")
        await until_settled(app, 15)

    assert account.calls == 5


async def test_failed_attempt_is_no_effect_and_is_tried_again(account: Account) -> None:
    app = App("memory://", name="shop")

    @app.on(effects=True, retry=Retry(attempts=3, base_s=1))
    async def charge(event: Charge, ctx: Context) -> None:
        if ctx.attempt < 3:
            raise TimeoutError
        account.charge(event.cents)

    async with app.test() as trial:
        await trial.publish(Charge(5))
        await trial.move("1m")
        assert (account.sum, trial.handled(), await trial.dead()) == (5, [Charge(5)], [])


async def test_attempt_that_dies_before_it_settles_is_made_again(account: Account) -> None:
    app = App("memory://", name="shop")

    @app.on(effects=True, lease=10)
    async def charge(event: Charge) -> None:
        account.charge(event.cents)

    async with app.test() as trial:
        trial.lose_next(charge)
        await trial.publish(Charge(5))
        await trial.move("30s")
        # Its effect is memory's, and the ledger can promise no more than its store: see effects in a transaction.
        assert (account.calls, len(trial.handled())) == (2, 1)


async def test_mark_before_the_handler_would_be_caught(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "claim", lambda identity, place, version, keep_s: complete(identity, version, keep_s))
    with pytest.raises(AssertionError):
        await test_attempt_that_dies_before_it_settles_is_made_again(account)


async def test_copy_waits_while_the_first_is_handled_and_is_not_handled_after() -> None:
    app = App("memory://", name="shop")
    calls = 0
    go = asyncio.Event()

    @app.on(effects=True, ordered=False)
    async def charge(event: Charge) -> None:
        nonlocal calls
        calls += 1
        await go.wait()

    async with app.test() as trial:
        await deliver_again(app, 2)
        await trial.begun(charge, 1)
        await trial.move("5s")
        assert calls == 1
        go.set()
        await trial.move("2m")
        assert (calls, len(trial.handled())) == (1, 2)


async def test_copy_is_handled_when_the_first_one_is_dead(account: Account) -> None:
    app = App("memory://", name="shop")

    @app.on(effects=True, ordered=False)
    async def charge(event: Charge) -> None:
        account.charge(event.cents)
        if account.calls == 1:
            raise Reject("not today")

    async with app.test() as trial:
        await deliver_again(app, 2)
        await trial.move("2m")
        assert (account.calls, len(await trial.dead()), len(trial.handled())) == (2, 1, 1)


async def test_redriven_letter_is_handled_again(account: Account) -> None:
    app = App("memory://", name="shop")

    @app.on(effects=True)
    async def charge(event: Charge, ctx: Context) -> None:
        if ctx.generation == 0:
            raise Reject("not today")
        account.charge(event.cents)

    async with app.test() as trial:
        await trial.publish(Charge(5))
        await trial.settled()
        await trial.redrive(charge)
        await trial.settled()
        assert account.sum == 5


@pytest.mark.contract("G3")
async def test_each_member_of_all_has_an_effect_of_its_own(account: Account) -> None:
    app = App("memory://", name="shop")

    @app.on(effects=True, deliver="all", member="a")
    async def charge(event: Charge, ctx: Context) -> None:
        account.charge(event.cents)
        assert ctx.effect_key("pay") == ctx.effect_key("pay")

    async with app.test() as trial:
        await deliver_again(app, 2)
        await trial.move("2m")
        assert account.calls == 1


async def test_event_is_forgotten_after_keep(account: Account) -> None:
    app = App("memory://", name="shop")

    @app.on(effects=Effects(keep="1h"))
    async def charge(event: Charge) -> None:
        account.charge(event.cents)

    async with app.test() as trial:
        await deliver_again(app, 1)
        await trial.move("50m")
        await deliver_again(app, 1)
        await trial.settled()
        assert account.calls == 1
        await trial.move("20m")
        await deliver_again(app, 1)
        await trial.settled()
        assert account.calls == 2


class Storeless:
    """A backend without a store."""

    store = None

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


async def test_ledger_without_a_store_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from vagus.app import app as module

    made = module.create_backend
    monkeypatch.setattr(module, "create_backend", lambda *told: Storeless(made(*told)))
    app = App("memory://", name="shop")

    @app.on(effects=True)
    async def charge(event: Charge) -> None: ...

    with pytest.raises(UnsupportedCapability, match=r"effect ledger of shop.charge needs a store"):
        async with app:
            raise AssertionError("it opened")


@pytest.mark.parametrize("value", [3, "yes", object()])
def test_effects_that_mean_nothing_are_refused(value: object) -> None:
    with pytest.raises(InvalidArgument, match=r"effects of .*: expected"):

        @App("memory://", name="shop").on(Charge, effects=value)
        async def charge(event: Charge) -> None: ...


def test_keep_of_nothing_and_effects_of_a_join_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="keep of effects"):
        Effects(keep=0)
    with pytest.raises(InvalidHandler, match="leave out effects="):

        @App("memory://", name="shop").join(Charge, Charged, effects=True)
        async def both(charge: Charge, charged: Charged) -> None: ...
