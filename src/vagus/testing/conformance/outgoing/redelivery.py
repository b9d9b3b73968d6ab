"""What nobody settled comes back: after its lease, or when its member dies or leaves; late settles are refused."""

from __future__ import annotations

import pytest

from vagus.backend import Done, Release, Settle, Unit
from vagus.testing.conformance.bench import Bench, numbered, put, within, words
from vagus.testing.conformance.needs import needs

pytestmark = pytest.mark.contract("G4")


@pytest.mark.requirement("R57")
async def test_unsettled_event_returns_after_its_lease(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    first = await ann.one()
    await bob.none(bench.subject.lease_s / 3)
    again = await bob.one(within_s=bench.subject.lease_s + 3.0)
    assert (words([again]), again.losses, first.losses) == (["a"], 1, 0)
    assert again.position == first.position


@pytest.mark.requirement("R57")
async def test_lapsed_lease_is_counted_as_a_loss(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    await ann.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    await bob.one()
    await line.expect(lost=1, matched=1, held=1, acked=0)


@needs("fenced")
async def test_late_ack_of_the_old_holder_is_refused(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    late = await ann.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    held = await bob.one()
    assert await ann.settle(Settle(late.token, Done("acked"))) == ["lost"]
    await bob.ack(held)
    await line.expect(acked=1, held=0)


@needs("fenced")
async def test_late_release_of_the_old_holder_is_refused(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    late = await ann.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    held = await bob.one()
    assert await ann.settle(Settle(late.token, Release())) == ["lost"]
    await bob.none(0.05)
    await bob.ack(held)


@needs("fenced")
async def test_holder_may_be_fenced_off_by_its_own_second_claim(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann = line.member("ann")
    late = await ann.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    held = await ann.one()
    assert await ann.settle(Settle(late.token, Done("acked"))) == ["lost"]
    await ann.ack(held)


async def test_lapsed_event_that_nobody_took_is_settled_or_comes_back(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann = line.member("ann")
    held = await ann.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    [said] = await ann.settle(Settle(held.token, Done("acked")))
    if said == "done":
        await line.member("bob").none()
    else:
        assert words([await line.member("bob").one()]) == ["a"]


async def test_extended_lease_keeps_the_event(bench: Bench) -> None:
    lease_s = bench.subject.lease_s
    line = await bench.line(lease_s=lease_s)
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    held = await ann.one()
    for _ in range(3):
        await bench.pass_time(lease_s * 0.6)
        assert list(await within(ann.feed.extend([held.token], lease_s), "extend")) == []
    await bob.none(0.05)
    await ann.ack(held)
    await line.expect(acked=1, lost=0)


async def test_extending_longer_than_the_lease_holds_that_long(bench: Bench) -> None:
    lease_s = bench.subject.lease_s
    line = await bench.line(lease_s=lease_s)
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    held = await ann.one()
    await within(ann.feed.extend([held.token], 60.0), "extend")
    await bench.pass_time(lease_s * 1.5)
    await bob.none(0.05)
    await ann.ack(held)


@needs("fenced")
async def test_extend_names_the_tokens_that_were_lost(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a", "b")
    ann, bob = line.member("ann"), line.member("bob")
    gone = await ann.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    kept = await bob.take(2)
    mine = [delivery for delivery in kept if words([delivery]) == ["b"]]
    assert list(await within(ann.feed.extend([gone.token], 30.0), "extend")) == [gone.token]
    assert list(await within(bob.feed.extend([mine[0].token], 30.0), "extend")) == []


async def test_member_that_leaves_hands_back_at_once_uncounted(bench: Bench) -> None:
    line = await bench.line()
    await line.put(*numbered(5))
    ann, bob = line.member("ann"), line.member("bob")
    await ann.take(5)
    await ann.leave()
    back = await bob.take(5)
    assert sorted(words(back)) == numbered(5)
    assert [delivery.losses for delivery in back] == [0] * 5
    await line.expect(lost=0, held=5)


@needs("fenced")
async def test_settle_after_leaving_is_lost(bench: Bench) -> None:
    line = await bench.line()
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    held = await ann.one()
    await ann.leave()
    await bob.one()
    assert await ann.settle(Settle(held.token, Done("acked"))) == ["lost"]


@needs("atomic", "fenced")
@pytest.mark.contract("G12")
async def test_outputs_of_a_lost_lease_are_not_stored(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    answers = await bench.topic("answers")
    reader = bench.member(await bench.group("reader", answers))
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    late = await ann.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    held = await bob.one()
    outcome = await ann.commit(Unit(puts=[put(answers, "late")], settles=[Settle(late.token, Done("acked"))]))
    assert not outcome.done
    assert (outcome.puts[0].status, outcome.settles[0]) == ("untried", "lost")
    assert (await bob.commit(Unit(puts=[put(answers, "right")], settles=[Settle(held.token, Done("acked"))]))).done
    assert words(await reader.take()) == ["right"]
    await reader.none()


@needs("durable")
@pytest.mark.requirement("R57")
async def test_event_held_when_all_closed_comes_back(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    await line.member("ann").one()
    await bench.reopen()
    await bench.pass_time(bench.subject.lease_s)
    assert words(await line.member("bob").take()) == ["a"]


@needs("shared")
@pytest.mark.requirement("R57")
@pytest.mark.requirement("R37")
async def test_events_of_a_killed_process_come_back(bench: Bench) -> None:
    line = await bench.line(lease_s=max(1.0, bench.subject.lease_s))
    await line.put(*numbered(5))
    other = await bench.process()
    assert await other.ask("take", line.group, 5) == numbered(5)
    await other.kill()
    ann = line.member("ann")
    back = await ann.take(5)
    assert sorted(words(back)) == numbered(5)
    assert [delivery.losses for delivery in back] == [1] * 5
    await ann.ack(*back)
    await line.expect(acked=5, lost=5, held=0)
