"""What is wrong gets a clear error or is carried unharmed; it never stops what is right."""

from __future__ import annotations

import pytest

from vagus.backend import Done, First, GroupSpec, Inbox, Member, Put, Release, SeekTo, Settle, Topic, Unit
from vagus.errors import GroupConflict, NotStarted, VagusError
from vagus.message import Envelope
from vagus.registry import create_backend
from vagus.testing.conformance.bench import Bench, put, within, words
from vagus.testing.conformance.needs import needs

pytestmark = pytest.mark.contract("G19")


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"{not json", b"\xff\xfe\xfd", b'{"specversion":"9"}', b"'; DROP TABLE event; --"],
    ids=["empty", "zero", "half json", "not utf-8", "other version", "sql"],
)
async def test_undecodable_bytes_are_carried_unharmed(bench: Bench, body: bytes) -> None:
    line = await bench.line()
    await line.put("poison", envelope=Envelope(body))
    await line.put("after")
    ann = line.member()
    poison, after = await ann.take(2)
    assert poison.envelope.body == body
    assert words([after]) == ["after"]
    await ann.ack(poison, after)


async def test_body_of_a_million_bytes_is_carried(bench: Bench) -> None:
    line = await bench.line()
    await line.put("big", envelope=Envelope(bytes(range(256)) * 4000))
    assert len((await line.member().one()).envelope.body) == 1_024_000


async def test_strange_keys_and_dedupes_are_only_data(bench: Bench) -> None:
    line = await bench.line()
    strange = ["", " ", "'", "%", "a/b", "密码", "x" * 500, "a\nb", "a\x00b"]
    for number, key in enumerate(strange):
        await line.put(str(number), key=key, dedupe=f"{key}!")
    deliveries = await line.member().take(len(strange))
    assert [delivery.key for delivery in deliveries] == strange


async def test_group_declared_in_another_mode_is_a_conflict(bench: Bench) -> None:
    line = await bench.line(mode="once")
    spec = GroupSpec(name=line.group, patterns=(line.topic,), mode="all")
    with pytest.raises(GroupConflict):
        await within(bench.backend.declare([], [spec]), "declare")


async def test_attaching_to_an_unknown_group_is_an_error(bench: Bench) -> None:
    with pytest.raises(VagusError):
        await within(bench.backend.attach(Inbox(bench.name("nobody")), Member("ann"), 1).take(1, ()), "take", 2.0)


async def test_books_of_an_unknown_group_are_an_error(bench: Bench) -> None:
    with pytest.raises(VagusError):
        await within(bench.backend.stats(bench.name("nobody")), "stats")


async def test_steering_an_unknown_group_is_an_error(bench: Bench) -> None:
    with pytest.raises(VagusError):
        await within(bench.backend.steer(bench.name("nobody"), SeekTo(First())), "steer")


async def test_backend_that_is_not_open_says_so(bench: Bench) -> None:
    closed = create_backend(bench.url, bench.clock)
    with pytest.raises(NotStarted):
        await within(closed.commit([Unit(puts=[Put(Topic(bench.name("orders")), Envelope(b""))])]), "commit")


async def test_settling_twice_is_lost_the_second_time(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    await line.put("a")
    held = await ann.one()
    await ann.ack(held)
    assert await ann.settle(Settle(held.token, Done("acked"))) == ["lost"]
    assert await ann.settle(Settle(held.token, Release())) == ["lost"]
    await line.expect(matched=1, acked=1, waiting=0, held=0)


async def test_inbox_of_an_unknown_group_is_refused(bench: Bench) -> None:
    outcome = await bench.offer(put(Inbox(bench.name("nobody")), "a"))
    assert (outcome.puts[0].status, outcome.puts[0].why) == ("refused", "no group")


async def test_bad_unit_blocks_no_other_of_its_commit(bench: Bench) -> None:
    line = await bench.line()
    nowhere = Unit(puts=[put(bench.name("nowhere"), "x")])
    outcomes = await bench.commit(Unit(puts=[put(line.topic, "a")]), nowhere, Unit(puts=[put(line.topic, "b")]))
    assert [outcome.done for outcome in outcomes] == [True, False, True]
    assert await line.member().take_and_ack(2) == ["a", "b"]


@needs("replay")
async def test_reading_an_unknown_topic_finds_nothing(bench: Bench) -> None:
    assert await bench.words_in(bench.name("nowhere"), First()) == []


async def test_dropping_what_is_not_there_is_no_error(bench: Bench) -> None:
    await within(bench.backend.drop(Topic(bench.name("nowhere"))), "drop")
    await within(bench.backend.drop(Inbox(bench.name("nobody"))), "drop")


async def test_dropped_group_gets_nothing_and_may_return(bench: Bench) -> None:
    line = await bench.line()
    await line.put("before")
    await within(bench.backend.drop(Inbox(line.group)), "drop")
    await bench.group("desk", line.topic)
    await line.put("after")
    ann = line.member()
    assert await ann.take_and_ack(1) == ["after"]
    await ann.none()
