"""Members are seen while they are there, also when nothing happens, and are gone when they leave."""

from __future__ import annotations

import asyncio

import pytest

from vagus.backend import GroupInfo, Inbox, Topic
from vagus.testing.conformance.bench import Bench, numbered, within, words
from vagus.testing.conformance.needs import needs, turned_clock


async def info_of(bench: Bench, group: str) -> GroupInfo:
    """Return what the catalogue says of a group."""
    catalogue = await within(bench.backend.describe(), "describe")
    [info] = [info for info in catalogue.groups if info.spec.name == group]
    return info


@pytest.mark.contract("G17")
async def test_attached_members_are_in_the_catalogue(bench: Bench) -> None:
    line = await bench.line()
    ann, bob = line.member("ann"), line.member("bob", named=True)
    await line.put("a", "b", "c")
    await ann.take(2)
    await bob.take(1)
    members = {member.name: member for member in (await info_of(bench, line.group)).members}
    assert {name: member.held for name, member in members.items()} == {"ann": 2, "bob": 1}


@pytest.mark.contract("G17")
@pytest.mark.requirement("R44")
async def test_member_that_left_is_not_in_the_catalogue(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member("ann")
    await ann.none(0.02)
    assert (await info_of(bench, line.group)).idle_s is None
    await ann.leave()
    info = await info_of(bench, line.group)
    assert info.members == ()
    assert info.idle_s is not None
    assert info.idle_s < 60


@pytest.mark.contract("G17")
async def test_group_without_members_says_how_long(bench: Bench) -> None:
    line = await bench.line()
    await bench.pass_time(0.2)
    info = await info_of(bench, line.group)
    assert info.idle_s is not None
    assert info.idle_s >= 0.2


@pytest.mark.contract("G3")
@pytest.mark.contract("G17")
async def test_idle_member_stays_over_many_leases(bench: Bench) -> None:
    lease_s = bench.subject.lease_s / 2
    line = await bench.line(mode="all", lease_s=lease_s)
    ann = line.member("ann")
    waiting = asyncio.create_task(ann.one())
    for _ in range(5):
        await bench.pass_time(lease_s)
    assert [member.name for member in (await info_of(bench, line.group)).members] == ["ann"]
    await line.put("a")
    assert words([await within(waiting, "take")]) == ["a"]


@pytest.mark.contract("G4")
async def test_leaving_twice_is_no_error(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    await ann.leave()
    await ann.leave()


@pytest.mark.contract("G2")
async def test_member_that_returns_goes_on(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(4))
    ann = line.member("ann")
    assert await ann.take_and_ack(2) == numbered(4)[:2]
    await ann.leave()
    assert await line.member("ann").take_and_ack(2) == numbered(4)[2:]


@pytest.mark.contract("G2")
async def test_catalogue_shows_what_was_declared(bench: Bench) -> None:
    line = await bench.line(lease_s=12.0, ordered=False)
    catalogue = await within(bench.backend.describe(), "describe")
    topics = [info for info in catalogue.topics if info.spec.name == line.topic]
    assert [info.groups for info in topics] == [(line.group,)]
    spec = (await info_of(bench, line.group)).spec
    assert (spec.patterns, spec.mode, spec.lease_s, spec.ordered) == ((line.topic,), "once", 12.0, False)


@pytest.mark.contract("G4")
async def test_shortened_lease_takes_effect_for_what_is_taken_next(bench: Bench) -> None:
    line = await bench.line(lease_s=60.0)
    await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    await line.member("ann").one()
    assert (await line.member("bob").one(within_s=bench.subject.lease_s + 3.0)).losses == 1


@turned_clock
@pytest.mark.contract("G17")
async def test_silent_member_is_gone_after_three_leases(bench: Bench) -> None:
    line = await bench.line(lease_s=10.0)
    await line.put("a")
    await line.member("ann").one()
    await bench.pass_time(31.0)
    bob = line.member("bob")
    await bob.one()
    assert [member.name for member in (await info_of(bench, line.group)).members] == ["bob"]


@needs("shared")
@pytest.mark.contract("G17")
async def test_member_of_a_killed_process_is_gone_in_time(bench: Bench) -> None:
    lease_s = bench.subject.lease_s
    line = await bench.line(lease_s=lease_s)
    other = await bench.process()
    await line.put("a")
    await other.ask("take", line.group, 1)
    await other.kill()
    await bench.pass_time(3 * lease_s + 0.3)
    await line.member("ann").one()
    assert [member.name for member in (await info_of(bench, line.group)).members] == ["ann"]


@pytest.mark.requirement("R44")
async def test_dropped_topic_and_group_leave_nothing(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", key="a")
    await within(bench.backend.drop(Inbox(line.group)), "drop")
    await within(bench.backend.drop(Topic(line.topic)), "drop")
    catalogue = await within(bench.backend.describe(), "describe")
    left = [info.spec.name for info in catalogue.topics] + [info.spec.name for info in catalogue.groups]
    assert [name for name in left if name.startswith(bench.prefix)] == []
