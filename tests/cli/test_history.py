"""`vagus replay`, `export` and `import` as people type them: what they print, leave, and end with."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Say
from vagus import App
from vagus.backend import After, First

APP = """
from vagus import App, Event, Retry

app = App("sqlite:///shop.db", name="shop")


class Visit(Event, topic="click", key="user"):
    user: str


@app.on(Visit, retry=Retry(attempts=1))
async def count(visit: Visit) -> None:
    if visit.user == "bad":
        raise ValueError("no such user")
"""

FILL = """
import asyncio
from app import Visit, app

async def fill():
    async with app.running():
        await app.publish([Visit("ann"), Visit("bob"), Visit("cat")])
        while (await app.backend.stats("shop.count"))[0].acked < 3:
            await asyncio.sleep(0.01)
    async with app:
        await app.publish(Visit("new"))

asyncio.run(fill())
"""


@pytest.fixture
def shop(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an app.py whose group has handled three events, and has one to come."""
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("app", None)
    exec(FILL, {"__name__": "fill"})
    yield tmp_path
    sys.modules.pop("app", None)


def figures(folder: Path, group: str = "shop.count") -> tuple[int, int, int]:
    async def look() -> tuple[int, int, int]:
        async with App(f"sqlite:///{folder}/shop.db", name="look") as app:
            (books,) = await app.backend.stats(group)
            return books.acked, books.replayed, books.ready

    return asyncio.run(look())


@pytest.mark.requirement("R94", "R76")
@pytest.mark.contract("G14")
def test_replay_beside_needs_no_more_than_a_time_and_a_name(say: Say, shop: Path) -> None:
    dry = say("replay", "--since", "3d", "--to", "side:fix", "--dry-run")
    told = say("replay", "--since", "3d", "--to", "side:fix")

    assert "4 events would be replayed; nothing was moved" in dry.out
    assert (told.code, told.out) == (0, "shop.count.side.fix: 4 events of 4 handled in generation 1; dropped\n")
    assert figures(shop) == (3, 0, 1)


def test_replay_into_the_group_moves_its_cursor(say: Say, shop: Path) -> None:
    dry = json.loads(say("replay", "--from-start", "--to", "group", "--dry-run", "--json").out)
    told = say("replay", "--from-start", "--to", "group")

    assert [(row["to"], row["topic"], row["events"]) for row in dry] == [("shop.count", "click", 4)]
    assert told.out == "3 events handed out again to shop.count in generation 1\n"
    assert figures(shop) == (3, 3, 4)


def test_replay_of_a_key_goes_through_the_inbox(say: Say, shop: Path) -> None:
    told = say("replay", "click", "--from-position", "2", "--key", "bob", "--key", "ann", "--to", "group", "--json")

    done = json.loads(told.out)
    assert (done["group"], done["count"], done["resumed"]) == ("shop.count", 1, 0)
    assert figures(shop) == (3, 1, 2)


def test_replay_into_a_file_writes_lines(say: Say, shop: Path) -> None:
    words = ("replay", "--from-start", "--where", "user=bob", "--to", "file:out.jsonl")
    told, again, forced = say(*words), say(*words), say(*words, "--force", "--json")

    assert (told.code, told.out) == (0, "1 event written to out.jsonl\n")
    assert (again.code, json.loads(forced.out)["count"]) == (2, 1)
    assert json.loads((shop / "out.jsonl").read_text())["event"]["data"] == {"user": "bob"}


def test_side_group_with_a_dead_letter_ends_with_one_and_stays(say: Say, shop: Path) -> None:
    say("publish", "click", '{"user": "bad"}', "--app", "app:app")
    told = say("replay", "--from-start", "--to", "side:fix")
    letters = json.loads(say("dead", "ls", "shop.count.side.fix", "--url", "sqlite:///shop.db", "--json").out)

    assert told.code == 1
    assert "4 events of 5 handled, 1 dead letter in generation 1; kept" in told.out
    assert len(letters) == 1
    assert figures(shop) == (3, 0, 2)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--to", "side:fix"], "expected one of --since"),
        (["--since", "1d", "--from-start", "--to", "group"], "expected one of --since"),
        (["--since", "1d", "--to", "nowhere"], "expected group, side:NAME or file:PATH"),
        (["--since", "1d", "--to", "side:"], "expected group, side:NAME or file:PATH"),
        (["--since", "soon", "--to", "group"], "no point in time"),
        (["--since", "1d", "--to", "group", "--keep"], "--keep means nothing with --to group"),
        (["--since", "1d", "--to", "side:fix", "--rate", "fast"], "events per second"),
        (["--since", "1d", "--to", "group", "--group", "slip"], "no group 'slip'"),
        (["--from-position", "3", "--to", "group"], "a place in one topic"),
        (["visit.click", "--since", "1d", "--to", "side:fix"], "there is no topic 'visit.click'"),
        (["--since", "1d", "--to", "group", "--where", "user"], "names no field and value"),
        (["not a topic", "--since", "1d", "--to", "group"], "not a legal topic"),
    ],
)
def test_wrong_words_of_a_replay_say_what_was_expected(words: list[str], expected: str, say: Say, shop: Path) -> None:
    told = say("replay", *words)

    assert (told.code, told.out) == (2, "")
    assert expected in told.err
    assert figures(shop) == (3, 0, 1)


