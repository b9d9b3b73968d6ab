"""A delivery that is given back waits its time, out of everybody's way, with its note."""

from __future__ import annotations

import time

import pytest

from vagus.backend import Done, Inbox, Settle, Unit
from vagus.testing.conformance.bench import Bench, put, word_of, words
from vagus.testing.conformance.needs import needs, turned_clock

pytestmark = pytest.mark.contract("G5")


@pytest.mark.requirement("R53")
async def test_released_event_comes_back_at_once(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    first = await ann.one()
    await ann.release(first)
    again = await ann.one()
    assert (words([again]), again.position, again.losses) == (["a"], first.position, 0)


@needs("delay")
@pytest.mark.requirement("R53")
async def test_released_event_is_never_early_and_soon_after(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    held = await ann.one()
    started = time.monotonic()
    await ann.release(held, after_s=0.5)
    await ann.one()
    assert 0.5 <= time.monotonic() - started <= 0.5 + 1.0


@needs("delay")
@pytest.mark.requirement("R63")
async def test_growing_delays_are_seen_as_growing_gaps(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    held = await ann.one()
    for delay_s in (0.1, 0.2, 0.4):
        released = time.monotonic()
        await ann.release(held, after_s=delay_s)
        held = await ann.one()
        assert delay_s <= time.monotonic() - released <= delay_s + 1.0


@needs("delay")
async def test_slot_of_a_waiting_event_is_free_for_others(bench: Bench) -> None:
    line = await bench.line()
    await line.put("fails", "b", "c")
    ann = line.member(credit=1)
    await ann.release(await ann.one(), after_s=0.4)
    assert await ann.take_and_ack(3) == ["b", "c", "fails"]


@needs("delay")
async def test_waiting_events_come_in_order_of_their_times(bench: Bench) -> None:
    line = await bench.line()
    await line.put("slow", "quick")
    ann = line.member()
    slow, quick = await ann.take(2)
    await ann.release(slow, after_s=0.4)
    await ann.release(quick, after_s=0.1)
    assert words(await ann.take(2)) == ["quick", "slow"]


@needs("notes")
@pytest.mark.requirement("R53")
async def test_note_comes_back_with_the_next_delivery(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    first = await ann.one()
    await ann.release(first, note=b"attempt 1: \x00\xff")
    again = await ann.one()
    assert (first.note, again.note) == (b"", b"attempt 1: \x00\xff")


@needs("notes")
async def test_release_without_a_note_keeps_the_old_one(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await ann.release(await ann.one(), note=b"kept")
    await ann.release(await ann.one())
    assert (await ann.one()).note == b"kept"


@needs("notes")
@pytest.mark.contract("G4")
async def test_note_and_loss_survive_a_lapsed_lease(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    await ann.release(await ann.one(), note=b"once")
    await ann.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    again = await bob.one()
    assert (again.note, again.losses) == (b"once", 1)


async def test_release_is_not_counted_as_a_loss(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    for _ in range(3):
        await ann.release(await ann.one())
    assert (await ann.one()).losses == 0
    await line.expect(lost=0, matched=1, held=1)


@needs("delay")
@pytest.mark.contract("G20")
async def test_waiting_event_stands_in_the_books(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await ann.release(await ann.one(), after_s=30.0)
    await line.expect(matched=1, waiting=1, held=0, ready=0)


async def test_released_event_may_go_to_another_member(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    await ann.release(await ann.one())
    await ann.leave()
    assert words([await bob.one()]) == ["a"]


@needs("delay", "durable", "notes")
async def test_waiting_event_survives_a_restart_with_its_note(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await ann.release(await ann.one(), after_s=0.3, note=b"kept")
    await bench.reopen()
    again = await line.member().one()
    assert (words([again]), again.note) == (["a"], b"kept")


@needs("delay")
async def test_retry_through_the_inbox_waits_its_time(bench: Bench) -> None:
    line = await bench.line()
    await bench.group("other", line.topic)
    started = time.monotonic()
    await bench.put(Inbox(line.group), "a", entry="moved", after_s=0.3, note=b"attempt 1")
    again = await line.member().one()
    assert time.monotonic() - started >= 0.3
    assert (word_of(again.envelope), again.note) == ("a", b"attempt 1")
    await bench.member(bench.name("other")).none(0.05)


@needs("delay")
@turned_clock
async def test_retry_in_an_hour_waits_an_hour(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await ann.release(await ann.one(), after_s=3600.0)
    await bench.pass_time(3590)
    await ann.none()
    await bench.pass_time(11)
    assert words([await ann.one()]) == ["a"]


async def test_moved_event_is_on_neither_side_of_the_books(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    held = await ann.one()
    moved = put(Inbox(line.group), "a", entry="moved")
    assert (await ann.commit(Unit(puts=[moved], settles=[Settle(held.token, Done("moved"))]))).done
    await ann.ack(await ann.one())
    books = await line.expect(matched=1, acked=1, held=0, ready=0)
    assert books.entered == 1 or books.estimated
