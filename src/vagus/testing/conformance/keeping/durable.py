"""What a publish returned for is there after every process of ours has died."""

from __future__ import annotations

import pytest

from vagus.backend import First
from vagus.testing.conformance.bench import Bench, numbered, within, words
from vagus.testing.conformance.needs import needs

pytestmark = pytest.mark.contract("G1")


@needs("durable")
async def test_stored_events_survive_closing(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(20))
    await bench.reopen()
    assert await line.member().take_and_ack(20) == numbered(20)


@needs("durable", "shared")
@pytest.mark.requirement("R37")
async def test_stored_events_survive_the_killed_publisher(bench: Bench) -> None:
    line = await bench.line()
    other = await bench.process()
    assert await other.ask("put", line.topic, *numbered(20)) == ["stored"] * 20
    await other.kill()
    assert await line.member().take_and_ack(20) == numbered(20)


@needs("durable", "shared")
@pytest.mark.contract("G4")
async def test_acks_survive_the_killed_worker(bench: Bench) -> None:
    line = await bench.line(lease_s=max(1.0, bench.subject.lease_s))
    await line.put(*numbered(5))
    other = await bench.process()
    assert await other.ask("take", line.group, 3) == numbered(5)[:3]
    assert await other.ask("ack") == ["done"] * 3
    await other.kill()
    ann = line.member()
    assert await ann.take_and_ack(2) == numbered(5)[3:]
    await line.expect(matched=5, acked=5, lost=0)


@needs("durable")
@pytest.mark.contract("G2")
async def test_acked_events_stay_acked_after_closing(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a", "b", "c")
    await line.member().take_and_ack(2)
    await bench.reopen()
    ann = line.member("bob")
    assert words(await ann.take()) == ["c"]
    await ann.none()


@needs("durable")
async def test_groups_and_topics_survive_closing(bench: Bench) -> None:
    line = await bench.line(lease_s=12.0)
    await bench.reopen()
    catalogue = await within(bench.backend.describe(), "describe")
    assert line.topic in [info.spec.name for info in catalogue.topics]
    [spec] = [info.spec for info in catalogue.groups if info.spec.name == line.group]
    assert (spec.lease_s, spec.patterns) == (12.0, (line.topic,))


@needs("durable", "replay")
async def test_positions_go_on_where_they_were(bench: Bench) -> None:
    line = await bench.line()
    before = await line.put("a", "b")
    await bench.reopen()
    after = await line.put("c")
    assert [*before, *after] == sorted([*before, *after], key=lambda position: position or 0)
    assert len({*before, *after}) == 3
    assert await bench.words_in(line.topic, First()) == ["a", "b", "c"]
