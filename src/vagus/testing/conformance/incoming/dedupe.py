"""The same event put twice within the window is stored once; a different one always is."""

from __future__ import annotations

import asyncio

import pytest

from vagus.backend import Dead, First, Inbox, Unit
from vagus.testing.conformance.bench import Bench, numbered, put, within, words
from vagus.testing.conformance.needs import needs, turned_clock

pytestmark = pytest.mark.contract("G12")


@needs("dedupe")
async def test_same_dedupe_twice_is_stored_once(bench: Bench) -> None:
    line = await bench.line()
    [position] = await line.put("a", dedupe="a-1")
    again = await bench.offer(put(line.topic, "a", dedupe="a-1"))
    assert again.done
    assert (again.puts[0].status, again.puts[0].position) == ("duplicate", position)
    ann = line.member()
    await ann.ack(await ann.one())
    await ann.none()


@needs("dedupe")
async def test_second_put_of_one_unit_is_the_duplicate(bench: Bench) -> None:
    line = await bench.line()
    outcome = await bench.offer(put(line.topic, "a", dedupe="x"), put(line.topic, "b", dedupe="x"))
    assert [said.status for said in outcome.puts] == ["stored", "duplicate"]


async def test_events_with_different_dedupe_are_all_stored(bench: Bench) -> None:
    line = await bench.line()
    for word in numbered(20):
        await line.put(word, dedupe=word)
    assert sorted(await line.member().take_and_ack(20)) == numbered(20)


async def test_events_without_dedupe_are_never_swallowed(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "a", "a")
    assert words(await line.member().take(3)) == ["a", "a", "a"]


@needs("dedupe")
async def test_dedupe_of_one_topic_says_nothing_of_another(bench: Bench) -> None:
    here, there = await bench.topic("here"), await bench.topic("there")
    group = await bench.group("desk", here, there)
    await bench.put(here, "a", dedupe="a")
    await bench.put(there, "b", dedupe="a")
    assert sorted(words(await bench.member(group).take(2))) == ["a", "b"]


@needs("dedupe")
async def test_inbox_and_dead_letters_have_a_dedupe_of_their_own(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", dedupe="a")
    await bench.put(Inbox(line.group), "a", dedupe="a", entry="moved")
    await bench.put(Dead(line.group), "a", dedupe="a")
    again = await bench.offer(put(Inbox(line.group), "a", dedupe="a", entry="moved"))
    assert again.puts[0].status == "duplicate"


@needs("dedupe")
async def test_duplicate_of_a_settled_event_is_still_one(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    await line.put("a", dedupe="a")
    await ann.ack(await ann.one())
    assert (await bench.offer(put(line.topic, "a", dedupe="a"))).puts[0].status == "duplicate"
    await ann.none()


@needs("dedupe", "delay")
async def test_scheduled_event_counts_for_dedupe(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", dedupe="a", after_s=0.3)
    assert (await bench.offer(put(line.topic, "a", dedupe="a"))).puts[0].status == "duplicate"
    ann = line.member()
    await bench.pass_time(0.3)
    await ann.ack(await ann.one())
    assert (await bench.offer(put(line.topic, "a", dedupe="a"))).puts[0].status == "duplicate"
    await ann.none()


@needs("dedupe")
async def test_race_of_two_publishers_stores_one(bench: Bench) -> None:
    line = await bench.line()
    other = await bench.second()
    unit = Unit(puts=[put(line.topic, "a", dedupe="a")])
    answers = await within(asyncio.gather(*(home.commit([unit]) for home in (bench.backend, other) * 4)), "commit")
    statuses = sorted(outcome.puts[0].status for [outcome] in answers)
    assert statuses == ["duplicate"] * 7 + ["stored"]


@needs("dedupe")
async def test_duplicate_put_does_not_stop_its_unit(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", dedupe="a")
    outcome = await bench.offer(put(line.topic, "a", dedupe="a"), put(line.topic, "b", dedupe="b"))
    assert outcome.done
    assert [said.status for said in outcome.puts] == ["duplicate", "stored"]


@needs("dedupe")
async def test_refused_put_leaves_no_dedupe_behind(bench: Bench) -> None:
    topic = await bench.topic()
    assert not (await bench.offer(put(topic, "a", dedupe="a"))).done
    group = await bench.group("desk", topic)
    await bench.put(topic, "a", dedupe="a")
    assert words(await bench.member(group).take()) == ["a"]


@needs("dedupe", "durable")
async def test_dedupe_survives_a_restart(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", dedupe="a")
    await bench.reopen()
    assert (await bench.offer(put(line.topic, "a", dedupe="a"))).puts[0].status == "duplicate"


@needs("dedupe", "shared")
async def test_dedupe_holds_between_processes(bench: Bench) -> None:
    line = await bench.line()
    other = await bench.process()
    assert await other.ask("once", line.topic, "a", "a") == "stored"
    assert (await bench.offer(put(line.topic, "a", dedupe="a"))).puts[0].status == "duplicate"


@needs("dedupe")
@turned_clock
async def test_dedupe_still_holds_after_six_days(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    await line.put("a", dedupe="a")
    await ann.ack(await ann.one())
    await bench.pass_time(6 * 86_400)
    assert (await bench.offer(put(line.topic, "a", dedupe="a"))).puts[0].status == "duplicate"


@needs("replay")
async def test_kept_events_show_each_id_once(bench: Bench) -> None:
    topic = await bench.topic(archive=True)
    for word in ("a", "b", "c"):
        await bench.put(topic, word, dedupe=word)
    assert await bench.words_in(topic, First()) == ["a", "b", "c"]
