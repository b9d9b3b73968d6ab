"""`vagus mode`: how a group delivers, and the switch, from another process than its workers'."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Say
from vagus import App, Event
from vagus.errors import UnsupportedCapability


class Job(Event):
    number: int


@pytest.fixture
def group_url(tmp_path: Path) -> str:
    """A database with a group that was declared with a pick."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    try:
        asyncio.run(_declare(url))
    except UnsupportedCapability as error:
        pytest.skip(str(error))
    return url


async def _declare(url: str) -> None:
    app = App(url, name="shop")

    @app.on(Job, pick="round_robin")
    async def work(job: Job) -> None: ...

    async with app:
        await app.publish(Job(1))


@pytest.mark.contract("G15")
def test_mode_of_a_group_is_shown_and_switched(say: Say, group_url: str) -> None:
    before = say("mode", "shop.work", "--url", group_url)
    switched = say("mode", "shop.work", "all", "--why", "try it", "--url", group_url)
    again = say("mode", "shop.work", "all", "--url", group_url)
    after = say("mode", "shop.work", "--url", group_url)

    assert [told.code for told in (before, switched, again, after)] == [0, 0, 0, 0]
    assert "shop.work delivers once, pick round_robin, epoch 1" in before.out
    assert "shop.work delivers all from epoch 2 on (before: once, pick round_robin)" in switched.out
    assert "job: cut after 1" in switched.out
    assert "shop.work delivers all already" in again.out
    assert "try it" in after.out


@pytest.mark.contract("G15")
def test_mode_is_told_as_json(say: Say, group_url: str) -> None:
    switched = json.loads(say("mode", "shop.work", "--pick", "by_label('lang')", "--url", group_url, "--json").out)
    shown = json.loads(say("mode", "shop.work", "--url", group_url, "--json").out)
    groups = json.loads(say("groups", "ls", "--url", group_url, "--json").out)

    assert switched["after"] == {"mode": "once", "pick": "by_label('lang')", "epoch": 2}
    assert "has no member now" in switched["warnings"][0]
    assert (shown["deliver"], shown["pick"], shown["epoch"]) == ("once", "by_label('lang')", 2)
    assert shown["first"] == {"deliver": "once", "pick": "round_robin"}
    assert [entry["epoch"] for entry in shown["record"]] == [2]
    assert (groups[0]["pick"], groups[0]["epoch"]) == ("by_label('lang')", 2)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("shop.nothing",), 2, "there is no group 'shop.nothing': expected one of shop.work"),
        (("shop.work", "some"), 2, "'some' is not one of 'once', 'all'"),
        (("shop.work", "--pick", "round-robin"), 2, "is no pick"),
        (("shop.work", "all", "--pick", "random"), 2, "none to pick"),
        (("shop.work", "all", "--timeout", "soon"), 2, "is not a duration"),
    ],
)
def test_what_cannot_be_switched_is_named(
    say: Say, group_url: str, words: tuple[str, ...], code: int, said: str
) -> None:
    told = say("mode", *words, "--url", group_url)

    assert told.code == code
    assert said in told.err
