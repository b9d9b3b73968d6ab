"""In an `all` group every member that was there gets every event, and each settles for itself."""

from __future__ import annotations

import pytest

from vagus.backend import Dead, Done, Inbox, Settle, Unit
from vagus.testing.conformance.bench import Bench, numbered, put, within, words
from vagus.testing.conformance.needs import needs, turned_clock

pytestmark = pytest.mark.contract("G3")


@pytest.mark.requirement("R8")
async def test_every_member_gets_every_event(bench: Bench) -> None:
    line = await bench.line(mode="all")
    members = [line.member(name, credit=200) for name in ("ann", "bob", "cat", "dan")]
    await line.put(*numbered(100))
    for member in members:
        assert await member.take_and_ack(100) == numbered(100)
        await member.none(0.02)


@pytest.mark.requirement("R9")
async def test_late_joiner_hears_only_what_comes_after(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann = line.member("ann")
    await line.put("before")
    bob = line.member("bob")
    await line.put("after")
    assert await ann.take_and_ack(2) == ["before", "after"]
    assert await bob.take_and_ack(1) == ["after"]
    await bob.none()


async def test_named_member_gets_what_it_missed(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann = line.member("ann", named=True)
    await line.put("a")
    await ann.take_and_ack(1)
    await ann.leave()
    await line.put("missed", "missed too")
    assert await line.member("ann", named=True).take_and_ack(2) == ["missed", "missed too"]


async def test_anonymous_member_starts_anew(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann = line.member("ann")
    await line.put("unread")
    await ann.leave()
    await line.put("missed")
    ann = line.member("ann")
    await line.put("new")
    assert await ann.take_and_ack(1) == ["new"]
    await ann.none()


async def test_named_member_away_too_long_is_forgotten(bench: Bench) -> None:
    line = await bench.line(mode="all", forget_after_s=0.3)
    ann = line.member("ann", named=True)
    await line.put("a")
    await ann.leave()
    await bench.pass_time(0.4)
    ann = line.member("ann", named=True)
    await line.put("b")
    assert await ann.take_and_ack(1) == ["b"]
    await ann.none()


@turned_clock
async def test_named_member_away_six_days_misses_nothing(bench: Bench) -> None:
    line = await bench.line(mode="all", keep_s=3600.0)
    ann = line.member("ann", named=True)
    await line.put("a")
    await ann.leave()
    await bench.pass_time(6 * 86_400)
    await line.put("b")
    assert await line.member("ann", named=True).take_and_ack(2) == ["a", "b"]


async def test_ack_of_one_member_settles_for_no_other(bench: Bench) -> None:
    line = await bench.line(mode="all", lease_s=bench.subject.lease_s)
    ann, bob = line.member("ann"), line.member("bob")
    await line.put("a")
    await bob.one()
    await ann.ack(await ann.one())
    await bench.pass_time(bench.subject.lease_s * 1.3)
    again = await bob.one()
    assert (words([again]), again.losses) == (["a"], 1)
    await ann.none(0.05)


async def test_retry_of_one_member_comes_to_no_other(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann, bob = line.member("ann"), line.member("bob")
    await line.put("a")
    await ann.take_and_ack(1)
    await bob.release(await bob.one())
    await ann.none()
    assert await bob.take_and_ack(1) == ["a"]


@pytest.mark.contract("G6")
@pytest.mark.contract("G7")
async def test_redrive_to_one_member_reaches_no_other(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann, bob = line.member("ann"), line.member("bob")
    await line.put("a")
    await ann.take_and_ack(1)
    held = await bob.one()
    letter = put(Dead(line.group, "bob"), "a")
    assert (await bob.commit(Unit(puts=[letter], settles=[Settle(held.token, Done("dead"))]))).done
    await bench.put(Inbox(line.group, "bob"), "a", entry="redriven", generation=1)
    again = await bob.one()
    assert (words([again]), again.generation) == (["a"], 1)
    await ann.none()
    await line.expect("bob", matched=1, dead=1, redriven=1, held=1)
    await line.expect("ann", matched=1, dead=0, redriven=0, acked=1)


@pytest.mark.contract("G20")
async def test_books_are_kept_for_each_member(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann = line.member("ann")
    await line.put("a")
    line.member("bob")
    await line.put("b")
    await ann.take_and_ack(2)
    await line.expect("ann", matched=2, acked=2, ready=0)
    await line.expect("bob", matched=1, acked=0, ready=1)


@pytest.mark.contract("G8")
async def test_order_of_a_key_holds_for_each_member(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann, bob = line.member("ann"), line.member("bob")
    await line.put("a1", "a2", key="a")
    assert words([await ann.one()]) == ["a1"]
    await ann.none(0.05)
    assert await bob.take_and_ack(2) == ["a1", "a2"]


async def test_dropped_member_is_gone_and_others_stay(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann, bob = line.member("ann", named=True), line.member("bob", named=True)
    await bob.leave()
    await line.put("a")
    await within(bench.backend.drop(Inbox(line.group, "bob")), "drop")
    assert await ann.take_and_ack(1) == ["a"]
    members = {figures.member for figures in await bench.backend.stats(line.group)}
    assert members == {"ann"}


@needs("durable")
async def test_named_member_gets_what_it_missed_over_a_restart(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann = line.member("ann", named=True)
    await line.put("a")
    await ann.take_and_ack(1)
    await ann.leave()
    await bench.reopen()
    await line.put("missed")
    assert await line.member("ann", named=True).take_and_ack(1) == ["missed"]


@needs("shared")
@pytest.mark.requirement("R8")
async def test_members_in_two_processes_both_get_the_event(bench: Bench) -> None:
    line = await bench.line(mode="all")
    other = await bench.process()
    ann = line.member("ann")
    other.send("take", line.group, 1)
    await members_are(bench, line.group, 2)
    await line.put("a")
    assert await other.answer() == ["a"]
    assert await ann.take_and_ack(1) == ["a"]


async def members_are(bench: Bench, group: str, count: int) -> None:
    """Wait until the group has `count` members."""
    there = 0
    for _ in range(200):
        catalogue = await within(bench.backend.describe(), "describe")
        there = sum(len(info.members) for info in catalogue.groups if info.spec.name == group)
        if there == count:
            return
        await bench.pass_time(0.05)
    raise AssertionError(f"{group} should have {count} members, it has {there}")
