"""What `vagus doctor` finds: each kind of finding is planted once, on a real backend or in what was looked at."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Say
from vagus import App, Event, Retry
from vagus.app.steering.board import board_beside
from vagus.app.steering.wanted import Subject, Wanted
from vagus.backend import Catalogue, Envelope, Figures, GroupInfo, GroupSpec, MemberInfo, Record, TopicInfo, TopicSpec
from vagus.backends.memory.backend import CAPABILITIES
from vagus.cli.commands.doctor import examine
from vagus.cli.findings import findings
from vagus.cli.findings.examined import Examined, Finding
from vagus.clock import SystemClock

DAY_S = 86_400.0


class Click(Event):
    user: str


class Counted(Event):
    user: str


def group(name: str = "shop.count", *, idle_s: float | None = None, **more: Any) -> GroupInfo:
    members = more.pop(
        "members", () if idle_s is not None else (MemberInfo(name="m1", named=False, seen_s=0.1, held=0),)
    )
    return GroupInfo(spec=GroupSpec(name=name, patterns=("click",), **more), members=members, idle_s=idle_s)


def topic(name: str = "click", **more: Any) -> TopicInfo:
    counts = {"kept": 0, "scheduled": 0, "stored": 0, "duplicates": 0, "unheard": 0, "groups": ("shop.count",)} | more
    return TopicInfo(spec=TopicSpec(name=name), **counts)


def seen(*groups: GroupInfo, topics: tuple[TopicInfo, ...] = (), **more: Any) -> Examined:
    """What would be seen of a healthy durable backend that holds these."""
    capabilities = msgspec.structs.replace(CAPABILITIES, durable=True, shared=True)
    facts: dict[str, Any] = {"books": {}, "open_letters": {}, "recent": {}, "wanted": {}, "now": 1_000_000.0} | more
    return Examined(capabilities=capabilities, catalogue=Catalogue(topics, groups), **facts)


def said(examined: Examined) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in findings(examined)]


def books(name: str = "shop.count", **counts: int) -> dict[str, list[Figures]]:
    return {name: [Figures(group=name, **counts)]}


# --- groups and members ----------------------------------------------------------------------------------------------


def test_healthy_backend_gives_nothing_to_complain_about() -> None:
    assert findings(seen(group(), topics=(topic(stored=3, kept=3),), books=books(acked=3, matched=3))) == []


def test_backlog_that_nobody_works_on_is_a_problem() -> None:
    assert said(seen(group(idle_s=120.0), books=books(ready=3))) == [
        ("problem", "3 events in its backlog, and nobody has worked on it for 2m")
    ]


@pytest.mark.parametrize(("ready", "level"), [(0, "remark"), (5, "problem")])
def test_group_without_members_for_a_week_is_worth_dropping(ready: int, level: str) -> None:
    (found,) = findings(seen(group(idle_s=8 * DAY_S), books=books(ready=ready)))

    assert (found.level, found.hint) == (level, "vagus groups drop shop.count")
    assert "no member for 8d" in found.text


def test_silent_member_and_what_it_holds_are_told() -> None:
    member = MemberInfo(name="m1", named=False, seen_s=90.0, held=2)

    told = said(seen(group(members=(member,)), books=books(held=2)))

    assert told == [
        ("problem", "2 events held by a member that is gone, and nobody is there to take over"),
        ("remark", "member m1 was last heard of 1.5m ago (lease 30s); it holds 2 events"),
    ]


def test_held_events_of_a_group_without_members_are_orphans() -> None:
    assert said(seen(group(idle_s=5.0), books=books(held=1)))[0] == (
        "problem",
        "1 event held by a member that is gone, and nobody is there to take over",
    )


def test_short_lease_and_lost_leases_are_remarks() -> None:
    told = said(seen(group(lease_s=0.5), books=books(lost=2)))

    assert [level for level, _ in told] == ["remark", "remark"]
    assert told[1] == ("remark", "2 leases lapsed or ended with a worker; others took over")


@pytest.mark.parametrize(("ready", "level"), [(0, "remark"), (7, "problem")])
def test_paused_group_says_who_paused_it_and_what_waits(ready: int, level: str) -> None:
    wanted = {"shop.count": Wanted("paused", 1_000_000.0 - 120, "ann@host/7", why="the bank is closed")}

    (found,) = findings(seen(group(), books=books(ready=ready), wanted=wanted))

    assert (found.level, found.hint) == (level, "vagus resume shop.count")
    assert found.text == f"paused for 2m by ann@host/7 (the bank is closed); {ready} events waiting"


def test_paused_group_is_read_from_the_store_of_its_backend() -> None:
    async def scenario() -> dict[str, Wanted]:
        app = App("memory://", name="shop")

        @app.on(Click)
        async def count(click: Click) -> None: ...

        async with app:
            board = await board_beside(app.backend, SystemClock())
            await board.change("pause", Subject("group", "shop.count"), "paused", why="lunch")
            return (await examine(app.backend, app.capabilities)).wanted

    wanted = asyncio.run(scenario())

    assert [(name, one.state, one.why) for name, one in wanted.items()] == [("shop.count", "paused", "lunch")]


# --- letters, topics, clocks -----------------------------------------------------------------------------------------


def test_open_letters_come_before_remarks() -> None:
    told = findings(seen(group(), books=books(lost=1), open_letters={"shop.count": 2}))

    assert [finding.level for finding in told] == ["problem", "remark"]
    assert told[0].hint == "vagus dead ls shop.count"


def test_topic_that_nobody_reads_is_told_kept_or_not() -> None:
    topics = (topic("a", stored=4, kept=4, groups=()), topic("b", unheard=3, groups=()))

    assert said(seen(topics=topics)) == [
        ("remark", "nobody reads it, and it holds 4 events"),
        ("remark", "3 events not kept: nobody listened"),
    ]


def test_facts_of_our_own_that_nobody_heard_are_no_remark() -> None:
    topics = (topic("error_event", unheard=3, groups=()), topic("prod.join_timeout", unheard=1, groups=()))

    assert said(seen(topics=topics)) == []


def record(time_text: str, age_s: float) -> Record:
    event = {"specversion": "1.0", "id": "1", "source": "web/1", "type": "click", "time": time_text, "data": {}}
    return Record(1, Envelope(json.dumps(event).encode(), "application/cloudevents+json"), age_s)


NOON = 1_763_985_600.0  # 2025-11-24T12:00:00Z


@pytest.mark.parametrize(
    ("ahead_s", "age_s", "expected"),
    [
        (0, 2.0, []),
        (3, 2.0, []),
        (-3600, 2.0, []),  # delayed or sent again: stored long after its time by right
        (60, 2.0, ["the clock of web/1 is 1m ahead of the backend's: its expiry times come late"]),
        (0, -60.0, ["its newest event lies 1m in the future: clocks differ, delays and leases go by them"]),
    ],
)
def test_clocks_apart_are_told_by_the_newest_events(ahead_s: float, age_s: float, expected: list[str]) -> None:
    stored_at = NOON - age_s
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stored_at + ahead_s))

    told = said(seen(recent={"click": [record(text, age_s)]}, now=NOON))

    assert [text for _, text in told] == expected


def test_foreign_bytes_tell_no_time_and_stop_nobody() -> None:
    assert findings(seen(recent={"click": [Record(1, Envelope(b"\xff", "text/plain"), 1.0)]})) == []


# --- the code beside what is there -----------------------------------------------------------------------------------


def shop(url: str = "memory://", **options: Any) -> App:
    app = App(url, name="shop")

    @app.on(Click, **options)
    async def count(click: Click) -> Counted:
        return Counted(click.user)

    return app


def of_code(app: App, **more: Any) -> list[Finding]:
    return [found for found in findings(seen(*more.pop("groups", ()), app=app, **more)) if "Counted" not in found.text]


def test_output_that_nobody_reads_is_told_unless_it_is_kept() -> None:
    app = shop()
    before = [found.text for found in findings(seen(group(), app=app))]
    app.topic(Counted, keep="1d")

    assert before == ["its Counted events are read by no handler of the app, end no run and are not kept"]
    assert findings(seen(group(), app=app)) == []


def test_handler_that_was_never_started_here_is_told() -> None:
    (found,) = of_code(shop())

    assert (found.level, found.subject) == ("remark", "shop.count")
    assert "never started here" in found.text


def test_group_without_a_handler_any_more_is_a_problem() -> None:
    (found,) = of_code(shop(), groups=(group(), group("shop.old"), group("other.count")))

    assert (found.level, found.subject, found.hint) == ("problem", "shop.old", "vagus groups drop shop.old")


def test_other_mode_in_the_code_than_here_is_a_problem() -> None:
    (found,) = of_code(shop(deliver="all"), groups=(group(),))

    assert found.text == 'the code says deliver="all", the group here is "once"'


def test_other_patterns_in_the_code_than_here_are_told() -> None:
    here = GroupInfo(spec=GroupSpec(name="shop.count", patterns=("view",)), members=(), idle_s=None)

    (found,) = of_code(shop(), groups=(here,))

    assert found.text == "the code listens to click, the group here to view"


CODE = """
from vagus import App, Event, Retry