def test_side_without_an_app_here_asks_for_one(say: Say, url: str) -> None:
    told = say("replay", "--since", "1d", "--to", "side:fix", "--url", url)

    assert told.code == 2
    assert "expected --app" in told.err


@pytest.mark.requirement("R77")
def test_export_and_import_make_a_copy(say: Say, url: str, tmp_path: Path) -> None:
    told = say("export", "--url", url, "-o", "all.jsonl")
    first = say("import", "all.jsonl", "--url", "sqlite:///copy.db", "--topic-prefix", "old")
    again = say("import", "all.jsonl", "--url", "sqlite:///copy.db", "--topic-prefix", "old", "--json")
    out = say("export", "click", "--where", "user=ann", "--url", url)

    lines = len((tmp_path / "all.jsonl").read_text().splitlines())
    assert f"{lines} events" in told.err
    assert first.out.startswith(f"{lines} events stored in ")
    assert (json.loads(again.out)["stored"], json.loads(again.out)["duplicates"]) == (0, lines)
    assert [json.loads(line)["event"]["data"] for line in out.out.splitlines()] == [{"user": "ann"}]
    assert asyncio.run(_topics(f"sqlite:///{tmp_path}/copy.db"))["old.click"] == 2


async def _topics(url: str) -> dict[str, int]:
    async with App(url, name="look") as app:
        there = [info.spec.name for info in (await app.backend.describe()).topics]
        return {name: len(await app.backend.read(name, First(), 100)) for name in there}


def test_import_names_bad_lines_and_ends_with_one(say: Say, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('nonsense\n{"specversion":"1.0","id":"1","source":"s","type":"t"}\n')
    told = say("import", "in.jsonl", "--url", "sqlite:///new.db")
    missing = say("import", "no.jsonl", "--url", "sqlite:///new.db")

    assert (told.code, told.out) == (1, "1 event stored in 1 topic, 1 line not stored\n")
    assert told.err.startswith("line 1: the line is not JSON")
    assert missing.code == 2
    assert "cannot read 'no.jsonl'" in missing.err


async def _talk(url: str) -> tuple[str, str]:
    """Two sessions over two topics, one after the other; return the trace and the run of the second event."""
    async with App(url, name="talk") as app:
        for topic in ("asked", "answered"):
            app.topic(topic, keep="1d")
        await app.refresh()
        for topic, session in (("asked", "s1"), ("asked", "s2"), ("answered", "s1"), ("answered", "s2")):
            last = await app.publish({"session": session}, topic=topic, key=session)
            await asyncio.sleep(0.02)  # so that they were stored one after the other
        (record,) = await app.backend.read("asked", After(1), 1)
        trace = json.loads(record.envelope.body)["traceparent"].split("-")[1]
        assert last.position == 2
        return trace, json.loads(record.envelope.body)["correlationid"]


@pytest.mark.requirement("R76", "R125")
def test_events_are_listed_by_session_trace_and_run(say: Say, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/talk.db"
    trace, run = asyncio.run(_talk(url))

    def listed(*words: str) -> list[tuple[str, str]]:
        told = say("tail", "--no-follow", "--json", "--url", url, *words)
        assert told.code == 0, told.err
        lines = [json.loads(line) for line in told.out.splitlines()]
        return [(line["topic"], line["key"]) for line in lines]

    assert listed("--key", "s1") == [("asked", "s1"), ("answered", "s1")]
    assert listed("--trace", trace) == [("asked", "s2")]
    assert listed("--run", run) == [("asked", "s2")]
    assert listed("--where", "session=s2", "--type", "bill.#") == []
    assert listed("--where", "session=s2", "--type", "answered") == [("answered", "s2")]
    assert len(listed()) == 4
    assert len(listed("-n", "2")) == 2
