"""Collecting: what anything refers to is kept, what nothing does goes when it is idle, and never too early."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from vagus import App, Event, Reject
from vagus.app.bodies.collect import Collected, Keepers
from vagus.app.bodies.memory import MemoryBlobs
from vagus.app.effects.database import Row
from vagus.backend import Topic
from vagus.cli import main
from vagus.errors import InvalidArgument
from vagus.message.body.claim import PREFIX

pytestmark = pytest.mark.requirement("R65")

DAY_S = 86_400.0


def long(letter: str) -> str:
    return letter * 500_000


class Page(Event):
    text: str


class Other(Event):
    text: str


class Answer(Event, final=True):
    text: str


@pytest.fixture(params=["memory://", "sqlite:///bodies.db"])
def app(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.chdir(tmp_path)
    app = App(request.param, name="shop", blobs="bodies/")
    app.topic(Page, keep="1d")
    return app


def files() -> list[Path]:
    return [path for path in Path("bodies").rglob("*") if path.is_file()]


def age(by_s: float = 2 * DAY_S) -> None:
    for path in files():
        known = path.stat().st_mtime - by_s
        os.utime(path, (known, known))


def letters() -> set[str]:
    """The letters of which the bodies that are there consist."""
    return {chr(path.read_bytes()[20]) for path in files()}


async def test_body_of_an_event_that_is_kept_is_needed(app: App) -> None:
    async with app:
        await app.publish([Page(long("a")), Page(long("b"))])
        age()
        found = await app.collect_blobs()
    assert (found.needed, found.removed, len(files())) == (2, 0, 2)


async def test_body_that_nothing_refers_to_goes_when_it_is_idle(app: App) -> None:
    async with app:
        await app.publish([Page(long("a"))])
        assert app.blobs is not None
        await app.blobs.put("0" * 64, b"of an event that was never published")
        assert await app.collect_blobs() == Collected(needed=1, needed_bytes=files_size("a"), fresh=1, fresh_bytes=36)
        age()
        dry = await app.collect_blobs(dry_run=True)
        assert (dry.removed, dry.removed_bytes, dry.dry_run, len(files())) == (1, 36, True, 2)
        done = await app.collect_blobs()
        assert (done.removed, done.needed, letters()) == (1, 1, {"a"})


def files_size(letter: str) -> int:
    return next(path.stat().st_size for path in files() if chr(path.read_bytes()[20]) == letter)


async def test_letter_run_join_and_delayed_event_need_their_bodies(app: App) -> None:
    app.topic(Answer, keep="1d")

    @app.on(Page)
    async def answer(page: Page) -> Answer | None:
        if page.text == long("a"):
            raise Reject("dead")
        return Answer(long("b")) if page.text == "run" else None

    @app.join(Other, Page)
    async def both(other: Other, page: Page) -> None: ...

    async with app.test() as trial:
        await trial.start(Page("run"))
        await trial.publish(Page(long("a")))
        await trial.publish(Other(long("c")))
        await trial.publish(Page(long("d")), delay_s="3d")
        await trial.settled()
        await trial.move("20s")
        kept = trial._opened.bodies.store
        assert isinstance(kept, MemoryBlobs)

        found = await app.collect_blobs("10s")

        assert (found.needed, found.fresh, found.removed) == (3, 1, 0)
        await trial.move("4d")
        assert Page(long("d")) in trial.handled(answer)


async def test_letter_needs_its_body_when_its_topic_has_let_go() -> None:
    app = App("memory://", name="shop", blobs="bodies/")

    @app.on(Other)
    async def refuse(other: Other) -> None:
        if other.text == long("a"):
            raise Reject("dead")

    async with app.test() as trial:
        await trial.publish([Other(long("a")), Other(long("b"))])
        await trial.move("2d")
        await app.backend.drop(Topic("other"))
        kept = trial._opened.bodies.store
        assert isinstance(kept, MemoryBlobs)
        assert len(kept.contents) == 2

        found = await app.collect_blobs()

        assert (found.needed, found.removed) == (1, 1)
        (content,) = kept.contents.values()
        assert long("a").encode() in content


async def test_row_in_an_outbox_needs_its_body() -> None:
    name = "0" * 64
    row = Row(app="shop", event_id="e", topic="t", body=f"{PREFIX}{name}".encode(), content_type="", seq=3)

    class Database:
        async def waiting(self, app: str, after: int, limit: int) -> list[Row]:
            return [row] if after < row.seq and app == "shop" else []

    async with App("memory://", name="shop") as app:
        keepers = Keepers(app.backend, None, [("shop", Database())])  # type: ignore[list-item]
        assert await keepers.marked() == {name}


async def test_body_that_is_published_again_meanwhile_is_kept(app: App) -> None:
    async with app:
        assert app.blobs is not None
        await app.publish(Page(long("a")))
        await app.backend.drop(Topic("page"))
        age()
        marked = app.blobs.names
        again: list[bool] = []

        async def names(after: str, limit: int) -> Any:
            found = await marked(after, limit)
            if found and not again:
                again.append(True)
                await app.refresh()
                await app.publish(Page(long("a")))  # after the look, before the removal
            return found

        app.blobs.names = names  # type: ignore[method-assign]
        found = await app.collect_blobs()
        assert (found.removed, letters()) == (0, {"a"})


async def test_app_without_blobs_has_nothing_to_collect() -> None:
    async with App("memory://", name="shop") as app:
        with pytest.raises(InvalidArgument, match="has no blob store"):
            await app.collect_blobs()


# --- the command -----------------------------------------------------------------------------------------------------

APP = """
from vagus import App, Event

