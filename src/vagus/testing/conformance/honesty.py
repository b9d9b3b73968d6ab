"""Each flag is shown to be true: claims hold, and what is denied is refused or really missing."""

from __future__ import annotations

import pytest

from vagus.backend import Done, First, Release, SeekTo, Settle, Unit
from vagus.testing.conformance.bench import Bench, put, settle_down, within, word_of, words
from vagus.testing.conformance.needs import needs

pytestmark = pytest.mark.requirement("R10")


async def test_declared_flags_are_the_expected_ones(bench: Bench) -> None:
    declared = {flag: getattr(bench.can, flag) for flag in bench.subject.expected}
    assert declared == bench.subject.expected
    assert bench.can.system
    assert bench.can.version


@needs("durable")
async def test_claim_of_durable_holds(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    await bench.reopen()
    assert words(await line.member().take()) == ["a"]


@needs("shared")
async def test_claim_of_shared_holds(bench: Bench) -> None:
    line = await bench.line()
    other = await bench.process()
    assert await other.ask("put", line.topic, "a") == ["stored"]
    assert words(await line.member().take()) == ["a"]


@needs("atomic")
async def test_claim_of_atomic_holds(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    await line.put("a")
    held = await ann.one()
    await ann.ack(held)
    outcome = await ann.commit(Unit(puts=[put(line.topic, "late")], settles=[Settle(held.token, Release())]))
    assert not outcome.done
    await ann.none()


@needs("fenced")
async def test_claim_of_fenced_holds(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    late = await ann.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    held = await bob.one()
    assert await ann.settle(Settle(late.token, Done("acked"))) == ["lost"]
    await bob.ack(held)


@needs("notes")
async def test_claim_of_notes_holds(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await ann.release(await ann.one(), note=b"tried once")
    assert (await ann.one()).note == b"tried once"


@needs("dedupe")
async def test_claim_of_dedupe_holds(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", dedupe="a")
    assert (await bench.offer(put(line.topic, "a", dedupe="a"))).puts[0].status == "duplicate"
    ann = line.member()
    await ann.one()
    await ann.none()


@needs("delay")
async def test_claim_of_delay_holds(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    await line.put("later", after_s=0.3)
    await line.put("now")
    assert words(await ann.take(2)) == ["now", "later"]


@needs("lanes")
async def test_claim_of_lanes_holds(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    await line.put("low", lane=0)
    await line.put("high", lane=9)
    assert words(await line.member().take(2)) == ["high", "low"]


@needs("lanes", "keyed_lanes")
async def test_claim_of_keyed_lanes_holds(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    await line.put("first", key="k", lane=0)
    await line.put("second", key="k", lane=9)
    assert await line.member().take_and_ack(2) == ["first", "second"]


@needs("replay")
async def test_claim_of_replay_holds(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    await ann.take_and_ack(1)
    await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    again = await ann.one()
    assert (word_of(again.envelope), again.generation) == ("a", 1)


@needs("bounded")
async def test_claim_of_bounded_holds(bench: Bench) -> None:
    line = await bench.line(max_events=1)
    await line.put("a")
    assert (await bench.offer(put(line.topic, "b"))).puts[0].why == "full"


@needs("exact_stats")
async def test_claim_of_exact_figures_holds(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b", "c")
    ann = line.member()
    await ann.ack(await ann.one())
    await ann.one()
    books = await line.expect(matched=3, acked=1, held=1, ready=1)
    assert books.estimated == frozenset()


@needs("switch")
async def test_claim_of_switch_holds(bench: Bench) -> None:
    line = await bench.line()
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.switch("all")
    await line.put("a")
    assert (words(await ann.take()), words(await bob.take())) == (["a"], ["a"])


@needs("inboxes")
async def test_claim_of_inboxes_holds(bench: Bench) -> None:
    line = await bench.line(pick="in turn")
    ann, bob, dispatcher = line.member("ann"), line.member("bob"), line.dispatcher()
    await line.put("a")
    await settle_down()
    await dispatcher.move(await dispatcher.one(), line.group, "bob")
    assert words(await bob.take()) == ["a"]
    await ann.none()
