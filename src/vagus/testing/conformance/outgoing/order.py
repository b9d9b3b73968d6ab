"""Events of one key are handled one at a time and in publish order; different keys flow side by side."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from vagus.backend import Dead, Done, Inbox, Settle, Unit
from vagus.testing.conformance.bench import Bench, put, word_of, words
from vagus.testing.conformance.needs import needs

pytestmark = pytest.mark.contract("G8")


async def test_events_of_a_key_come_one_at_a_time(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a1", "a2", "a3", key="a")
    ann, bob = line.member("ann"), line.member("bob")
    for word in ("a1", "a2", "a3"):
        got = await ann.some()
        assert words(got) == [word]
        await bob.none(0.05)
        await ann.ack(*got)


async def test_different_keys_are_held_side_by_side(bench: Bench) -> None:
    line = await bench.line()
    for key in "abc":
        await line.put(f"{key}1", f"{key}2", key=key)
    ann = line.member()
    assert sorted(words(await ann.take(3))) == ["a1", "b1", "c1"]
    await ann.none(0.05)
    await line.expect(held=3, matched=6)


async def test_events_without_a_key_pass_a_busy_key(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a1", "a2", key="a")
    await line.put("free")
    assert words(await line.member().take(2)) == ["a1", "free"]


async def test_acked_event_lets_its_key_go_to_another_member(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a1", "a2", key="a")
    ann, bob = line.member("ann"), line.member("bob")
    await ann.ack(await ann.one())
    assert words([await bob.one()]) == ["a2"]


@needs("delay")
async def test_key_waits_while_its_event_is_retried(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a1", "a2", key="a")
    await line.put("b1", key="b")
    ann = line.member()
    first = await ann.one()
    await ann.release(first, after_s=0.3)
    assert await ann.take_and_ack(3) == ["b1", "a1", "a2"]


async def test_event_of_a_lapsed_lease_comes_before_its_followers(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a1", "a2", key="a")
    await line.member("ann").one()
    bob = line.member("bob")
    await bench.pass_time(bench.subject.lease_s * 1.2)
    assert await bob.take_and_ack(2) == ["a1", "a2"]


async def test_event_of_a_member_that_left_comes_before_its_followers(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a1", "a2", key="a")
    ann, bob = line.member("ann"), line.member("bob")
    await ann.one()
    await bob.none(0.05)
    await ann.leave()
    assert await bob.take_and_ack(2) == ["a1", "a2"]


@pytest.mark.contract("G6")
async def test_dead_letter_frees_its_key(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a1", "a2", key="a")
    ann = line.member()
    held = await ann.one()
    letter = put(Dead(line.group), "a1", key="a")
    assert (await ann.commit(Unit(puts=[letter], settles=[Settle(held.token, Done("dead"))]))).done
    assert words([await ann.one()]) == ["a2"]


async def test_inbox_entry_holds_its_keys_place(bench: Bench) -> None:
    line = await bench.line()
    await bench.put(Inbox(line.group), "again", key="a", entry="redriven", generation=1)
    await line.put("a1", key="a")
    ann = line.member()
    got = await ann.one()
    await ann.none(0.05)
    await ann.ack(got)
    other = await ann.one()
    assert sorted(words([got, other])) == ["a1", "again"]


async def test_unordered_group_does_not_wait_for_keys(bench: Bench) -> None:
    line = await bench.line(ordered=False)
    await line.put("a1", "a2", "a3", key="a")
    assert words(await line.member().take(3)) == ["a1", "a2", "a3"]


async def test_busy_key_of_one_group_stops_no_other_group(bench: Bench) -> None:
    line = await bench.line()
    second = await bench.group("second", line.topic)
    await line.put("a1", "a2", key="a")
    await line.member().one()
    assert await bench.member(second).take_and_ack(2) == ["a1", "a2"]


async def test_order_holds_whoever_settles_in_whatever_order(bench: Bench) -> None:
    line = await bench.line()
    dice = random.Random(7)
    sent = [(key, f"{key}{number:02}") for number in range(12) for key in "abcde"]
    for key, word in sent:
        await line.put(word, key=key)
    workers = [line.member(name) for name in ("ann", "bob")]
    done: dict[str | None, list[str]] = defaultdict(list)
    for _ in range(len(sent)):
        worker = dice.choice(workers)
        held = await worker.some(dice.randint(1, 4)) if sum(map(len, done.values())) < len(sent) else []
        for delivery in dice.sample(held, len(held)):
            done[delivery.key].append(word_of(delivery.envelope))
            await worker.ack(delivery)
    assert done == {key: [word for other, word in sent if other == key] for key in "abcde"}


async def test_many_parked_events_come_out_in_order(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*(f"a{number:03}" for number in range(60)), key="a")
    await line.put("free")
    ann = line.member()
    assert sorted(words(await ann.take(2))) == ["a000", "free"]
    await line.expect(matched=61, held=2)


@needs("durable")
async def test_order_survives_a_restart(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a1", "a2", "a3", key="a")
    ann = line.member()
    await ann.ack(await ann.one())
    await ann.one()
    await bench.reopen()
    await bench.pass_time(bench.subject.lease_s)
    assert await line.member("bob").take_and_ack(2) == ["a2", "a3"]


@needs("shared")
async def test_key_held_by_a_killed_process_keeps_its_order(bench: Bench) -> None:
    line = await bench.line(lease_s=max(1.0, bench.subject.lease_s))
    await line.put("a1", "a2", key="a")
    other = await bench.process()
    assert await other.ask("take", line.group, 5) == ["a1"]
    await other.kill()
    assert await line.member().take_and_ack(2) == ["a1", "a2"]
