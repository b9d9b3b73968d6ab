"""In a `once` group each event is completed by one member, also while members join and leave."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from vagus.backend import Delivery
from vagus.testing.conformance.bench import Bench, Worker, numbered, within, words
from vagus.testing.conformance.needs import needs

pytestmark = pytest.mark.contract("G2")


async def work(worker: Worker, done: Counter[str], total: int) -> None:
    """Take and ack until `total` events are done by all together. Who is let go settles what it has taken first."""
    while done.total() < total:
        batch = await worker.feed.take(3, ())
        settling = asyncio.create_task(settle(worker, batch, done))
        try:
            await asyncio.shield(settling)
        finally:
            await settling


async def settle(worker: Worker, batch: Sequence[Delivery], done: Counter[str]) -> None:
    """Ack a batch, and count it."""
    await worker.ack(*batch)
    done.update(words(batch))


async def share(workers: list[Worker], done: Counter[str], total: int) -> None:
    """Let workers work side by side until `total` events are done; those that wait in vain then are let go."""
    tasks = [asyncio.create_task(work(worker, done, total)) for worker in workers]
    try:
        await within(asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED), f"handle {total} events", 20.0)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    broken = [end for end in ends if isinstance(end, Exception)]
    assert not broken, broken


@pytest.mark.requirement("R7")
async def test_each_event_goes_to_one_of_three_members(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(90))
    done: Counter[str] = Counter()
    await share([line.member(name) for name in ("ann", "bob", "cat")], done, 90)
    assert done == Counter(numbered(90))
    await line.expect(matched=90, acked=90, held=0, ready=0)


@pytest.mark.requirement("R7")
async def test_members_join_and_leave_midway_without_a_double(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(60))
    done: Counter[str] = Counter()
    ann, bob = line.member("ann"), line.member("bob")
    await share([ann, bob], done, 20)
    await ann.feed.take(5, ())
    await ann.leave()
    await share([bob, line.member("cat"), line.member("dan")], done, 60)
    assert done == Counter(numbered(60))


@pytest.mark.requirement("R7")
async def test_members_on_two_connections_share_the_events(bench: Bench) -> None:
    line = await bench.line()
    other = await bench.second()
    await line.put(*numbered(60))
    done: Counter[str] = Counter()
    await share([line.member("ann"), line.member("bob", backend=other)], done, 60)
    assert done == Counter(numbered(60))


async def test_event_held_by_one_member_is_not_handed_to_another(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b")
    ann, bob = line.member("ann"), line.member("bob")
    held = await ann.one()
    assert words(await bob.take()) == ["b"]
    await bob.none()
    assert words([held]) == ["a"]


async def test_acked_event_never_comes_back(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann = line.member()
    await ann.ack(await ann.one())
    await bench.pass_time(bench.subject.lease_s * 1.3)
    await ann.none()
    await line.expect(acked=1, lost=0)


async def test_two_groups_each_get_every_event(bench: Bench) -> None:
    line = await bench.line()
    second = await bench.group("second", line.topic)
    await line.put(*numbered(20))
    assert await line.member().take_and_ack(20) == numbered(20)
    assert await bench.member(second).take_and_ack(20) == numbered(20)


async def test_group_of_another_topic_gets_nothing(bench: Bench) -> None:
    line = await bench.line()
    other = await bench.group("other", await bench.topic("returns"))
    await line.put("a")
    await bench.member(other).none()


async def test_group_hears_what_follows_its_declaration(bench: Bench) -> None:
    line = await bench.line()
    await line.put("before")
    late = await bench.group("late", line.topic)
    await line.put("after")
    ann = bench.member(late)
    assert await ann.take_and_ack(1) == ["after"]
    await ann.none()


async def test_group_keeps_events_while_it_has_no_member(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(10))
    ann = line.member("ann")
    assert await ann.take_and_ack(5) == numbered(10)[:5]
    await ann.leave()
    await line.put("later")
    assert await line.member("bob").take_and_ack(6) == [*numbered(10)[5:], "later"]


@needs("replay")
async def test_group_that_starts_first_hears_what_is_kept(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b")
    late = await bench.group("late", line.topic, start="first")
    await line.put("c")
    assert await bench.member(late).take_and_ack(3) == ["a", "b", "c"]


async def test_group_that_was_there_first_hears_a_new_topic_whole(bench: Bench) -> None:
    group = await bench.group("desk", bench.name("orders"))
    other = await bench.second()
    await bench.topic("orders")
    await bench.put(bench.name("orders"), "a")
    assert words(await bench.member(group, backend=other).take()) == ["a"]


@needs("shared")
@pytest.mark.requirement("R7")
async def test_two_processes_share_the_events_of_a_group(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(20))
    other = await bench.process()
    theirs = await other.ask("take", line.group, 8)
    ours = await line.member().take_and_ack(20 - len(theirs))
    assert await other.ask("ack") == ["done"] * len(theirs)
    assert sorted([*theirs, *ours]) == numbered(20)
