"""A unit is carried out whole or not at all; what is new is stored before what is old is let go."""

from __future__ import annotations

import asyncio

import pytest

from vagus.backend import Dead, Done, First, Release, Settle, Unit
from vagus.store import Append, Change
from vagus.testing.conformance.bench import Bench, numbered, put, within, words
from vagus.testing.conformance.needs import needs


@pytest.mark.contract("G1")
async def test_outputs_and_ack_travel_as_one_unit(bench: Bench) -> None:
    line = await bench.line()
    answers = await bench.topic("answers")
    reader = bench.member(await bench.group("reader", answers))
    await line.put("question")
    ann = line.member()
    held = await ann.one()
    unit = Unit(puts=[put(answers, "one"), put(answers, "two")], settles=[Settle(held.token, Done("acked"))])
    outcome = await ann.commit(unit)
    assert outcome.done
    assert ([said.status for said in outcome.puts], list(outcome.settles)) == (["stored", "stored"], ["done"])
    assert words(await reader.take(2)) == ["one", "two"]
    await line.expect(acked=1)


@needs("atomic")
@pytest.mark.contract("G1")
async def test_refused_put_leaves_the_rest_of_its_unit_undone(bench: Bench) -> None:
    line = await bench.line()
    answers = await bench.topic("answers")
    reader = bench.member(await bench.group("reader", answers))
    await line.put("question")
    ann = line.member()
    held = await ann.one()
    puts = [put(answers, "one"), put(bench.name("nowhere"), "two")]
    outcome = await ann.commit(Unit(puts=puts, settles=[Settle(held.token, Done("acked"))]))
    assert not outcome.done
    assert [said.status for said in outcome.puts] == ["untried", "refused"]
    assert list(outcome.settles) == ["untried"]
    await reader.none(0.05)
    await ann.ack(held)


@pytest.mark.contract("G6")
async def test_refused_put_never_lets_go_of_its_cause(bench: Bench) -> None:
    line = await bench.line()
    await line.put("question")
    ann = line.member()
    held = await ann.one()
    unit = Unit(puts=[put(bench.name("nowhere"), "x")], settles=[Settle(held.token, Done("acked"))])
    assert (await ann.commit(unit)).settles[0] == "untried"
    await ann.leave()
    assert words([await line.member("bob").one()]) == ["question"]


@needs("atomic", "fenced")
@pytest.mark.contract("G4")
async def test_one_lost_settle_undoes_the_other(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b")
    ann = line.member()
    lost, fine = await ann.take(2)
    await ann.ack(lost)
    both = Unit(settles=[Settle(lost.token, Done("acked")), Settle(fine.token, Done("acked"))])
    outcome = await ann.commit(both)
    assert not outcome.done
    assert list(outcome.settles) == ["lost", "untried"]
    await line.expect(acked=1, held=1)


@pytest.mark.contract("G4")
async def test_lost_unit_stops_no_other_of_its_commit(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b", "c")
    ann = line.member()
    held = await ann.take(3)
    await ann.ack(held[1])
    assert await ann.settle(*(Settle(each.token, Done("acked")) for each in held)) == ["done", "lost", "done"]


@pytest.mark.contract("G8")
async def test_units_of_one_commit_take_effect_in_order(bench: Bench) -> None:
    line = await bench.line()
    await bench.commit(*(Unit(puts=[put(line.topic, word, key="k")]) for word in numbered(10)))
    assert await line.member().take_and_ack(10) == numbered(10)


@needs("atomic")
@pytest.mark.contract("G12")
async def test_change_of_the_store_joins_the_unit(bench: Bench) -> None:
    store, key = bench.store, bench.name("effect")
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    held = await ann.one()
    unit = Unit(settles=[Settle(held.token, Done("acked"))], changes=[Change(key, b"done", expect=0)])
    outcome = await ann.commit(unit)
    assert (outcome.done, list(outcome.changes)) == (True, [True])
    [value] = await store.get([key])
    assert value is not None
    assert (value.body, value.version) == (b"done", 1)


@needs("atomic")
@pytest.mark.contract("G12")
async def test_failed_change_refuses_its_unit(bench: Bench) -> None:
    store, key = bench.store, bench.name("effect")
    await store.swap([Change(key, b"there already")])
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    held = await ann.one()
    unit = Unit(
        puts=[put(line.topic, "b")],
        settles=[Settle(held.token, Done("acked"))],
        changes=[Change(key, b"mine", expect=0)],
    )
    outcome = await ann.commit(unit)
    assert (outcome.done, list(outcome.changes), list(outcome.settles)) == (False, [False], ["untried"])
    await line.expect(matched=1, acked=0, held=1)


@needs("atomic")
@pytest.mark.contract("G18")
async def test_change_that_is_not_required_is_left_out(bench: Bench) -> None:
    store, key, stream = bench.store, bench.name("effect"), bench.name("stream")
    await store.swap([Change(key, b"there already")])
    unit = Unit(
        changes=[
            Change(key, b"mine", expect=0, required=False),
            Append(stream, "p", 0, 1, [b"part"], ttl_s=300.0),
        ]
    )
    [outcome] = await bench.commit(unit)
    assert (outcome.done, list(outcome.changes)) == (True, [False, True])
    assert [part.body for part in await store.follow(stream, 0, 10)] == [b"part"]


@needs("atomic", "fenced")
@pytest.mark.contract("G12")
async def test_lost_lease_changes_nothing_in_the_store(bench: Bench) -> None:
    store, key = bench.store, bench.name("effect")
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    held = await ann.one()
    await ann.ack(held)
    outcome = await ann.commit(Unit(settles=[Settle(held.token, Done("acked"))], changes=[Change(key, b"late")]))
    assert (outcome.done, list(outcome.changes)) == (False, [False])
    assert list(await store.get([key])) == [None]


@pytest.mark.contract("G1")
@pytest.mark.requirement("R45")
async def test_commits_of_many_tasks_are_all_answered(bench: Bench) -> None:
    line = await bench.line()
    commits = [bench.backend.commit([Unit(puts=[put(line.topic, word)])]) for word in numbered(100)]
    answers = await within(asyncio.gather(*commits), "commit")
    assert all(outcome.done for [outcome] in answers)
    assert sorted(await line.member(credit=200).take_and_ack(100)) == numbered(100)


@pytest.mark.contract("G6")
@needs("replay")
async def test_letter_is_stored_when_the_event_is_let_go(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann = line.member()
    held = await ann.one()
    unit = Unit(puts=[put(Dead(line.group), "a")], settles=[Settle(held.token, Done("dead"))])
    assert (await ann.commit(unit)).done
    assert await bench.words_in(f"$dead.{line.group}", First()) == ["a"]
    await line.expect(dead=1, held=0)


@pytest.mark.contract("G5")
async def test_mixed_settles_of_one_unit_each_take_effect(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b", "c")
    ann = line.member()
    held = await ann.take(3)
    actions: list[Done | Release] = [Done("acked"), Release(), Done("expired")]
    unit = Unit(settles=[Settle(each.token, action) for each, action in zip(held, actions, strict=True)])
    assert (await ann.commit(unit)).done
    assert words(await ann.take()) == ["b"]
    await line.expect(acked=1, expired=1, held=1)
