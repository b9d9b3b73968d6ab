"""The board: what is wanted outlives everybody, and every change reaches every open app and is kept as the record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from vagus import App, ControlEvent
from vagus.app.steering.board import Board, News, board_beside
from vagus.app.steering.wanted import Subject
from vagus.backend import First, Put, Record, Topic, Unit
from vagus.clock import SystemClock
from vagus.message import DEFAULT_WIRE, Envelope, decode, event_type

GROUP = Subject("group", "shop.answer")


@asynccontextmanager
async def board_of(url: str, namespace: str | None = None) -> AsyncIterator[Board]:
    app = App(url, name="shop", namespace=namespace)
    async with app.running():
        board = app._opened().board
        assert board is not None
        yield board


def read(record: Record) -> ControlEvent:
    event = decode(event_type(ControlEvent), record.envelope, DEFAULT_WIRE, "vagus.control").data
    assert isinstance(event, ControlEvent)
    return event


async def heard(board: Board, state: str | None) -> None:
    """Wait until the board has heard what is wanted of the group, without asking for it."""
    changed = asyncio.Event()
    end = board.listen(lambda news: changed.set())
    async with asyncio.timeout(20):
        while (found.state if (found := board.wanted(GROUP)) else None) != state:
            changed.clear()
            await changed.wait()
    end()


@pytest.mark.contract("G16")
async def test_change_reaches_every_open_app_by_a_push(url: str) -> None:
    async with board_of(url) as one, board_of(url) as other:
        await one.change("pause", GROUP, "paused")
        await heard(other, "paused")
        await other.change("resume", GROUP, None)
        await heard(one, None)


@pytest.mark.contract("G16")
async def test_what_is_wanted_is_known_to_an_app_that_opens_later(url: str) -> None:
    async with board_of(url):
        async with board_of(url) as one:
            await one.change("pause", GROUP, "paused", why="the model is down")
        async with board_of(url) as later:
            found = later.wanted(GROUP)
    assert found is not None
    assert (found.state, found.why) == ("paused", "the model is down")


@pytest.mark.contract("G16")
async def test_every_change_is_kept_as_the_record_of_who_did_it(url: str) -> None:
    async with board_of(url) as board:
        await board.change("pause", GROUP, "paused", why="too hot")
        await board.change("resume", GROUP, None)
        records = await board._backend.read("vagus.control", First(), 10)

    events = [read(record) for record in records]
    assert [(e.action, e.subject, e.name, e.before, e.after, e.why) for e in events] == [
        ("pause", "group", "shop.answer", "running", "paused", "too hot"),
        ("resume", "group", "shop.answer", "paused", "running", ""),
    ]
    assert all("@" in event.who and "/" in event.who for event in events)


async def test_change_to_what_is_wanted_already_is_no_change(url: str) -> None:
    async with board_of(url) as board:
        first = await board.change("pause", GROUP, "paused")
        again = await board.change("pause", GROUP, "paused")
        records = await board._backend.read("vagus.control", First(), 10)

    assert (first.anything, again.anything, len(records)) == (True, False, 1)


async def test_changes_at_the_same_time_are_made_one_after_the_other(url: str) -> None:
    async with board_of(url) as one, board_of(url) as other:
        await asyncio.gather(
            *(board.change("note", GROUP, f"state {n}", facts={"n": n}) for n in range(5) for board in (one, other))
        )
        events = [read(record) for record in await one._backend.read("vagus.control", First(), 100)]

    assert [event.before for event in events[1:]] == [event.after for event in events[:-1]]


async def test_process_that_has_only_a_backend_tells_apps_of_every_namespace(url: str) -> None:
    async with board_of(url, "prod") as prod, board_of(url) as plain:
        beside = await board_beside(plain._backend, SystemClock())
        await beside.change("pause", GROUP, "paused")
        await heard(prod, "paused")
        await heard(plain, "paused")


async def test_announcement_is_told_and_nothing_is_wanted_by_it(url: str) -> None:
    told: list[News] = []
    came = asyncio.Event()

    def hear(news: News) -> None:
        told.append(news)
        came.set()

    async with board_of(url) as one, board_of(url) as other:
        other.listen(hear)
        await one.announce("joined", Subject("member", "shop.answer", "m1"), epoch=3)
        async with asyncio.timeout(20):
            await came.wait()
        assert one.wanted(Subject("member", "shop.answer", "m1")) is None
    assert told[0] is not None
    assert (told[0].action, told[0].member, told[0].facts) == ("joined", "m1", {"epoch": 3})


async def test_listener_that_fails_does_not_keep_others_from_hearing(url: str) -> None:
    def fail(news: News) -> None:
        raise ValueError("no")

    async with board_of(url) as one, board_of(url) as other:
        other.listen(fail)
        await one.change("pause", GROUP, "paused")
        await heard(other, "paused")


async def test_foreign_text_on_the_control_topic_is_passed_over(url: str) -> None:
    async with board_of(url) as one, board_of(url) as other:
        await one._backend.commit([Unit([Put(Topic("vagus.control"), Envelope(b"no event"), heard=False)])])
        await one.change("pause", GROUP, "paused")
        await heard(other, "paused")
