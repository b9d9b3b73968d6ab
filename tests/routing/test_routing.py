"""An app on several backends: events, runs, joins, streams and dead letters go where their topic's route says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vagus import App, Context, ErrorEvent, Event, Reject, Routes, Rule
from vagus.app.routing.routed import Routed
from vagus.backend import Backend, Capabilities, First, Inbox, Topic
from vagus.backends.memory import Memory
from vagus.errors import InvalidArgument, InvalidHandler, NoGroup, RunFailed, UnsupportedCapability
from vagus.message import dead_topic
from vagus.registry import create_backend
from vagus.store import Store


class Pay(Event, kind="command", key="customer"):
    customer: str


class Paid(Event, final=True):
    customer: str


class Click(Event, kind="telemetry"):
    page: str


class Checked(Event):
    customer: str


async def topics_of(url: str) -> dict[str, int]:
    """What a backend keeps by itself, looked at without the app."""
    backend = create_backend(url)
    await backend.open()
    try:
        return {info.spec.name: info.stored for info in (await backend.describe()).topics if info.stored}
    finally:
        await backend.close()


Urls = dict[str, str]


@pytest.fixture
def urls(tmp_path: Path) -> Urls:
    return {"queue": f"sqlite:///{tmp_path}/queue.db", "log": f"sqlite:///{tmp_path}/log.db"}


def routes(urls: Urls, *rules: Rule) -> Routes:
    log = {"url": urls["log"], "role": "log"}
    return Routes(backends={"queue": urls["queue"], "log": log}, default="queue", rules=rules)


@pytest.mark.requirement("R110", "R111", "R114", "R115")
async def test_each_backend_receives_what_the_policy_gives_it(urls: Urls) -> None:
    app = App("memory://", name="shop", routes=routes(urls))
    app.topic(Paid, keep="1d")

    @app.on(Pay)
    async def pay(order: Pay) -> Click:
        return Click("paid")

    @app.on(Click)
    async def count(click: Click) -> Paid:
        return Paid(click.page)

    async with app.running():
        run = await app.start(Pay("ann"), until=Paid)
        assert await run.result(10) == Paid("paid")

    assert await topics_of(urls["queue"]) == {"pay": 1, "paid": 1}
    assert await topics_of(urls["log"]) == {"click": 1}


@pytest.mark.requirement("R49")
async def test_one_topic_moves_while_the_others_stay_in_memory(tmp_path: Path) -> None:
    there = f"sqlite:///{tmp_path}/moved.db"
    app = App("memory://", name="shop", routes={"rules": [{"topic": "click", "to": there}]})
    app.topic(Click, keep="1d")
    app.topic(Pay, keep="1d")

    async with app:
        await app.publish([Click("a"), Pay("ann")])
        assert [record.key for record in await app.backend.read("pay", First(), 10)] == ["ann"]

    assert await topics_of(there) == {"click": 1}


@pytest.mark.requirement("R110")
async def test_policy_comes_from_a_file_also_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "routes.toml"
    file.write_text(f'[[rules]]\nkind = "telemetry"\nto = "sqlite:///{tmp_path}/log.db"\n', encoding="utf-8")
    named = App("memory://", name="shop", routes=str(file))
    monkeypatch.setenv("VAGUS_ROUTES", str(file))
    found = App("memory://", name="shop")

    assert named.policy == found.policy
    assert named.policy is not None
    assert [place.name for place in named.policy.used] == ["default", f"sqlite:///{tmp_path}/log.db"]


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere.toml", "routes 'nowhere.toml' cannot be read"),
        ({"rule": []}, "there is no 'rule': expected backends, rules, default"),
        ({"rules": [{"topic": "a", "to": "x"}]}, "rule 1: there is no backend 'x'"),
        (3, "cannot be read"),
    ],
)
def test_wrong_policy_is_refused_when_the_app_is_made(given: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        App("memory://", name="shop", routes=given)


async def test_handler_of_topics_on_two_backends_is_refused_by_name(urls: Urls) -> None:
    app = App("memory://", name="shop", routes=routes(urls))

    @app.on(Pay, Click)
    async def audit(event: Pay | Click) -> None: ...

    with pytest.raises(InvalidHandler, match=r"group 'shop\.audit' listens to 'pay' on backend 'queue' and to 'click'"):
        async with app:
            raise AssertionError("opened")
    with pytest.raises(InvalidHandler, match=r"group 'shop\.audit'"):
        async with app.test():
            raise AssertionError("opened")


async def test_publish_that_nobody_hears_is_refused_on_its_own_backend(urls: Urls) -> None:
    app = App("memory://", name="shop", routes=routes(urls))

    @app.on(Pay)
    async def pay(order: Pay) -> None: ...

    async with app:
        await app.publish(Pay("ann"))
        with pytest.raises(NoGroup, match="'click'"):
            await app.publish(Click("a"))
        with pytest.raises(NoGroup, match="'click'"):
            await app.publish([Pay("bob"), Click("a")])


@pytest.mark.contract("G6", "G18", "G20")
async def test_streams_dead_letters_and_errors_cross_the_routes(urls: Urls) -> None:
    rules = (Rule(topic="error_event", to="log"), Rule(event="Checked", to="log"))
    app = App("memory://", name="shop", routes=routes(urls, *rules))
    told: list[ErrorEvent] = []

    @app.on(Pay)
    async def pay(order: Pay, ctx: Context) -> Checked:
        await ctx.emit("paying")
        return Checked(order.customer)

    @app.on(Checked)
    async def check(checked: Checked, ctx: Context) -> Paid:
        await ctx.emit("checking")
        if checked.customer == "eve":
            raise Reject("no credit")
        return Paid(checked.customer)

    @app.on(ErrorEvent)
    async def tell(error: ErrorEvent) -> None:
        told.append(error)

    async with app.test() as trial:
        run = await trial.start(Pay("ann"), until=Paid)
        bad = await trial.start(Pay("eve"), until=Paid)
        await trial.settled()

        assert await run.result() == Paid("ann")
        assert [part.text async for part in run.stream()] == ["paying", "checking"]
        with pytest.raises(RunFailed, match="no credit"):
            await bad.result()
        (letter,) = await trial.dead(check)
        assert (letter.group, letter.reason) == ("shop.check", "rejected")
        assert [error.stage for error in told] == ["shop.check"]
        assert all(books.entered == books.accounted for books in (await trial.stats()).groups)

        await trial.redrive(check)
        await trial.settled()
        assert len(await trial.dead(check)) == 1


async def test_join_keeps_its_state_apart_from_its_events(urls: Urls) -> None:
    rules = (Rule(event="Pay", to="log"), Rule(event="Checked", to="log"))
    app = App("memory://", name="shop", routes=routes(urls, *rules))
    joined: list[tuple[Pay, Checked]] = []

    @app.on(Click)
    async def both(click: Click) -> list[Any]:
        return [Pay(click.page), Checked(click.page)]

    @app.join(Pay, Checked)
    async def pair(pay: Pay, checked: Checked) -> Paid:
        joined.append((pay, checked))
        return Paid(pay.customer)

    async with app.test() as trial:
        run = await trial.start(Click("ann"), until=Paid)
        assert await run.result() == Paid("ann")
        await trial.settled()
    assert joined == [(Pay("ann"), Checked("ann"))]


class Stateless(Memory):
    """A backend that has no store, as brokers are."""

    @property
    def store(self) -> Store | None:
        return None


def stateless(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(url: str, clock: Any = None) -> Backend:
        return Stateless("memory://", clock) if url == "stateless://" else create_backend(url, clock)

    monkeypatch.setattr("vagus.app.app.create_backend", make)


async def test_backend_without_a_store_keeps_runs_where_state_says(urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    stateless(monkeypatch)
    app = App("stateless://", name="shop", state=urls["log"])

    @app.on(Pay)
    async def pay(order: Pay, ctx: Context) -> Paid:
        await ctx.emit("paying")
        return Paid(order.customer)

    async with app.running():
        run = await app.start(Pay("ann"), until=Paid)
        assert await run.result(10) == Paid("ann")
        assert [part.text async for part in run.stream()] == ["paying"]

    async with App(urls["log"], name="other") as other:
        other.topics.learn(Paid)
        assert await other.run_of(run.id).result(10) == Paid("ann")


async def test_what_needs_a_store_is_refused_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stateless(monkeypatch)
    app = App("stateless://", name="shop")
    app.topic(Pay, keep="1d")

    async with app:
        with pytest.raises(UnsupportedCapability, match="a run needs a store") as refused:
            await app.start(Pay("ann"))
    assert "state=" in refused.value.hint
    with pytest.raises(UnsupportedCapability, match="state= names memory, which keeps no state"):
        async with App("memory://", name="shop", state="stateless://"):
            raise AssertionError("opened")


async def test_lanes_are_asked_of_the_backend_of_their_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(Memory):
        async def open(self) -> Capabilities:
            able = await super().open()
            return Capabilities(**{**{f: getattr(able, f) for f in able.__struct_fields__}, "lanes": False})

    def make(url: str, clock: Any = None) -> Backend:
        return Plain("memory://", clock) if url == "plain://" else create_backend(url, clock)

    monkeypatch.setattr("vagus.app.app.create_backend", make)

    def app_with(topic: type) -> App:
        app = App("memory://", name="shop", routes={"rules": [{"event": "Click", "to": "plain://"}]})
        app.topic(Click)
        app.topic(topic, priorities=True)
        return app

    async with app_with(Pay):
        pass
    with pytest.raises(UnsupportedCapability, match="topic 'click' lies on 'plain://', and memory has no priority"):
        async with app_with(Click):
            raise AssertionError("opened")


async def test_other_peoples_groups_are_found_where_they_are(urls: Urls) -> None:
    theirs = App(urls["log"], name="their")

    @theirs.on(Click)
    async def look(click: Click) -> None: ...

    async with theirs:
        await theirs.publish([Click("a"), Click("b")])
    app = App("memory://", name="shop", routes=routes(urls))
    app.topic(Click)
    async with app:
        assert [books.ready for books in await app.backend.stats("their.look")] == [2]
        assert await app.backend.read(dead_topic("their.look"), First(), 10) == []
        assert [group.spec.name for group in (await app.backend.describe()).groups] == ["their.look"]
        await app.backend.drop(Inbox("their.look"))
        await app.backend.drop(Topic("click"))
        assert "click" not in [topic.spec.name for topic in (await app.backend.describe()).topics]


async def test_backend_that_hangs_holds_up_nothing_of_the_others(urls: Urls) -> None:
    app = App("memory://", name="shop", routes=routes(urls))
    hung = asyncio.Event()

    @app.on(Pay)
    async def pay(order: Pay) -> None: ...

    @app.on(Click)
    async def count(click: Click) -> None: ...

    async with app.running():
        assert isinstance(app.backend, Routed)
        restore = hang(app.backend, "log", hung)
        stuck = [asyncio.create_task(app.publish(Click(str(number)))) for number in range(10)]
        async with asyncio.timeout(10):
            await hung.wait()
            for number in range(10):
                await app.publish(Pay(str(number)))
            while (await app.backend.stats("shop.pay"))[0].acked < 10:
                await asyncio.sleep(0.01)
        assert not any(task.done() for task in stuck)
        restore()
        async with asyncio.timeout(10):
            await asyncio.gather(*stuck)


def hang(routed: Routed, name: str, hung: asyncio.Event) -> Callable[[], None]:
    """Let one of several backends answer nothing until the returned function is called."""
    backend, released = routed._backends[name], asyncio.Event()
    commit = backend.commit

    async def late(units: Any) -> Any:
        hung.set()
        await released.wait()
        return await commit(units)

    backend.commit = late  # type: ignore[method-assign]
    return released.set
