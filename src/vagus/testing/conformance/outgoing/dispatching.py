"""A group with a pick: events wait in its ingress, a dispatcher moves them to members' inboxes, and nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from vagus.backend import Dead, Done, Inbox, Settle, Unit
from vagus.testing.conformance.bench import Bench, numbered, put, settle_down, within, words
from vagus.testing.conformance.needs import needs

pytestmark = [pytest.mark.contract("G15", "G8"), pytest.mark.requirement("R12")]

PICK = "in turn"


@needs("inboxes")
async def test_ingress_hands_nothing_to_workers(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    ann = line.member("ann")
    await line.put("a")
    await ann.none()
    assert words(await line.dispatcher().take()) == ["a"]


@needs("inboxes")
async def test_moved_event_goes_to_its_member_alone(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    ann, bob, dispatcher = line.member("ann"), line.member("bob"), line.dispatcher()
    await line.put("a", "b")
    for name, delivery in zip(("ann", "bob"), await dispatcher.take(2), strict=True):
        await dispatcher.move(delivery, line.group, name)
    mine, theirs = await ann.one(), await bob.one()
    assert [(words([each])[0], each.member, each.epoch) for each in (mine, theirs)] == [("a", None, 1), ("b", None, 1)]
    await ann.ack(mine)
    await bob.ack(theirs)
    await line.balance()


@needs("inboxes")
async def test_moved_event_keeps_note_losses_and_generation(bench: Bench) -> None:
    line = await bench.line(pick=PICK, lease_s=bench.subject.lease_s)
    ann, first, dispatcher = line.member("ann"), line.dispatcher("first"), line.dispatcher("second")
    await bench.put(Inbox(line.group), "a", entry="redriven", generation=2, note=b"why")
    await first.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    await dispatcher.move(await dispatcher.one(), line.group, "ann")
    held = await ann.one()
    assert (held.note, held.losses, held.generation) == (b"why", 1, 2)
    await ann.release(held, note=b"tried")
    assert ((again := await ann.one()).note, again.losses) == (b"tried", 1)


@needs("inboxes")
async def test_member_that_is_not_there_has_no_inbox(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    line.member("ann")
    dispatcher = line.dispatcher()
    await line.put("a")
    held = await dispatcher.one()
    moved = put(Inbox(line.group, "nobody"), "", envelope=held.envelope, entry="moved")
    outcome = await dispatcher.commit(Unit(puts=[moved], settles=[Settle(held.token, Done("moved"))]))
    assert (outcome.done, outcome.puts[0].why) == (False, "no group")
    await dispatcher.move(held, line.group, "ann")


@needs("inboxes")
async def test_move_wakes_its_member(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    ann, dispatcher = line.member("ann"), line.dispatcher()
    waiting = asyncio.create_task(ann.one())
    coming = asyncio.create_task(dispatcher.one())
    await settle_down()
    await line.put("a")
    await dispatcher.move(await within(coming, "dispatch"), line.group, "ann")
    assert words([await within(waiting, "take")]) == ["a"]


@needs("inboxes")
async def test_moved_event_keeps_its_keys_place(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    ann, bob, dispatcher = line.member("ann"), line.member("bob"), line.dispatcher()
    await line.put("k1", "k2", key="k")
    await line.put("other")
    first, other = await dispatcher.take(2)
    assert words([first, other]) == ["k1", "other"]
    await dispatcher.move(first, line.group, "ann")
    await dispatcher.move(other, line.group, "bob")
    held = await ann.one()
    await ann.release(held, after_s=0.05)
    await dispatcher.none(0.1)
    coming = asyncio.create_task(dispatcher.one())
    await ann.ack(await ann.one())
    second = await within(coming, "dispatch")
    assert words([second]) == ["k2"]
    await dispatcher.move(second, line.group, "bob")
    assert sorted(await bob.take_and_ack(2)) == ["k2", "other"]
    await line.balance()


@needs("inboxes")
async def test_event_that_is_moved_out_of_its_group_frees_its_key(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    dispatcher = line.dispatcher()
    await line.put("k1", "k2", key="k")
    await dispatcher.end("moved", await dispatcher.one())
    assert words([await dispatcher.one()]) == ["k2"]


@needs("inboxes")
async def test_loose_group_dispatches_keys_side_by_side(bench: Bench) -> None:
    line = await bench.line(pick=PICK, ordered=False)
    ann, dispatcher = line.member("ann"), line.dispatcher()
    await line.put("k1", "k2", key="k")
    for delivery in await dispatcher.take(2):
        await dispatcher.move(delivery, line.group, "ann")
    assert words(await ann.take(2)) == ["k1", "k2"]


@needs("inboxes")
async def test_inbox_of_a_member_that_left_can_be_emptied(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    ann, bob, dispatcher = line.member("ann"), line.member("bob"), line.dispatcher()
    await line.put(*numbered(3))
    for delivery in await dispatcher.take(3):
        await dispatcher.move(delivery, line.group, "ann")
    await ann.ack(await ann.one())
    await ann.one()
    await ann.leave()
    assert (await bench.group_info(line.group)).orphans == ("ann",)
    emptier = line.emptier("ann")
    for delivery in await emptier.take(2):
        await emptier.move(delivery, line.group, "bob")
    assert sorted(await bob.take_and_ack(2)) == numbered(3)[1:]
    assert list(await within(emptier.feed.take(1, ()), "take from an empty inbox")) == []
    assert (await bench.group_info(line.group)).orphans == ()
    await line.balance()


@needs("inboxes")
async def test_inbox_of_a_member_that_died_can_be_emptied(bench: Bench) -> None:
    line = await bench.line(pick=PICK, lease_s=bench.subject.lease_s)
    ann, dispatcher = line.member("ann"), line.dispatcher()
    await line.put("a", "b")
    for delivery in await dispatcher.take(2):
        await dispatcher.move(delivery, line.group, "ann")
    await ann.one()
    await bench.pass_time(bench.subject.lease_s * 3.5)
    bob = line.member("bob")
    await settle_down()
    assert (await bench.group_info(line.group)).orphans == ("ann",)
    emptier = line.emptier("ann")
    found = await emptier.take(2)
    assert sorted((words([each])[0], each.losses) for each in found) == [("a", 1), ("b", 0)]
    for delivery in found:
        await emptier.move(delivery, line.group, "bob")
    assert sorted(await bob.take_and_ack(2)) == ["a", "b"]
    await line.balance()


@needs("inboxes", "delay")
async def test_whoever_empties_an_inbox_waits_for_its_retries(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    ann, bob, dispatcher = line.member("ann"), line.member("bob"), line.dispatcher()
    await line.put("a")
    await dispatcher.move(await dispatcher.one(), line.group, "ann")
    await ann.release(await ann.one(), after_s=0.3)
    await ann.leave()
    emptier = line.emptier("ann")
    await emptier.move(await emptier.one(), line.group, "bob")
    assert await bob.take_and_ack(1) == ["a"]
    assert list(await within(emptier.feed.take(1, ()), "take from an empty inbox")) == []


@needs("inboxes")
async def test_key_of_an_orphan_keeps_its_place(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    ann, bob, dispatcher = line.member("ann"), line.member("bob"), line.dispatcher()
    await line.put("k1", "k2", key="k")
    await dispatcher.move(await dispatcher.one(), line.group, "ann")
    await ann.leave()
    await dispatcher.none()
    emptier = line.emptier("ann")
    await emptier.move(await emptier.one(), line.group, "bob")
    await dispatcher.none()
    assert await bob.take_and_ack(1) == ["k1"]
    assert words(await dispatcher.take()) == ["k2"]


@needs("inboxes")
async def test_event_that_is_moved_back_comes_before_the_rest_of_its_key(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    ann, dispatcher = line.member("ann"), line.dispatcher()
    await line.put("k1", "k2", "k3", key="k")
    await dispatcher.move(await dispatcher.one(), line.group, "ann")
    await dispatcher.none(0.02)
    await ann.leave()
    emptier = line.emptier("ann")
    held = await emptier.one()
    back = put(Inbox(line.group), "", envelope=held.envelope, key="k", entry="moved")
    await emptier.commit(Unit(puts=[back], settles=[Settle(held.token, Done("moved"))]))
    assert await dispatcher.take_and_ack(3) == ["k1", "k2", "k3"]
    await line.balance()


@needs("inboxes")
async def test_dispatched_letter_is_redriven_through_the_ingress(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    ann, bob, dispatcher = line.member("ann"), line.member("bob"), line.dispatcher()
    await line.put("poison")
    await dispatcher.move(await dispatcher.one(), line.group, "ann")
    held = await ann.one()
    letter = put(Dead(line.group), "", envelope=held.envelope)
    await ann.commit(Unit(puts=[letter], settles=[Settle(held.token, Done("dead"))]))
    await bench.put(Inbox(line.group), "poison", entry="redriven", generation=1)
    await bench.put(Dead(line.group), "mark", entry="discarded")
    await ann.none(0.02)
    await dispatcher.move(await dispatcher.one(), line.group, "bob")
    assert await bob.take_and_ack(1) == ["poison"]
    books = await line.balance()
    assert (sum(each.discarded for each in books), sum(each.dead for each in books)) == (1, 0)


@needs("inboxes", "switch")
async def test_what_was_dispatched_before_a_switch_stays_where_it_is(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    ann, bob, dispatcher = line.member("ann"), line.member("bob"), line.dispatcher()
    await line.put("moved", "held")
    moved, held = await dispatcher.take(2)
    await dispatcher.move(moved, line.group, "ann")
    await line.switch("once")
    await line.put("after")
    assert await bob.take_and_ack(1) == ["after"]
    await bob.none(0.05)
    await dispatcher.move(held, line.group, "bob")
    late = await bob.one()
    assert (words([late]), late.epoch) == (["held"], 1)
    await bob.ack(late)
    assert await ann.take_and_ack(1) == ["moved"]
    await line.balance()


@needs("inboxes", "switch")
async def test_switch_to_a_pick_dispatches_from_the_cut_on(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann, bob, dispatcher = line.member("ann"), line.member("bob"), line.dispatcher()
    await settle_down()
    await line.put("all")
    await ann.take_and_ack(1)
    await line.switch("once", PICK)
    await line.put("picked")
    held = await dispatcher.one()
    assert (words([held]), held.epoch) == (["picked"], 2)
    await dispatcher.move(held, line.group, "bob")
    assert sorted(await bob.take_and_ack(2)) == ["all", "picked"]
    await ann.none(0.05)
    await line.balance()


@needs("inboxes", "switch")
async def test_change_of_the_pick_alone_is_an_epoch_too(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    dispatcher = line.dispatcher()
    await line.put("a")
    first = await dispatcher.one()
    await line.switch("once", "by lot")
    await line.put("b")
    second = await dispatcher.one()
    assert [(words([each])[0], each.epoch) for each in (first, second)] == [("a", 1), ("b", 2)]
    assert (await bench.group_info(line.group)).steering.pick == "by lot"


@needs("inboxes", "switch")
async def test_key_that_was_moved_before_a_switch_is_free_in_the_new_epoch(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    ann, bob, dispatcher = line.member("ann"), line.member("bob"), line.dispatcher()
    await line.put("k1", "k2", key="k")
    await dispatcher.move(await dispatcher.one(), line.group, "ann")
    await dispatcher.none(0.02)
    await line.switch("once")
    await line.put("k3", key="k")
    assert await bob.take_and_ack(1) == ["k3"]
    await ann.ack(await ann.one())
    assert words(await dispatcher.take()) == ["k2"]


@needs("inboxes")
async def test_credit_counts_over_all_that_a_member_takes_from(bench: Bench) -> None:
    line = await bench.line(mode="all")
    ann = line.member("ann", credit=3)
    await settle_down()
    await line.put("all 1", "all 2")
    if not bench.can.switch:
        bench.not_witnessed("it cannot be switched")
    await line.switch("once")
    await line.put("once 1", "once 2")
    held = await ann.take(3)
    await ann.none(0.05)
    coming = asyncio.create_task(ann.one())
    await settle_down()
    await ann.ack(held[0])
    rest = await within(coming, "take")
    assert sorted(words([*held, rest])) == ["all 1", "all 2", "once 1", "once 2"]


@needs("inboxes")
async def test_dropped_member_leaves_what_was_dispatched_to_it(bench: Bench) -> None:
    line = await bench.line(pick=PICK)
    line.member("ann")
    dispatcher = line.dispatcher()
    await line.put("a")
    await dispatcher.move(await dispatcher.one(), line.group, "ann")
    await within(bench.backend.drop(Inbox(line.group, "ann")), "drop")
    assert (await bench.group_info(line.group)).orphans == ("ann",)
    assert words(await line.emptier("ann").take()) == ["a"]


@needs("inboxes", "durable")
async def test_what_was_dispatched_survives_reopening(bench: Bench) -> None:
    line = await bench.line(pick=PICK, lease_s=bench.subject.lease_s)
    line.member("ann")
    dispatcher = line.dispatcher()
    await line.put("k1", "k2", key="k")
    await dispatcher.move(await dispatcher.one(), line.group, "ann")
    await bench.reopen()
    dispatcher = line.dispatcher()
    await dispatcher.none()
    assert await line.member("ann").take_and_ack(1) == ["k1"]
    assert words(await dispatcher.take()) == ["k2"]
