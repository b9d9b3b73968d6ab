"""The books balance: what entered a group is settled or still there, at every moment."""

from __future__ import annotations

import pytest

from vagus.backend import Dead, Done, Ending, First, Inbox, SeekTo, Settle, Topic, Unit
from vagus.testing.conformance.bench import Bench, Line, Worker, numbered, put, within
from vagus.testing.conformance.needs import needs, turned_clock

pytestmark = pytest.mark.contract("G20")


async def test_fresh_group_has_empty_books(bench: Bench) -> None:
    line = await bench.line()
    books = await line.expect(matched=0, acked=0, held=0, ready=0, lost=0)
    assert books.oldest_s is None or books.estimated


async def test_books_follow_an_event_from_put_to_ack(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    await line.expect(matched=1, ready=1, held=0, acked=0)
    ann = line.member()
    held = await ann.one()
    await line.expect(matched=1, ready=0, held=1, acked=0)
    await ann.ack(held)
    await line.expect(matched=1, ready=0, held=0, acked=1)


@pytest.mark.parametrize("ending", ["acked", "dead", "expired", "cancelled", "skipped"])
@pytest.mark.contract("G11")
async def test_each_ending_is_counted_as_itself(bench: Bench, ending: Ending) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await ann.end(ending, await ann.one())
    books = await line.expect(matched=1, held=0, ready=0)
    assert getattr(books, ending) == 1 or ending in books.estimated


async def test_parked_events_are_counted_or_still_ready(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a1", "a2", "a3", key="a")
    await line.put("free")
    await line.member().take(2)
    books = await line.expect(matched=4, held=2)
    assert books.parked + books.ready == 2 or books.estimated


async def test_oldest_ready_event_shows_its_age(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    await bench.pass_time(0.2)
    books = await bench.figures(line.group)
    assert books.oldest_s is not None or books.estimated
    assert (books.oldest_s or 0.2) >= 0.19


@needs("exact_stats", "delay", "replay")
async def test_books_balance_after_everything_at_once(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put(*numbered(6, "k"), key="k")
    await line.put(*numbered(14))
    ann, bob = line.member("ann"), line.member("bob")
    await mixed_work(line, ann)
    await line.expect()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    await ann.leave()
    await bob.some(3)
    await line.expect()
    await bench.put(Inbox(line.group), "again", entry="redriven", generation=1)
    await bench.put(Dead(line.group), "mark", entry="discarded")
    await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    books = await line.expect(redriven=1, discarded=1)
    assert (books.matched, books.replayed > 0) == (20, True)
    await drain(bench, line)


async def mixed_work(line: Line, worker: Worker) -> None:
    """End some deliveries in every way there is, give some back, and keep the rest."""
    held = await worker.take(9)
    await worker.ack(held[0])
    letter = put(Dead(line.group), "", envelope=held[1].envelope)
    await worker.commit(Unit(puts=[letter], settles=[Settle(held[1].token, Done("dead"))]))
    await worker.end("expired", held[2])
    await worker.end("cancelled", held[3])
    await worker.release(held[4], after_s=0.05)
    await worker.release(held[5], after_s=30.0)
    moved = put(Inbox(line.group), "", envelope=held[6].envelope, entry="moved")
    await worker.commit(Unit(puts=[moved], settles=[Settle(held[6].token, Done("moved"))]))


async def drain(bench: Bench, line: Line) -> None:
    """Let a new member take all that can be taken, and see that the books account for all of it."""
    last = line.member("last", credit=1000)
    books = await bench.figures(line.group)
    while books.ready + books.parked + books.held:
        await last.ack(*await last.some())
        books = await line.expect()
    assert books.waiting == 1


@needs("exact_stats")
async def test_dead_and_acked_of_two_groups_are_kept_apart(bench: Bench) -> None:
    line = await bench.line()
    second = Line(bench, line.topic, await bench.group("second", line.topic))
    await line.put("a", "b")
    await line.member().take_and_ack(2)
    ann = second.member()
    await ann.end("dead", *await ann.take(2))
    await line.expect(matched=2, acked=2, dead=0)
    await second.expect(matched=2, acked=0, dead=2)


@needs("exact_stats")
async def test_catalogue_counts_what_a_topic_saw(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b")
    await bench.offer(put(line.topic, "c", dedupe="c"), put(line.topic, "c", dedupe="c"))
    info = await bench.topic_info(line.topic)
    assert (info.stored, info.duplicates, info.unheard, info.scheduled) == (3, int(bench.can.dedupe), 0, 0)
    assert info.kept == 3


@needs("exact_stats", "replay")
@pytest.mark.requirement("R44")
@turned_clock
async def test_settled_events_are_removed_when_kept_long_enough(bench: Bench) -> None:
    line = await bench.line(keep_s=60.0)
    ann = line.member(credit=1000)
    await line.put(*numbered(600))
    await ann.take_and_ack(600)
    await bench.pass_time(3600)
    for _ in range(3):
        await line.put(*numbered(600, "new"))
        await ann.take_and_ack(600)
        await bench.pass_time(3600)
    info = await bench.topic_info(line.topic)
    assert info.stored == 2400
    assert info.kept < 2400
    await line.expect(matched=2400, acked=2400, ready=0)


@needs("replay")
@turned_clock
async def test_unsettled_event_is_never_removed(bench: Bench) -> None:
    line = await bench.line(keep_s=1.0)
    await line.put("unsettled")
    fast = bench.member(await bench.group("fast", line.topic), credit=1000)
    for _ in range(3):
        await line.put(*numbered(600))
        await fast.take_and_ack(600)
        await bench.pass_time(30 * 86_400)
    assert (await line.member().take_and_ack(1)) == ["unsettled"]


@pytest.mark.requirement("R44")
async def test_nothing_is_left_of_what_is_settled(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member(credit=1000)
    for _ in range(5):
        await line.put(*numbered(200))
        await ann.take_and_ack(200)
    await line.expect(matched=1000, acked=1000, held=0, waiting=0, parked=0, ready=0)
    await ann.leave()
    await within(bench.backend.drop(Topic(line.topic)), "drop")
    await within(bench.backend.drop(Inbox(line.group)), "drop")


@needs("durable")
async def test_books_survive_a_restart(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(5))
    ann = line.member()
    await ann.take_and_ack(2)
    await ann.end("dead", await ann.one())
    await bench.reopen()
    await line.expect(matched=5, acked=2, dead=1, ready=2)