app = App("{url}", name="shop", blobs="bodies/")

class Page(Event):
    text: str

app.topic(Page, keep="1d")
bare = App("{url}", name="bare")
"""


def vagus(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(words))
    return done.exit_code, done.output


def write(url: str) -> None:
    Path("shop.py").write_text(APP.format(url=url), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_command_lists_and_collects(folder: Path) -> None:
    write("sqlite:///shop.db")
    assert vagus("blobs", "ls", "shop.py:app") == (0, "no bodies\n")
    text = msgspec.json.encode({"text": long("a")}).decode()
    Path("page.json").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, ["publish", "page", "-", "--app", "shop.py:app"], input=text)
    assert done.exit_code == 0, done.output
    other = Path("bodies/00") / ("0" * 64)
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(b"x" * 1_000)
    age()

    code, out = vagus("blobs", "ls", "shop.py:app")
    assert (code, out.count("500 kB"), out.count("1 kB")) == (0, 1, 1)
    code, out = vagus("blobs", "ls", "shop.py:app", "--json")
    assert sorted(info["size"] for info in msgspec.json.decode(out)) == [1_000, len(text)]

    code, out = vagus("blobs", "collect", "shop.py:app", "--dry-run")
    assert (code, out) == (0, "would remove 1 (1 kB); 1 body needed (500 kB); 0 too fresh to tell (0 B)\n")
    assert other.exists()
    code, out = vagus("blobs", "collect", "shop.py:app", "--json")
    assert (code, msgspec.json.decode(out)["removed"], other.exists()) == (0, 1, False)
    code, out = vagus("blobs", "collect", "shop.py:app", "--grace", "0s")
    assert (code, out.startswith("removed 0 (0 B); 1 body needed")) == (0, True)


def test_command_refuses_an_app_without_blobs_and_one_in_memory(folder: Path) -> None:
    write("memory://")
    code, out = vagus("blobs", "ls", "shop.py:bare")
    assert (code, "has no blob store" in out) == (2, True)
    code, out = vagus("blobs", "collect", "shop.py:app")
    assert (code, "cannot see it" in out) == (2, True)
