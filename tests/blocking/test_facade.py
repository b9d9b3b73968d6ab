"""An app for code that cannot await: plain functions, from any thread, beside a running loop, closed for good."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vagus import App, Context, Event, Reject, SyncApp
from vagus.errors import (
    ConnectFailed,
    ForkedAfterOpen,
    InvalidArgument,
    NoGroup,
    NotStarted,
    RunFailed,
    RunTimeout,
    UsageError,
)


class Query(Event):
    text: str


class Answer(Event, final=True):
    text: str


class Nobody(Event):
    text: str


@pytest.fixture
def app(tmp_path: Path) -> App:
    app = App(f"sqlite:///{tmp_path}/shop.db", name="shop")

    @app.on(Query)
    async def answer(query: Query, ctx: Context) -> Answer:
        if query.text == "bad":
            raise Reject("no answer to that")
        for word in query.text.split():
            await ctx.emit(word)
        return Answer(query.text.upper())

    return app


@pytest.fixture
def shop(app: App) -> Iterator[SyncApp]:
    with app.sync(handle=True) as shop:
        yield shop


def test_publish_start_stream_and_request_are_plain_functions(shop: SyncApp) -> None:
    assert shop.publish(Query("a b")).topic == "query"
    assert [receipt.duplicate for receipt in shop.publish([Query("c"), Query("d")])] == [False, False]

    run = shop.start(Query("one two"))

    assert [part.text for part in run.stream()] == ["one", "two"]
    assert run.result(10) == Answer("ONE TWO")
    assert run.status() == "done"
    assert shop.run_of(run.id).result(10) == Answer("ONE TWO")
    assert shop.request(Query("hi"), Answer, timeout=10) == Answer("HI")
    assert shop.stats().groups[0].group == "shop.answer"


@pytest.mark.contract("G7")
def test_dead_letters_are_looked_at_redriven_and_discarded(shop: SyncApp, app: App) -> None:
    run = shop.start(Query("bad"))
    with pytest.raises(RunFailed, match="no answer to that"):
        run.result(10)

    (letter,) = shop.dead()
    assert (letter.reason, letter.group) == ("rejected", "shop.answer")
    assert shop.redrive("answer", ids=["nothing"]) == 0
    assert shop.redrive("answer", ids=[letter.id]) == 1
    shop.wait(until_dead_again(app))

    assert [again.generation for again in shop.dead("answer")] == [1]
    assert shop.discard("answer") == 1
    assert shop.dead("shop.answer") == []


async def until_dead_again(app: App) -> None:
    async with asyncio.timeout(10):
        while not await app.dead():
            await asyncio.sleep(0.01)


async def test_it_works_where_a_loop_is_running_already(shop: SyncApp) -> None:
    assert asyncio.get_running_loop().is_running()
    assert shop.request(Query("in a notebook"), Answer) == Answer("IN A NOTEBOOK")


def test_several_threads_may_ask_at_once(shop: SyncApp) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda number: shop.request(Query(f"q{number}"), Answer), range(40)))

    assert found == [Answer(f"Q{number}") for number in range(40)]


def test_errors_come_out_as_they_are(shop: SyncApp, tmp_path: Path) -> None:
    with pytest.raises(NoGroup, match="'nobody'"):
        shop.publish(Nobody("x"))
    with pytest.raises(InvalidArgument, match="unknown option 'tpoic'"):
        shop.publish(Query("x"), tpoic="y")
    with pytest.raises(RunTimeout):
        shop.wait(waits())
    with pytest.raises(ConnectFailed):
        App(f"sqlite:///{tmp_path}/nowhere/x.db", name="shop").sync()
    assert not [thread for thread in threading.enumerate() if "nowhere" in thread.name]


async def waits() -> None:
    raise RunTimeout("not yet")


def test_closed_one_says_so_and_closing_twice_is_nothing(app: App) -> None:
    shop = app.sync()
    run = shop.start(Query("x"))
    shop.close()
    shop.close()

    with pytest.raises(NotStarted, match="app 'shop' is closed"):
        shop.publish(Query("y"))
    with pytest.raises(NotStarted, match="app 'shop' is closed"):
        run.result()
    with app.sync(handle=True) as again:
        assert again.run_of(run.id).result(10) == Answer("X")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vagus app")]


def test_call_that_waits_while_it_is_closed_is_told(app: App) -> None:
    shop = app.sync()
    run = shop.start(Query("nobody handles it"))
    begun = threading.Event()
    told: list[BaseException] = []

    def wait() -> None:
        begun.set()
        try:
            run.result()
        except NotStarted as error:
            told.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    begun.wait(10)
    shop.close()
    waiter.join(10)

    assert "closed" in str(told[0])


def test_async_handler_that_would_wait_for_itself_is_told(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/shop.db", name="shop")
    told: list[str] = []

    @app.on(Query)
    async def answer(query: Query) -> Answer:
        try:
            shop.publish(Query("again"))
        except UsageError as error:
            told.append(error.what)
        return Answer("done")

    with app.sync(handle=True) as shop:
        assert shop.request(Query("x"), Answer) == Answer("done")
    assert "called from a handler that runs on its own loop" in told[0]


def test_sync_handler_may_use_it_from_its_thread(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/shop.db", name="shop")

    @app.on(Query)
    def first(query: Query) -> Answer:
        return shop.request(Nobody(query.text), Answer)  # type: ignore[no-any-return]

    @app.on(Nobody)
    def second(nobody: Nobody) -> Answer:
        return Answer(nobody.text * 2)

    with app.sync(handle=True) as shop:
        assert shop.request(Query("x"), Answer) == Answer("xx")


async def test_under_test_it_is_refused(app: App) -> None:
    async with app.test():
        with pytest.raises(InvalidArgument, match="this is a trial"):
            app.sync()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_child_is_told_and_the_parent_goes_on(app: App, tmp_path: Path) -> None:
    script = f"""
import os, sys
from vagus import App, Event
from vagus.errors import ForkedAfterOpen

class Query(Event):
    text: str

app = App("sqlite:///{tmp_path}/fork.db", name="shop")
app.topic(Query, keep="1d")
with app.sync() as shop:
    pid = os.fork()
    if pid == 0:
        try:
            shop.publish(Query("child"))
        except ForkedAfterOpen as error:
            shop.close()
            os._exit(7 if "before this process was forked" in str(error) else 1)
        os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(code, shop.publish(Query("parent")).duplicate)
"""
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=60)

    assert (told.stdout, told.stderr) == ("7 False\n", "")
    assert ForkedAfterOpen.code == "V106"
