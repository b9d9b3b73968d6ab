"""Credit bounds what a member holds; a backlog costs a worker nothing."""

from __future__ import annotations

import asyncio
import time

import pytest

from vagus.backend import Done, Settle, Unit
from vagus.testing.conformance.bench import Bench, numbered, put, within, words
from vagus.testing.conformance.needs import needs

pytestmark = pytest.mark.contract("G13")


async def test_member_never_holds_more_than_its_credit(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(20))
    ann = line.member(credit=5)
    assert len(await ann.take(5)) == 5
    await ann.none()


async def test_take_hands_out_no_more_than_its_limit(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(20))
    ann = line.member()
    assert len(await ann.some(7)) <= 7
    assert len(await ann.some(1)) == 1


async def test_take_is_within_credit_however_large_its_limit(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(20))
    assert len(await line.member(credit=3).some(1000)) <= 3


async def test_ack_frees_credit(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(4))
    ann = line.member(credit=2)
    first, _ = await ann.take(2)
    await ann.ack(first)
    assert len(await ann.some()) == 1
    await ann.none(0.05)


async def test_take_that_waits_for_credit_is_woken_by_an_ack(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b")
    ann = line.member(credit=1)
    held = await ann.one()
    waiting = asyncio.create_task(ann.one())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await ann.ack(held)
    assert words([await within(waiting, "take after the ack")]) == ["b"]


@pytest.mark.contract("G4")
async def test_lapsed_event_binds_no_credit_of_its_holder(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann = line.member(credit=1)
    await ann.one()
    again = await ann.one(within_s=bench.subject.lease_s + 3.0)
    assert (words([again]), again.losses) == (["a"], 1)


async def test_full_member_does_not_keep_the_loop_busy(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a", "b")
    full, gone = line.member("full", credit=1), line.member("gone")
    held = await full.one()
    await gone.one()
    await within(full.feed.extend([held.token], 60.0), "extend")
    await bench.pass_time(bench.subject.lease_s * 1.2)
    waiting = asyncio.create_task(full.one())
    started = time.process_time()
    await asyncio.sleep(0.2)
    assert time.process_time() - started < 0.1, "a member without credit waits in a busy loop"
    await full.ack(held)
    assert words([await within(waiting, "take")]) == ["b"]


async def test_credit_of_one_member_binds_no_other(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(6))
    ann, bob = line.member("ann", credit=2), line.member("bob", credit=4)
    await ann.take(2)
    assert len(await bob.take(4)) == 4


@pytest.mark.requirement("R45")
async def test_batch_of_settles_says_what_became_of_each(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(10))
    ann = line.member()
    held = await ann.take(10)
    await ann.ack(held[3])
    said = await ann.settle(*(Settle(delivery.token, Done("acked")) for delivery in held))
    assert said == ["lost" if number == 3 else "done" for number in range(10)]
    await line.expect(acked=10, held=0)


async def test_large_backlog_is_handed_out_in_small_batches(bench: Bench) -> None:
    line = await bench.line()
    backlog = numbered(2000)
    batches = [backlog[first : first + 100] for first in range(0, 2000, 100)]
    await bench.commit(*(Unit(puts=[put(line.topic, word) for word in batch]) for batch in batches))
    ann = line.member(credit=10)
    assert words(await ann.take(10)) == backlog[:10]
    await line.expect(matched=2000, held=10, ready=1990)


@needs("exact_stats")
@pytest.mark.contract("G20")
async def test_large_backlog_drains_to_the_last_event(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(500))
    assert await line.member(credit=64).take_and_ack(500) == numbered(500)
    await line.expect(matched=500, acked=500, held=0, ready=0, parked=0, waiting=0)
