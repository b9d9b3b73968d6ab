"""An agent that starts its own background work: each event schedules the next one, whoever dies in between."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from vagus import App, Context, Event
from vagus.clock import ManualClock


class MailCheck(Event):
    number: int


def agent(url: str, clock: ManualClock, checked: list[tuple[int, float]]) -> App:
    app = App(url, name="agent", clock=clock)

    @app.on(MailCheck)
    async def check_mail(check: MailCheck, ctx: Context) -> None:
        checked.append((check.number, clock.now()))
        ctx.publish(MailCheck(check.number + 1), delay_s="10m")

    return app


async def quiet(app: App, handled: int) -> None:
    """Wait until the agent has handled so many checks, and the next one is stored."""
    async with asyncio.timeout(20):
        while (await app.backend.stats("agent.check_mail"))[0].acked < handled:
            await asyncio.sleep(0.01)


@pytest.mark.requirement("R126")
@pytest.mark.contract("G10")
async def test_agent_that_schedules_its_next_check_outlives_restarts(tmp_path: Path) -> None:
    url, clock, checked = f"sqlite:///{tmp_path}/agent.db", ManualClock(), []
    start = clock.now()
    async with agent(url, clock, checked).running() as app:
        await app.publish(MailCheck(0))
        await quiet(app, 1)

    clock.move(9 * 60)  # nobody is there, and it is not due yet
    async with agent(url, clock, checked).running() as app:
        await app.stats()
        assert [number for number, _ in checked] == [0]
        clock.move(60)
        await quiet(app, 2)

    clock.move(3_600)  # due long ago when the agent comes back: once, not six times
    async with agent(url, clock, checked).running() as app:
        await quiet(app, 3)

    assert [(number, at - start) for number, at in checked] == [(0, 0), (1, 600), (2, 4_200)]


@pytest.mark.requirement("R126")
@pytest.mark.contract("G10", "G12")
async def test_agent_whose_worker_dies_schedules_its_next_check_once() -> None:
    checked: list[tuple[int, float]] = []
    app = App("memory://", name="agent")

    @app.on(MailCheck)
    async def check_mail(check: MailCheck, ctx: Context) -> None:
        checked.append((check.number, 0.0))
        ctx.publish(MailCheck(check.number + 1), delay_s="10m")

    async with app.test() as trial:
        trial.lose_next(check_mail)
        await trial.publish(MailCheck(0))
        await trial.move("35m")
        assert [number for number, _ in checked] == [0, 0, 1, 2, 3]


@pytest.mark.requirement("R27")
async def test_app_that_idles_for_a_minute_says_next_to_nothing(caplog: pytest.LogCaptureFixture) -> None:
    app = App("memory://", name="idle")

    for name in ("one", "two", "three", "four", "five"):

        @app.on(MailCheck, group=name)
        async def check(event: MailCheck) -> None: ...

    with caplog.at_level(logging.INFO):
        async with app.test() as trial:
            await trial.move("60s")
            begun = len(caplog.records)

    assert begun <= 1, [record.getMessage() for record in caplog.records]
    assert len(caplog.records) <= begun + 5, "one line for each handler that stops"


@pytest.mark.requirement("R27")
async def test_events_that_pass_leave_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    app = App("memory://", name="busy")

    @app.on(MailCheck)
    async def check(event: MailCheck) -> None: ...

    with caplog.at_level(logging.INFO):
        async with app.test() as trial:
            await trial.publish([MailCheck(number) for number in range(500)])
            await trial.settled()
            assert len(trial.handled(check)) == 500
            assert [record.getMessage() for record in caplog.records] == []
