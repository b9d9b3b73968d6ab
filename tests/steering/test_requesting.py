"""Request and reply, and the priority of a run that all of its events inherit."""

from __future__ import annotations

import asyncio

import pytest

from tests.steering.desk import WITHIN_S
from vagus import App, Context, Event, Retry
from vagus.errors import InvalidArgument, RunFailed, RunTimeout


class ToolCalled(Event):
    text: str


class Looked(Event):
    text: str


class Answered(Event):
    text: str


def tools_on(url: str, seen: list[str]) -> App:
    app = App(url, name="tools")

    @app.on(ToolCalled, retry=Retry(attempts=1))
    async def look(call: ToolCalled, ctx: Context) -> Looked:
        seen.append(ctx.run_id)
        if call.text == "bad":
            raise ValueError("no such tool")
        return Looked(call.text)

    @app.on(Looked)
    async def answer(looked: Looked, ctx: Context) -> Answered | None:
        seen.append(ctx.run_id)
        return None if looked.text == "silent" else Answered(looked.text.upper())

    return app


@pytest.mark.requirement("R80")
async def test_front_end_gets_the_reply_of_handlers_in_another_app(url: str) -> None:
    seen: list[str] = []
    front_end = App(url, name="front")
    async with tools_on(url, seen).running(), front_end:
        replies = await asyncio.gather(
            *(front_end.request(ToolCalled(word), Answered, timeout=WITHIN_S) for word in ("a", "b", "c"))
        )
    assert replies == [Answered("A"), Answered("B"), Answered("C")]
    assert len(set(seen)) == 3  # one correlation id a request, the same in both handlers


@pytest.mark.requirement("R80")
async def test_request_without_a_reply_tells_why(url: str) -> None:
    async with tools_on(url, []).running() as app:
        with pytest.raises(RunFailed, match="no such tool"):
            await app.request(ToolCalled("bad"), Answered, timeout=WITHIN_S)
        with pytest.raises(RunTimeout):
            await app.request(ToolCalled("silent"), Answered, timeout="50ms")


class Step(Event):
    text: str


@pytest.mark.contract("G9")
async def test_priority_of_a_run_is_that_of_its_outputs() -> None:
    app = App("memory://", name="shop")
    app.topic(Step, priorities=True)
    order: list[str] = []

    @app.on(ToolCalled)
    async def first(call: ToolCalled) -> Step:
        return Step(call.text)

    @app.on(Step, concurrency=1, prefetch=1)
    async def second(step: Step) -> None:
        order.append(step.text)

    async with app.test(only=["first"]) as trial:
        for name, priority in (("low", 1), ("none", None), ("high", 9), ("middle", 5)):
            await trial.start(ToolCalled(name), **({} if priority is None else {"priority": priority}))
        await trial.settled()
        await app._opened().start(["second"])
        await trial.settled()
        lanes = {event.data.text: event.vaguspriority for event in trial.events(Step)}
    assert order == ["high", "middle", "low", "none"]
    assert lanes == {"low": 1, "none": None, "high": 9, "middle": 5}


@pytest.mark.contract("G9")
async def test_output_with_a_priority_of_its_own_keeps_it() -> None:
    app = App("memory://", name="shop")
    app.topic(Step, priorities=True)

    @app.on(ToolCalled)
    async def first(call: ToolCalled, ctx: Context) -> None:
        ctx.publish(Step("own"), priority=2)
        ctx.publish(Step("inherited"))

    async with app.test() as trial:
        await trial.start(ToolCalled("x"), priority=7)
        await trial.settled()
        found = [(event.data.text, event.vaguspriority) for event in trial.events(Step)]
    assert found == [("own", 2), ("inherited", 7)]


async def test_priority_of_a_run_that_is_none_is_refused() -> None:
    app = tools_on("memory://", [])
    async with app.test() as trial:
        with pytest.raises(InvalidArgument, match="priority from 0 to 9"):
            await trial.start(ToolCalled("x"), priority=11)
