"""Mode and pick of a group change while traffic flows: nothing is lost, nothing is handled by the wrong set."""

from __future__ import annotations

import asyncio

import pytest

from vagus.backend import Dead, Done, End, First, GroupSpec, Inbox, SeekTo, Settle, Switch, TopicSpec, Unit
from vagus.errors import GroupConflict, InvalidArgument
from vagus.testing.conformance.bench import Bench, Line, Worker, numbered, put, settle_down, within, words
from vagus.testing.conformance.needs import needs

pytestmark = [pytest.mark.contract("G15"), pytest.mark.requirement("R15")]


@needs("switch")
async def test_switch_to_all_goes_to_every_member_from_the_cut_on(bench: Bench) -> None:
    line = await bench.line()
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put(*numbered(9))
    once = [*await ann.take_and_ack(2), *await bob.take_and_ack(2)]
    await line.switch("all")
    await line.put("last")
    assert once == numbered(9)[:4]
    assert await ann.take_and_ack(6) == await bob.take_and_ack(6) == [*numbered(9)[4:], "last"]
    await line.balance()


@needs("switch")
async def test_switch_to_once_goes_to_one_member_from_the_cut_on(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put(*numbered(4, "all"))
    assert await ann.take_and_ack(4) == await bob.take_and_ack(4) == numbered(4, "all")
    await line.switch("once")
    await line.put(*numbered(6, "once"))
    assert await ann.take_and_ack(6) == numbered(6, "once")
    await bob.none()
    await line.balance()


@needs("switch")
async def test_members_that_lag_catch_up_to_the_furthest(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann, bob, cat = line.member("ann"), line.member("bob"), line.member("cat")
    await settle_down()
    await line.put(*numbered(6))
    assert await ann.take_and_ack(4) == numbered(6)[:4]
    assert await bob.take_and_ack(1) == numbered(6)[:1]
    await line.switch("once")
    assert await bob.take_and_ack(5) == numbered(6)[1:]
    assert await cat.take_and_ack(4) == numbered(6)[:4]
    for worker in (ann, bob, cat):
        await worker.none(0.02)
    await line.balance()


@needs("switch")
async def test_delivery_tells_its_epoch_and_whose_it_is(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    await line.put("first")
    await ann.ack(first := await ann.one())
    await line.switch("all")
    await line.put("second")
    await ann.ack(second := await ann.one())
    await line.switch("once")
    await line.put("third")
    third = await ann.one()
    assert [(each.epoch, each.member) for each in (first, second, third)] == [(1, None), (2, "ann"), (3, None)]


@needs("switch")
async def test_retry_keeps_its_epoch(bench: Bench) -> None:
    line = await bench.line()
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put("once")
    held = await ann.one()
    await line.switch("all")
    await ann.release(held)
    again = await ann.one()
    assert (again.epoch, again.member) == (1, None)
    await ann.ack(again)
    await bob.none()
    await line.put("all")
    await ann.release(await ann.one())
    await bob.ack(await bob.one())
    await line.switch("once")
    mine = await ann.one()
    assert (words([mine]), mine.epoch, mine.member) == (["all"], 2, "ann")
    await ann.ack(mine)
    await bob.none()
    await line.balance()


@needs("switch")
async def test_lost_event_comes_back_in_its_epoch(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("once")
    ann, bob = line.member("ann"), line.member("bob")
    await ann.one()
    await line.switch("all")
    await bench.pass_time(bench.subject.lease_s * 1.2)
    again = await bob.one()
    assert (again.epoch, again.member, again.losses) == (1, None, 1)


@needs("switch")
async def test_redrive_of_an_older_epoch_goes_to_one_member(bench: Bench) -> None:
    line = await bench.line()
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put("poison")
    held = await ann.one()
    letter = put(Dead(line.group), "", envelope=held.envelope)
    await ann.commit(Unit(puts=[letter], settles=[Settle(held.token, Done("dead"))]))
    await line.switch("all")
    await bench.put(Inbox(line.group), "poison", entry="redriven", generation=1, epoch=1)
    takers = await asyncio.gather(*(_heard(worker) for worker in (ann, bob)))
    assert sorted(takers) == [[], [("poison", 1, None)]]


async def _heard(worker: Worker) -> list[tuple[str, int, str | None]]:
    try:
        async with asyncio.timeout(0.3):
            got = await worker.feed.take(10, ())
    except TimeoutError:
        return []
    return [(words([each])[0], each.epoch, each.member) for each in got]


@needs("switch")
async def test_switch_wakes_those_who_wait(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann = line.member("ann")
    await settle_down()
    await ann.leave()
    bob = line.member("bob")
    await settle_down()
    waiting = asyncio.create_task(bob.one())
    await settle_down()
    await line.switch("once")
    await line.put("a")
    assert words([await within(waiting, "take")]) == ["a"]


@needs("switch")
async def test_second_switch_with_a_stale_epoch_is_refused(bench: Bench) -> None:
    line = await bench.line()
    await within(bench.backend.steer(line.group, Switch("all", "", 2)), "switch")
    for stale in (1, 2, 4):
        with pytest.raises(GroupConflict):
            await within(bench.backend.steer(line.group, Switch("once", "", stale)), "switch")
    info = await bench.group_info(line.group)
    assert (info.steering.mode, info.steering.epoch, len(info.cuts)) == ("all", 2, 1)


@needs("switch")
async def test_pick_in_all_is_refused(bench: Bench) -> None:
    line = await bench.line()
    with pytest.raises(InvalidArgument):
        await within(bench.backend.steer(line.group, Switch("all", "in turn", 2)), "switch")
    spec = GroupSpec(name=bench.name("other"), patterns=(line.topic,), mode="all", pick="in turn")
    with pytest.raises(InvalidArgument):
        await within(bench.backend.declare([], [spec]), "declare")


@needs("switch")
async def test_cut_says_where_it_fell_and_is_remembered(bench: Bench) -> None:
    line = await bench.line()
    positions = await line.put("a", "b", "c")
    ann = line.member()
    await ann.take_and_ack(2)
    cut = await line.switch("all")
    assert (cut.mode, cut.pick, cut.epoch) == ("all", "", 2)
    assert cut.ends == {line.topic: (positions[1],)}
    assert (await bench.group_info(line.group)).cuts == (cut,)


@needs("switch")
async def test_many_switches_keep_the_newest_hundred_cuts(bench: Bench) -> None:
    line = await bench.line()
    await line.put("old")
    ann = line.member()
    held = await ann.one()
    for number in range(102):
        await line.switch("once" if number % 2 else "all")
    info = await bench.group_info(line.group)
    assert [cut.epoch for cut in info.cuts] == list(range(4, 104))
    await ann.release(held)
    assert words(await ann.take()) == ["old"]


@needs("switch", "durable")
async def test_switch_survives_reopening(bench: Bench) -> None:
    line = await bench.line()
    await line.put("once")
    cut = await line.switch("all")
    await bench.reopen()
    info = await bench.group_info(line.group)
    assert (info.spec.mode, info.steering.mode, info.steering.epoch, info.cuts) == ("once", "all", 2, (cut,))
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put("all")
    assert sorted([*await ann.take_and_ack(2), *await bob.take_and_ack(1)]) == ["all", "all", "once"]


@needs("switch")
async def test_declaration_does_not_undo_a_switch(bench: Bench) -> None:
    line = await bench.line()
    await line.switch("all")
    first = GroupSpec(name=line.group, patterns=(line.topic,), lease_s=12.0)
    present = GroupSpec(name=line.group, patterns=(line.topic,), lease_s=12.0, mode="all")
    for spec in (first, present):
        await within(bench.backend.declare([], [spec]), "declare")
    info = await bench.group_info(line.group)
    assert (info.spec.mode, info.spec.lease_s, info.steering.mode) == ("once", 12.0, "all")
    await line.switch("once")
    await within(bench.backend.declare([], [present]), "declare what it was switched to once")
    assert (await bench.group_info(line.group)).steering.mode == "once"


@needs("switch", "inboxes")
async def test_declaration_of_a_third_way_is_a_conflict(bench: Bench) -> None:
    line = await bench.line()
    await line.switch("all")
    other = TopicSpec(name=bench.name("other"))
    spec = GroupSpec(name=line.group, patterns=(line.topic,), pick="in turn")
    with pytest.raises(GroupConflict):
        await within(bench.backend.declare([other], [spec]), "declare")
    assert other.name not in [info.spec.name for info in (await bench.backend.describe()).topics]


@needs("switch")
async def test_new_member_of_all_starts_no_earlier_than_all(bench: Bench) -> None:
    topic = await bench.topic()
    line = Line(bench, topic, await bench.group("desk", topic, start="first"))
    await line.put("once")
    await line.member("ann").take_and_ack(1)
    await line.switch("all")
    await line.put("all")
    bob = line.member("bob")
    assert await bob.take_and_ack(1) == ["all"]
    await bob.none()


@needs("switch")
async def test_named_member_that_was_away_hears_all_from_the_cut_on(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann, bob = line.member("ann", named=True), line.member("bob")
    await settle_down()
    await line.put("all")
    await bob.take_and_ack(1)
    await ann.leave()
    await line.switch("once")
    await line.put("once")
    await bob.take_and_ack(1)
    await line.switch("all")
    await line.put("all again")
    assert await line.member("ann", named=True).take_and_ack(2) == ["all", "all again"]
    await line.balance()


@needs("switch")
async def test_switch_without_members_begins_at_the_end(bench: Bench) -> None:
    line = await bench.line(mode="all")
    await line.put("unheard of")
    await line.switch("once")
    await line.put("heard")
    ann = line.member()
    assert await ann.take_and_ack(1) == ["heard"]
    await ann.none()
    await line.expect(matched=1, acked=1)


@needs("switch")
async def test_switch_to_all_without_members_loses_nothing(bench: Bench) -> None:
    line = await bench.line()
    await line.put("once")
    await line.switch("all")
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put("all")
    assert sorted([*await ann.take_and_ack(2), *await bob.take_and_ack(1)]) == ["all", "all", "once"]
    await line.balance()


@needs("switch")
async def test_keys_stay_in_order_within_an_epoch(bench: Bench) -> None:
    line = await bench.line()
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put(*numbered(3, "once"), key="k")
    held = await ann.one()
    await ann.none(0.02)
    await line.switch("all")
    await line.put(*numbered(2, "all"), key="k")
    await ann.ack(held)
    got = [await _one_by_one(worker, count) for worker, count in ((ann, 4), (bob, 2))]
    assert [word for word in got[0] if word.startswith("once")] == numbered(3, "once")[1:]
    assert [word for word in got[0] if word.startswith("all")] == got[1] == numbered(2, "all")


async def _one_by_one(worker: Worker, count: int) -> list[str]:
    found = []
    for _ in range(count):
        delivery = await worker.one()
        found += words([delivery])
        await worker.ack(delivery)
    return found


@needs("switch", "lanes")
async def test_every_lane_is_cut_where_it_is_read(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put("low 1", "low 2", lane=0)
    await line.put("high 1", "high 2", lane=9)
    assert await ann.take_and_ack(3) == ["high 1", "high 2", "low 1"]
    await line.switch("all")
    await line.put("high 3", lane=9)
    assert await ann.take_and_ack(2) == await bob.take_and_ack(2) == ["high 3", "low 2"]
    await line.balance()


@needs("switch", "bounded")
async def test_bound_counts_what_lagging_members_have_left(bench: Bench) -> None:
    line = await bench.line(mode="all", max_events=2)
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put("a", "b")
    await ann.take_and_ack(2)
    await line.switch("once")
    assert (await bench.offer(put(line.topic, "c"))).puts[0].why == "full"
    await bob.take_and_ack(2)
    await line.put("c", "d")
    assert (await bench.offer(put(line.topic, "e"))).puts[0].why == "full"
    assert sorted(await ann.take_and_ack(2)) == ["c", "d"]
    await line.put("e")


@needs("switch", "replay")
async def test_replay_after_a_switch_goes_the_new_way(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put("a", "b")
    await ann.take_and_ack(2)
    await line.switch("once")
    await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    again = await ann.take(2)
    assert [(words([each])[0], each.generation, each.member) for each in again] == [("a", 1, None), ("b", 1, None)]
    await ann.ack(*again)
    assert await bob.take_and_ack(2) == ["a", "b"]
    await bob.none(0.05)
    await line.balance()


@needs("switch", "replay")
async def test_replay_that_a_switch_interrupts_is_handed_out_as_a_replay(bench: Bench) -> None:
    line = await bench.line()
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put("a", "b")
    await ann.take_and_ack(2)
    await within(bench.backend.steer(line.group, SeekTo(First())), "steer")
    await line.switch("all")
    for worker in (ann, bob):
        again = await worker.take(2)
        assert [(words([each])[0], each.generation) for each in again] == [("a", 1), ("b", 1)]
        await worker.ack(*again)
    await line.balance()


@needs("switch", "replay")
async def test_skipping_after_a_switch_leaves_older_epochs_alone(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann, bob = line.member("ann"), line.member("bob")
    await settle_down()
    await line.put("all")
    await ann.take_and_ack(1)
    await line.switch("once")
    await line.put("skipped")
    await within(bench.backend.steer(line.group, SeekTo(End())), "steer")
    assert await bob.take_and_ack(1) == ["all"]
    await ann.none(0.05)
    assert sum(each.skipped for each in await line.balance()) == 1


@needs("switch")
async def test_traffic_goes_on_while_a_group_is_switched(bench: Bench) -> None:
    line = await bench.line()
    workers = [line.member(name, credit=10) for name in ("ann", "bob")]
    await settle_down()
    handled: list[list[tuple[str, int]]] = [[], []]
    tasks = [asyncio.create_task(_handle(worker, got)) for worker, got in zip(workers, handled, strict=True)]
    for number in range(60):
        await line.put(f"e{number:03}")
        if number % 10 == 9:
            await line.switch("once" if number % 20 == 19 else "all")
    cuts = (await bench.group_info(line.group)).cuts
    async with asyncio.timeout(bench.subject.patience_s):
        while any(each.ready + each.held + each.waiting for each in await line.balance()):
            await settle_down()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    once = [word for got in handled for word, epoch in got if epoch % 2]
    everyone = [sorted(word for word, epoch in got if not epoch % 2) for got in handled]
    assert len(once) == len(set(once))
    assert everyone[0] == everyone[1]
    assert sorted([*once, *everyone[0]]) == [f"e{number:03}" for number in range(60)]
    assert len(cuts) == 6


async def _handle(worker: Worker, got: list[tuple[str, int]]) -> None:
    while True:
        for delivery in await worker.feed.take(4, ()):
            got.append((words([delivery])[0], delivery.epoch))
            await worker.ack(delivery)
