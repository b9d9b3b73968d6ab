"""Large bodies on their way: transparent for every reader, and what is wrong with one is said and survived."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vagus import App, Context, Event, Retry, SqlEffects
from vagus.app.bodies.memory import MemoryBlobs
from vagus.backend import First
from vagus.blobs.folder import FolderBlobs
from vagus.errors import BodyMissing, DiskFull, EventTooLarge, InvalidArgument
from vagus.reliability.dead import open_letters

pytestmark = pytest.mark.requirement("R65")

LONG = "word " * 100_000


class Page(Event, key="name"):
    name: str
    text: str = LONG


class Summary(Event):
    text: str


class Answer(Event, final=True):
    text: str


Make = Callable[..., App]


@pytest.fixture(params=["memory://", "sqlite:///bodies.db"])
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.chdir(tmp_path)

    def made(**options: Any) -> App:
        app = App(request.param, name="shop", **{"blobs": "bodies/", **options})
        app.topic(Page, keep="1d")
        app.topic(Answer, keep="1d")
        return app

    return made


def files() -> list[Path]:
    return sorted(path for path in Path("bodies").rglob("*") if path.is_file())


async def until(done: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not done():
            await asyncio.sleep(0.01)


async def test_handler_run_and_output_are_whole_and_the_log_is_small(make: Make) -> None:
    app = make()

    @app.on()
    async def read(page: Page) -> Answer:
        return Answer(page.text.upper())

    async with app.running():
        run = await app.start(Page("a"))
        assert await run.result(20) == Answer(LONG.upper())
        assert await app.run_of(run.id).result(20) == Answer(LONG.upper())
        records = [*await app.backend.read("page", First(), 10), *await app.backend.read("answer", First(), 10)]
        assert [len(record.envelope.body) < 1_000 for record in records] == [True, True]
    assert len(files()) == 2


async def test_batches_threads_and_streams_of_events_are_whole(make: Make) -> None:
    app, seen = make(), dict[str, list[str]]()

    @app.on(batch=5)
    async def many(pages: list[Page]) -> None:
        seen.setdefault("many", []).extend(page.text for page in pages)

    @app.on()
    def thread(page: Page) -> None:
        seen.setdefault("thread", []).append(page.text)

    @app.on(effects=True)
    async def once(page: Page) -> None:
        seen.setdefault("once", []).append(page.text)

    @app.on("page")
    async def plain(page: dict, ctx: Context) -> None:
        assert ctx.event.dataref is not None
        seen.setdefault("plain", []).append(page["text"])

    async with app.running():
        await app.publish([Page(f"{number}") for number in range(4)])
        await until(lambda: sum(map(len, seen.values())) == 16)
    assert {name: set(texts) for name, texts in seen.items()} == {name: {LONG} for name in seen}


async def test_join_gets_what_arrived_before_by_reference(make: Make) -> None:
    app, seen = make(), list[Any]()

    @app.join(Page, Summary)
    async def both(page: Page, summary: Summary) -> None:
        seen.append((page, summary))

    @app.on(Answer)
    async def split(answer: Answer) -> list[Any]:
        return [Page("a"), Summary(LONG)]

    async with app.running():
        await app.publish(Answer("go"))
        await until(lambda: seen)
    assert seen == [(Page("a"), Summary(LONG))]


async def test_body_within_the_limit_travels_with_its_event(make: Make) -> None:
    app = make(body_limit=10_000)
    app.topic(Answer, body_limit=1_000)
    async with app:
        await app.publish(Page("a", "x" * 5_000))
        assert files() == []
        await app.publish(Answer("x" * 5_000))
        assert len(files()) == 1


async def test_transaction_and_outbox_keep_bodies_before_rows(make: Make) -> None:
    app, effects, seen = make(), SqlEffects("shop.db"), list[str]()
    orders = app.outbox(effects)

    @app.on(Page, effects=effects)
    def answer(page: Page, db: sqlite3.Connection) -> Answer:
        return Answer(page.text)

    @app.on(Answer)
    async def hear(answer: Answer) -> None:
        seen.append(answer.text)

    async with app.running():
        async with orders.begin() as box:
            await box.publish(Page("a"))
            assert len(files()) == 1
        await until(lambda: seen)
    assert seen == [LONG]


async def test_missing_body_is_tried_again_and_its_letter_says_why(make: Make) -> None:
    app, seen = make(), list[str]()

    @app.on(retry=Retry(attempts=2, base_s=0.1))
    async def read(page: Page) -> None:
        seen.append(page.name)

    async with app.running():
        pass
    async with app:
        await app.publish([Page("lost", LONG + "!"), Page("kept")])
    if app.url.startswith("memory"):
        return  # it went with its process
    (lost,) = [
        path for path in files() if path.stat().st_size > len(Page("kept").text) + 30 or b"!" in path.read_bytes()
    ]
    content = lost.read_bytes()
    lost.unlink()

    async with app.running():
        await until(lambda: seen)
        async with asyncio.timeout(20):
            while not (letters := open_letters(await app.backend.read("$dead.shop.read", First(), 10))):
                await asyncio.sleep(0.05)
        (state,) = letters.values()
        assert state.letter.error_kind.endswith("BodyMissing")
        assert (state.letter.attempts, state.letter.event_type) == (2, "page")
        lost.write_bytes(content)
        await app.redrive("read")
        await until(lambda: len(seen) == 2)
    assert seen == ["kept", "lost"]


@pytest.mark.parametrize("batch", [None, 5])
async def test_body_that_was_changed_is_never_handled(make: Make, batch: int | None) -> None:
    app, seen = make(), list[Any]()

    if batch is None:

        @app.on(Page, retry=1, group="shop.read")
        async def read(page: Page) -> None:
            seen.append(page)

    else:

        @app.on(Page, retry=1, group="shop.read", batch=batch)
        async def read_many(pages: list[Page]) -> None:
            seen.extend(pages)

    class Liar(FolderBlobs):
        async def get(self, name: str) -> bytes | None:
            return (await super().get(name) or b"").replace(b"word", b"wort")

    app.blobs = Liar("bodies")
    async with app.running():
        await app.publish(Page("a"))
        async with asyncio.timeout(20):
            while not (letters := open_letters(await app.backend.read("$dead.shop.read", First(), 10))):
                await asyncio.sleep(0.05)
    (state,) = letters.values()
    assert (state.letter.error_kind.rpartition(".")[2], seen) == ("BodyCorrupt", [])


async def test_reader_without_a_store_says_what_it_needs(make: Make) -> None:
    app = make()
    async with app:
        if not app.capabilities.durable:
            return
        await app.publish(Page("a"))
    other = make(blobs=None)

    @other.on(retry=1, start="first")
    async def read(page: Page) -> None: ...

    async with other.running():
        async with asyncio.timeout(20):
            while not (letters := open_letters(await other.backend.read("$dead.shop.read", First(), 10))):
                await asyncio.sleep(0.05)
    (state,) = letters.values()
    assert "is in a blob store, and this app names none" in state.letter.error_message


async def test_body_that_cannot_be_kept_is_not_published(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make()

    def full(path: Any, *rest: Any, **more: Any) -> Any:
        raise OSError(28, "No space left on device")

    async with app:
        monkeypatch.setattr(os, "replace", full)
        with pytest.raises(DiskFull):
            await app.publish(Page("a"))
        assert await app.backend.read("page", First(), 10) == []
        await app.publish(Page("small", "x"))


async def test_output_whose_body_cannot_be_kept_yet_is_not_lost(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    app, replace, failures = make(), os.replace, list[int]()

    def full_once(*paths: Any) -> None:
        if not failures:
            failures.append(1)
            raise OSError(28, "No space left on device")
        replace(*paths)

    @app.on(Summary)
    async def answer(summary: Summary) -> Answer:
        return Answer(LONG)

    async with app.running():
        monkeypatch.setattr(os, "replace", full_once)
        run = await app.start(Summary("short"))
        assert await run.result(20) == Answer(LONG)
    assert failures == [1]


async def test_without_blobs_the_limit_stands_and_the_hint_names_them(make: Make) -> None:
    app = make(blobs=None)
    async with app:
        with pytest.raises(EventTooLarge) as refused:
            await app.publish(Page("a", "x" * 2_000_000))
    assert "blobs=" in refused.value.hint


@pytest.mark.parametrize("limit", [0, 999, True, "1MB"])
def test_body_limit_that_makes_no_sense_is_refused(tmp_path: Path, limit: Any) -> None:
    with pytest.raises(InvalidArgument, match="body_limit: expected"):
        App("memory://", name="shop", blobs=tmp_path, body_limit=limit)


def test_body_limit_of_a_topic_needs_a_store() -> None:
    with pytest.raises(InvalidArgument, match="body_limit needs a blob store"):
        App("memory://", name="shop").topic(Page, body_limit=5_000)


async def test_app_under_test_keeps_bodies_to_itself(make: Make) -> None:
    app = make()

    @app.on()
    async def read(page: Page) -> Answer:
        return Answer(page.text)

    async with app.test() as trial:
        run = await trial.start(Page("a"))
        assert await run.result() == Answer(LONG)
        assert trial.published() == [Page("a"), Answer(LONG)]
        assert trial.handled() == [Page("a")]
        assert isinstance(trial._opened.bodies.store, MemoryBlobs)
    assert files() == []


READER = """
    import asyncio, sys
    from vagus import App, Event

    app = App("sqlite:///two.db", name="shop", blobs="bodies")

    class Page(Event, key="name"):
        name: str
        text: str

    @app.on(Page, start="first")
    async def read(page: Page) -> None:
        print(page.name, len(page.text), flush=True)
        app.stop()

    asyncio.run(app.work())
"""


async def test_another_process_reads_what_this_one_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = App("sqlite:///two.db", name="shop", blobs="bodies")
    app.topic(Page, keep="1d")
    async with app:
        await app.publish(Page("a"))

    command = [sys.executable, "-c", textwrap.dedent(READER)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)

    assert done.stdout == f"a {len(LONG)}\n", done.stderr


def test_error_of_a_missing_body_is_one_that_is_tried_again() -> None:
    assert BodyMissing.__mro__[1].__name__ == "BackendError"
