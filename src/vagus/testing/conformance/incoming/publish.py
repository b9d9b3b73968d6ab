"""What is stored comes out as it went in, and the publisher learns what became of it."""

from __future__ import annotations

import pytest

from vagus.backend import First, Unit
from vagus.message import Envelope
from vagus.testing.conformance.bench import Bench, numbered, put, words
from vagus.testing.conformance.needs import needs


@pytest.mark.contract("G1")
async def test_event_comes_out_byte_for_byte(bench: Bench) -> None:
    line = await bench.line()
    sent = Envelope(b'{"specversion":"1.0","id":"1","data":{"a": 1.50}}', "application/cloudevents+json")
    await line.put("a", envelope=sent)
    assert (await line.member().one()).envelope.body == sent.body


@pytest.mark.contract("G1")
async def test_content_type_and_headers_come_out_as_given(bench: Bench) -> None:
    line = await bench.line()
    sent = Envelope(b"\x00\x01\xff raw", "application/octet-stream", {"ce-id": "7", "ce-type": "Ärger.订单"})
    await line.put("a", envelope=sent)
    assert (await line.member().one()).envelope == sent


@pytest.mark.contract("G1")
async def test_chinese_text_comes_out_intact(bench: Bench) -> None:
    line = await bench.line()
    await line.put("忘记密码怎么办？", "🦉")
    assert words(await line.member().take(2)) == ["忘记密码怎么办？", "🦉"]


@pytest.mark.contract("G1")
async def test_delivery_names_topic_position_and_key(bench: Bench) -> None:
    line = await bench.line()
    [position] = await line.put("a", key="customer 7")
    got = await line.member().one()
    assert (got.topic, got.position, got.key) == (line.topic, position, "customer 7")
    assert (got.lane, got.generation, got.losses, got.note) == (0, 0, 0, b"")


@pytest.mark.contract("G1")
async def test_generation_and_note_of_a_put_come_out(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", generation=2, note=b"from the desk")
    got = await line.member().one()
    assert (got.generation, got.note) == (2, b"from the desk")


@pytest.mark.contract("G1")
async def test_positions_grow_in_publish_order(bench: Bench) -> None:
    line = await bench.line()
    positions = [(await line.put(word))[0] for word in numbered(12)]
    assert positions == sorted(positions, key=lambda position: position or 0)
    assert len(set(positions)) == 12


@pytest.mark.contract("G1")
@pytest.mark.requirement("R45")
async def test_batch_in_one_unit_keeps_its_order(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(100))
    assert await line.member().take_and_ack(100) == numbered(100)


@pytest.mark.contract("G1")
@pytest.mark.requirement("R45")
async def test_outcomes_stand_in_the_order_of_their_units(bench: Bench) -> None:
    line = await bench.line()
    nowhere = put(bench.name("nowhere"), "lost")
    outcomes = await bench.commit(Unit(puts=[put(line.topic, "a")]), Unit(puts=[nowhere]), Unit(puts=[]))
    assert [outcome.done for outcome in outcomes] == [True, False, True]
    assert [len(outcome.puts) for outcome in outcomes] == [1, 1, 0]


@pytest.mark.contract("G1")
async def test_commit_of_nothing_answers_with_nothing(bench: Bench) -> None:
    assert list(await bench.commit()) == []


@pytest.mark.contract("G19")
async def test_topic_that_nobody_listens_to_is_refused(bench: Bench) -> None:
    outcome = await bench.offer(put(bench.name("nowhere"), "a"))
    assert not outcome.done
    assert (outcome.puts[0].status, outcome.puts[0].why) == ("refused", "no group")


@pytest.mark.contract("G19")
async def test_declared_topic_without_a_group_is_refused(bench: Bench) -> None:
    outcome = await bench.offer(put(await bench.topic(), "a"))
    assert (outcome.puts[0].status, outcome.puts[0].why) == ("refused", "no group")


@pytest.mark.contract("G1")
async def test_output_that_nobody_hears_is_counted_not_refused(bench: Bench) -> None:
    topic = await bench.topic()
    outcome = await bench.offer(put(topic, "a", heard=False))
    assert outcome.done
    assert outcome.puts[0].status == "unheard"
    info = await bench.topic_info(topic)
    assert info.unheard == 1 or not bench.can.exact_stats


@pytest.mark.contract("G1")
@needs("replay")
async def test_archive_keeps_what_nobody_listens_to(bench: Bench) -> None:
    topic = await bench.topic(archive=True)
    await bench.put(topic, "a", "b")
    assert await bench.words_in(topic, First()) == ["a", "b"]


@pytest.mark.contract("G2")
async def test_first_put_makes_a_topic_that_a_pattern_means(bench: Bench) -> None:
    group = await bench.group("desk", bench.name("orders.#"))
    await bench.put(bench.name("orders.new.today"), "a")
    got = await bench.member(group).one()
    assert got.topic == bench.name("orders.new.today")


@pytest.mark.contract("G1")
async def test_publishes_of_many_tasks_are_all_stored(bench: Bench) -> None:
    line = await bench.line()
    outcomes = await bench.commit(*(Unit(puts=[put(line.topic, word)]) for word in numbered(200)))
    assert all(outcome.done for outcome in outcomes)
    assert sorted(await line.member(credit=500).take_and_ack(200)) == numbered(200)


@pytest.mark.contract("G1")
async def test_outside_witness_finds_what_was_put(bench: Bench) -> None:
    witness = bench.witness
    line = await bench.line()
    await line.put("a", envelope=Envelope(b"seen from outside"))
    assert list(witness.read(bench.url, line.topic)) == [b"seen from outside"]


@pytest.mark.contract("G19")
async def test_event_of_a_foreign_program_is_handed_out(bench: Bench) -> None:
    witness = bench.witness
    line = await bench.line()
    await line.put("ours")
    witness.append(bench.url, line.topic, b'{"order": 7}')
    ann = line.member()
    deliveries = await ann.take(2)
    assert deliveries[1].envelope.body == b'{"order": 7}'
    await ann.ack(*deliveries)
