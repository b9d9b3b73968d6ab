"""Functions that run in threads: they cannot be stopped, and nothing is handled beside them for all that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vagus import App, Context, Event, Retry


class Step(Event, key="key"):
    key: str
    number: int


class Arrived(Event, final=True):
    number: int


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> App:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/app.db"
    return App(url, name="shop", grace_s=1.0)


@pytest.mark.contract("G5", "G8")
@pytest.mark.parametrize("concurrency", [1, 2])
async def test_thread_over_its_time_is_waited_for_and_counts(app: App, concurrency: int) -> None:
    end, seen = threading.Event(), []

    @app.on(Step, timeout=10, retry=Retry(attempts=2, base_s=1), concurrency=concurrency)
    def walk(step: Step) -> None:
        seen.append(step.number)
        if step.number == 1:
            end.wait(60)

    async with app.test() as trial:
        await trial.publish([Step("a", 1), Step("a", 2), Step("a", 3)])
        await trial.begun(walk)
        await trial.move("1m")

        assert seen == [1], "nothing of its key runs beside it, and it is not begun again"
        assert not (await trial.stats()).healthy
        end.set()
        await trial.settled()

        assert seen == [1, 2, 3]
        assert await trial.dead(walk) == []


async def test_thread_that_fails_over_its_time_has_timed_out(app: App) -> None:
    end = threading.Event()

    @app.on(Step, timeout=10, retry=1)
    def walk(step: Step) -> None:
        end.wait(60)
        raise ValueError("too late")

    async with app.test() as trial:
        await trial.publish(Step("a", 1))
        await trial.begun(walk)
        await trial.move("1m")
        end.set()
        await trial.settled()

        assert [letter.error_kind for letter in await trial.dead(walk)] == ["TimeoutError"]


@pytest.mark.contract("G18")
@pytest.mark.parametrize("yields", [False, True])
async def test_parts_of_a_thread_reach_the_reader_in_order(app: App, yields: bool) -> None:
    def walk(step: Step, ctx: Context) -> Arrived:
        for number in range(step.number):
            ctx.emit(f"{number} ")
            if number == 1 and ctx.attempt == 1:
                raise ConnectionError("cut")
        return Arrived(step.number)

    def walk_and_yield(step: Step, ctx: Context) -> Iterator[Arrived]:
        yield walk(step, ctx)

    app.on(Step, retry=Retry(attempts=2, base_s=0.1))(walk_and_yield if yields else walk)

    async with app.running():
        run = await app.start(Step("a", 40))
        text = ""
        async for part in run.stream():
            text = part.text if part.restarted else text + part.text

        assert await run.result(10) == Arrived(40)
        assert text.split() == [str(number) for number in range(40)]
