"""What a group gave up on is kept as it was, with its history, apart from the group's work."""

from __future__ import annotations

import pytest

from vagus.backend import After, Dead, Done, First, Settle, Unit
from vagus.message import Envelope
from vagus.testing.conformance.bench import Bench, Line, Worker, numbered, put, within, words
from vagus.testing.conformance.needs import needs

pytestmark = pytest.mark.contract("G6")


async def bury(line: Line, worker: Worker, **options: object) -> None:
    """Take one event and make it a dead letter, as one unit."""
    held = await worker.one()
    letter = put(Dead(line.group), "", envelope=held.envelope, **options)
    assert (await worker.commit(Unit(puts=[letter], settles=[Settle(held.token, Done("dead"))]))).done


@needs("replay")
@pytest.mark.requirement("R16")
@pytest.mark.requirement("R62")
async def test_dead_letter_is_kept_byte_for_byte(bench: Bench) -> None:
    line = await bench.line()
    sent = Envelope(b"\x00poison\xff", "application/octet-stream", {"ce-id": "7"})
    await line.put("a", envelope=sent)
    await bury(line, line.member())
    [record] = await within(bench.backend.read(f"$dead.{line.group}", First(), 10), "read")
    assert record.envelope == sent


@pytest.mark.requirement("R16")
async def test_dead_letter_leaves_the_group_for_good(bench: Bench) -> None:
    line = await bench.line()
    await line.put("dead", "alive")
    ann = line.member()
    await bury(line, ann)
    assert words(await ann.take()) == ["alive"]
    await ann.none()
    await line.expect(matched=2, dead=1, held=1)


@needs("replay")
async def test_dead_letters_are_kept_in_order(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(5))
    ann = line.member()
    for _ in range(5):
        await bury(line, ann)
    assert await bench.words_in(f"$dead.{line.group}", First()) == numbered(5)


@needs("replay")
async def test_dead_letters_of_two_groups_are_apart(bench: Bench) -> None:
    line = await bench.line()
    second = Line(bench, line.topic, await bench.group("second", line.topic))
    await line.put("a", "b")
    await bury(line, line.member())
    await second.member().take_and_ack(2)
    assert await bench.words_in(f"$dead.{line.group}", First()) == ["a"]
    assert await bench.words_in(f"$dead.{second.group}", First()) == []


@needs("replay", "dedupe")
async def test_letter_buried_twice_is_kept_once(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await bench.put(Dead(line.group), "a", dedupe="letter a")
    await bury(line, ann, dedupe="letter a")
    assert await bench.words_in(f"$dead.{line.group}", First()) == ["a"]


@needs("atomic", "fenced", "replay")
async def test_old_holder_buries_nothing(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    late = await ann.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    held = await bob.one()
    unit = Unit(puts=[put(Dead(line.group), "a")], settles=[Settle(late.token, Done("dead"))])
    assert not (await ann.commit(unit)).done
    assert await bench.words_in(f"$dead.{line.group}", First()) == []
    await bob.ack(held)


async def test_dead_letter_needs_no_listener_and_no_declaration(bench: Bench) -> None:
    line = await bench.line()
    outcome = await bench.offer(put(Dead(line.group), "a"))
    assert outcome.done
    assert outcome.puts[0].status == "stored"


@pytest.mark.requirement("R132")
async def test_pattern_for_everything_hears_no_dead_letters(bench: Bench) -> None:
    line = await bench.line()
    everything = bench.member(await bench.group("everything", bench.name("#")))
    await bench.put(Dead(line.group), "letter")
    await line.put("a")
    assert await everything.take_and_ack(1) == ["a"]
    await everything.none()


@needs("replay", "durable")
@pytest.mark.requirement("R62")
async def test_dead_letter_survives_a_restart(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    await bury(line, line.member())
    await bench.reopen()
    assert await bench.words_in(f"$dead.{line.group}", First()) == ["a"]
    await line.expect(dead=1)


@pytest.mark.contract("G20")
async def test_discarded_letter_moves_from_dead_to_discarded(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b")
    ann = line.member()
    await bury(line, ann)
    await bury(line, ann)
    await bench.put(Dead(line.group), "mark", entry="discarded")
    await line.expect(matched=2, dead=1, discarded=1)


@pytest.mark.contract("G14")
@needs("replay")
async def test_dead_letters_are_read_on_from_a_position(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b")
    ann = line.member()
    await bury(line, ann)
    await bury(line, ann)
    [first, _] = await within(bench.backend.read(f"$dead.{line.group}", First(), 10), "read")
    assert await bench.words_in(f"$dead.{line.group}", After(first.position)) == ["b"]
