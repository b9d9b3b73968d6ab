"""Picks over processes that share a SQLite file: in turn, by lot, by the user's own class, and after a kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dispatch.processes import Query, Site, dispatched, until
from vagus import App


@pytest.fixture
def site(tmp_path: Path, shared: None) -> Iterator[Site]:
    found = Site(tmp_path)
    yield found
    found.end()


async def started(site: Site, app: App, names: str = "ABC") -> None:
    """Start workers, and wait until all of them take part."""
    for name in names:
        site.start(name)
    await dispatched(app, len(names))


def turns(site: Site) -> str:
    """The members by the numbers of the events that they handled."""
    return "".join(line["member"] for line in sorted(site.seen(), key=lambda line: line["number"]))


def count(site: Site) -> int:
    """How many events were handled, each counted once."""
    return len({line["number"] for line in site.seen()})


def rotated(text: str, names: str) -> bool:
    """Whether a text is names in turn, beginning anywhere."""
    return any(text == (names[at:] + names[:at]) * (len(text) // len(names)) for at in range(len(names)))


@pytest.mark.requirement("R5")
async def test_three_processes_take_300_events_in_turn(site: Site) -> None:
    site.write('pick="round_robin"')
    async with site.client() as app:
        await started(site, app)
        await app.publish([Query(number) for number in range(300)])
        await until(lambda: count(site) >= 300)

    assert Counter(turns(site)) == {"A": 100, "B": 100, "C": 100}, site.logs()
    assert rotated(turns(site), "ABC")


@pytest.mark.requirement("R5")
@pytest.mark.contract("G2", "G4")
async def test_two_go_on_in_turn_when_the_one_that_dispatches_is_killed(site: Site) -> None:
    site.write('pick="round_robin", lease=2')
    async with site.client() as app:
        await started(site, app)
        await app.publish([Query(number) for number in range(150)])
        await until(lambda: count(site) >= 150)
        killed = await dispatched(app, 3)
        site.kill(killed)
        await app.publish([Query(number) for number in range(150, 300)])
        await until(lambda: count(site) >= 300)
        await dispatched(app, 2, but=killed)
        await app.publish([Query(number) for number in range(300, 360)])
        await until(lambda: count(site) >= 360)

    left = "".join(sorted(set("ABC") - {killed}))
    assert {line["number"] for line in site.seen()} == set(range(360))
    assert rotated(turns(site)[:150], "ABC")
    assert killed not in turns(site)[150:]
    assert rotated(turns(site)[300:], left)


@pytest.mark.requirement("R12", "R13")
async def test_class_of_the_user_gives_b_everything(site: Site) -> None:
    site.write("", words="strategy=OnlyB()")
    async with site.client() as app:
        await started(site, app)
        await app.publish([Query(number) for number in range(300)])
        await until(lambda: count(site) >= 300)

    assert turns(site) == "B" * 300


@pytest.mark.requirement("R20")
async def test_labels_of_the_command_line_are_matched(site: Site) -> None:
    site.write("pick=\"by_label('lang')\"")
    async with site.client() as app:
        site.start("A", "--label", "lang=zh")
        site.start("B", "--label", "lang=en", "--weight", "2")
        await dispatched(app, 2)
        await app.publish([Query(number, lang="zh" if number % 2 else "en") for number in range(40)])
        await until(lambda: count(site) >= 40)

    assert turns(site) == "BA" * 20
