"""`vagus pause|resume|cancel|drain`: what they say, how they end, and that workers do as they are told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Say
from vagus import App, Event
from vagus.errors import RunCancelled

GROUP = "shop.count"


class Asked(Event):
    text: str


@pytest.fixture
def busy(url: str) -> str:
    """The database, with one event more that nobody has taken yet."""
    asyncio.run(published(url))
    return url


async def published(url: str) -> None:
    async with App(url, name="other") as app:
        await app.publish({"user": "new"}, topic="click")


@pytest.mark.contract("G16")
def test_group_is_paused_shown_and_resumed(say: Say, busy: str) -> None:
    url = busy
    paused = say("pause", GROUP, "--why", "model is down", "--url", url)
    listed = say("groups", "ls", "--url", url)
    groups = json.loads(say("groups", "ls", "--url", url, "--json").out)
    doctor = say("doctor", "--url", url)
    again = say("pause", GROUP, "--url", url)
    resumed = json.loads(say("resume", GROUP, "--url", url, "--json").out)
    running = say("groups", "ls", "--url", url)

    assert (paused.code, paused.out) == (0, "group shop.count is paused, it was running; 1 event in its backlog\n")
    assert "paused" in listed.out
    assert [group["state"] for group in groups] == ["paused"]
    assert "model is down" in doctor.out
    assert again.out.startswith("group shop.count is paused already")
    assert (resumed["before"], resumed["after"], resumed["changed"]) == ("paused", "running", True)
    assert "STATE" not in running.out


@pytest.mark.contract("G16")
def test_every_steering_is_on_the_record(say: Say, url: str) -> None:
    say("pause", GROUP, "--why", "too hot", "--url", url)
    say("resume", GROUP, "--url", url)
    told = say("tail", "vagus.control", "--since", "1h", "--no-follow", "--json", "--url", url)

    data = [json.loads(line)["data"] for line in told.out.splitlines()]
    assert [(one["action"], one["name"], one["why"]) for one in data] == [
        ("pause", GROUP, "too hot"),
        ("resume", GROUP, ""),
    ]


@pytest.mark.contract("G16")
def test_backlog_is_cancelled_and_an_empty_group_drained(say: Say, busy: str) -> None:
    url = busy
    cancelled = say("cancel", GROUP, "--url", url)
    drained = say("drain", GROUP, "--timeout", "10s", "--url", url)

    assert cancelled.out.startswith("group shop.count: 1 event in its backlog settle")
    assert (drained.code, drained.out.split(":")[0]) == (0, "group shop.count is drained")


@pytest.mark.contract("G16")
def test_run_is_steered_by_its_id(say: Say, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    run_id = asyncio.run(started(url))

    paused = say("pause", "--run", run_id, "--url", url)
    resumed = json.loads(say("resume", "--run", run_id, "--url", url, "--json").out)
    cancelled = say("cancel", "--run", run_id, "--why", "nobody waits", "--url", url)
    late = say("pause", "--run", run_id, "--url", url)

    assert paused.out == f"run {run_id} is paused, it was running\n"
    assert (resumed["before"], resumed["after"]) == ("paused", "running")
    assert (cancelled.code, cancelled.out) == (0, f"run {run_id} is cancelled, it was running\n")
    assert (late.code, late.err) == (1, f"run {run_id} had ended before: cancelled\n")
    with pytest.raises(RunCancelled, match="nobody waits"):
        asyncio.run(result(url, run_id))


def app_on(url: str) -> App:
    app = App(url, name="shop")

    @app.on(Asked)
    async def answer(event: Asked) -> None: ...

    return app


async def started(url: str) -> str:
    async with app_on(url) as app:
        return (await app.start(Asked("hi"))).id


async def result(url: str, run_id: str) -> None:
    async with app_on(url) as app:
        await app.run_of(run_id).result(timeout=5)


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["pause", "shop.nothing"], 2, "expected one of shop.count"),
        (["pause", GROUP, "--member", "m1"], 2, "no member 'm1'"),
        (["pause"], 2, "expected a group, or --run"),
        (["cancel", GROUP, "--run", "x"], 2, "expected a group, or --run"),
        (["drain"], 2, "expected a group"),
        (["cancel", "--run", "nobody"], 1, "no run 'nobody'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_there_is_refused_by_name(say: Say, url: str, words: list[str], code: int, named: str) -> None:
    told = say(*words, "--url", url)

    assert (told.code, named in told.err) == (code, True), told.err