app = App("memory://", name="shop")


class Click(Event):
    user: str


@app.on(Click, retry=Retry(attempts=3))
async def count(click: Click) -> None: ...


@app.on(Click)
async def look(click: Click) -> None: ...
"""


def test_retries_that_nothing_makes_durable_are_a_problem(say: Say, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(CODE, encoding="utf-8")

    told = say("doctor", "--app", "shop.py:app", "--json")

    problems = [found for found in json.loads(told.out)["findings"] if found["level"] == "problem"]
    assert [found["subject"] for found in problems] == ["shop.count"]
    assert "forgets what waits" in problems[0]["text"]
    assert told.code == 1


def test_app_and_its_own_database_agree_after_it_ran(say: Say, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(CODE.replace("memory://", "sqlite:///shop.db"), encoding="utf-8")
    asyncio.run(_open(f"sqlite:///{tmp_path}/shop.db"))

    told = say("doctor", "--app", "shop.py:app")

    assert "never started here" in told.out
    assert "hint: vagus worker shop.py:app" in told.out
    assert "shop.gone: no handler of the code has this group any more" in told.out
    assert told.code == 1


async def _open(url: str) -> None:
    app = App(url, name="shop")

    @app.on(Click, retry=Retry(attempts=3))
    async def count(click: Click) -> None: ...

    async def gone(click: Click) -> None: ...

    app.on(Click)(gone)
    async with app:
        pass


HOLDER = """
import asyncio
from vagus import App, Event

app = App("sqlite:///events.db", name="shop")


class Click(Event):
    user: str


@app.on(Click, lease=1)
async def hold(click: Click) -> None:
    print("begun", flush=True)
    await asyncio.sleep(600)


async def main() -> None:
    async with app.running():
        await app.publish(Click("ann"))
        await asyncio.sleep(600)


asyncio.run(main())
"""


def test_event_that_a_killed_worker_held_is_found_on_its_file(say: Say, tmp_path: Path) -> None:
    (tmp_path / "holder.py").write_text(HOLDER, encoding="utf-8")
    with subprocess.Popen([sys.executable, "holder.py"], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.kill()

    until = time.monotonic() + 30
    while not (problems := _problems(say)) and time.monotonic() < until:
        time.sleep(0.2)  # until its lease is over

    assert problems == ["1 event held by a member that is gone, and nobody is there to take over"]


def _problems(say: Say) -> list[str]:
    found = json.loads(say("doctor", "sqlite:///events.db", "--json").out)["findings"]
    return [one["text"] for one in found if one["level"] == "problem"]
