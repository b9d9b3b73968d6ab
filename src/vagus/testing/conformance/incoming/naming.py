"""Names of the field's own systems are legal topics, and patterns mean what they say."""

from __future__ import annotations

import pytest

from vagus.testing.conformance.bench import Bench, words

THEIRS = (
    "custom_workflow_channel",
    "llama_deploy.control_plane",
    "llama_deploy.agentic_workflow",
    "kotaemon_events",
    "kotaemon-dialog-events",
    "rag-traces",
    "task_queue",
)


@pytest.mark.requirement("R132")
async def test_names_of_other_systems_are_legal_topics(bench: Bench) -> None:
    topics = [await bench.topic(word) for word in THEIRS]
    group = await bench.group("desk", *topics)
    for topic in topics:
        await bench.put(topic, topic)
    assert sorted(await bench.member(group).take_and_ack(len(topics))) == sorted(topics)


@pytest.mark.requirement("R132")
async def test_star_means_one_word_and_hash_the_rest(bench: Bench) -> None:
    group = await bench.group("desk", bench.name("tenant.*.order.#"))
    everything = await bench.group("everything", bench.name("#"))
    meant = [bench.name(word) for word in ("tenant.a.order", "tenant.b.order.new", "tenant.c.order.new.today")]
    others = [bench.name(word) for word in ("tenant.order", "tenant.a.b.order", "tenant.a.orders")]
    for topic in [*meant, *others]:
        await bench.put(topic, topic)
    assert sorted(await bench.member(everything).take_and_ack(6)) == sorted([*meant, *others])
    ann = bench.member(group)
    assert sorted(await ann.take_and_ack(3)) == sorted(meant)
    await ann.none()


@pytest.mark.requirement("R132")
async def test_names_that_look_alike_stay_apart(bench: Bench) -> None:
    alike = ["rag-traces", "rag_traces", "rag.traces", "Rag-Traces", "ragtraces"]
    groups = {word: await bench.group(f"g{number}", bench.name(word)) for number, word in enumerate(alike)}
    for word in alike:
        await bench.put(bench.name(word), word)
    for word, group in groups.items():
        ann = bench.member(group)
        assert await ann.take_and_ack(1) == [word]
        await ann.none(0.03)


@pytest.mark.contract("G2")
async def test_event_that_two_patterns_of_a_group_mean_comes_once(bench: Bench) -> None:
    group = await bench.group("desk", bench.name("orders.#"), bench.name("orders.*"), bench.name("orders.new"))
    await bench.put(bench.name("orders.new"), "a")
    ann = bench.member(group)
    await ann.ack(await ann.one())
    await ann.none()


@pytest.mark.contract("G2")
async def test_longest_legal_topic_works(bench: Bench) -> None:
    word = "w" * (200 - len(bench.name("")))
    group = await bench.group("desk", bench.name(word))
    await bench.put(bench.name(word), "a")
    assert words(await bench.member(group).take()) == ["a"]


@pytest.mark.contract("G2")
async def test_added_pattern_is_heard_and_removed_one_is_not(bench: Bench) -> None:
    old, new = await bench.topic("old"), await bench.topic("new")
    group = await bench.group("desk", old)
    await bench.group("desk", new)
    await bench.group("other", old, new)
    await bench.put(old, "unheard")
    await bench.put(new, "heard")
    ann = bench.member(group)
    assert await ann.take_and_ack(1) == ["heard"]
    await ann.none()


@pytest.mark.contract("G2")
async def test_declaring_again_changes_nothing(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    await bench.line()
    await line.put("b")
    assert await line.member().take_and_ack(2) == ["a", "b"]
