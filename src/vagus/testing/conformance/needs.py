"""Flags cut both ways: what a backend claims is demanded, and what it denies is shown to be refused."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

import pytest

from vagus.backend import First, Ingress, Member, Release, SeekTo, Settle, Switch, TopicSpec, Unit
from vagus.errors import UnsupportedCapability
from vagus.testing.conformance.bench import Bench, put, within, words

Scenario = Callable[[Bench], Awaitable[None]]


def needs(*flags: str) -> Callable[[Scenario], Scenario]:
    """Run the scenario where every flag is declared; else show that the first one that is not is refused."""
    unknown = set(flags) - DENIALS.keys()
    if unknown:
        raise ValueError(f"no such flags: {sorted(unknown)}")

    def decorate(scenario: Scenario) -> Scenario:
        @functools.wraps(scenario)
        async def either(bench: Bench) -> None:
            missing = [flag for flag in flags if not getattr(bench.can, flag)]
            if not missing:
                await scenario(bench)
                return
            bench.remarks.append(f"refused: {missing[0]}")
            await DENIALS[missing[0]](bench)

        return either

    return decorate


def turned_clock(scenario: Scenario) -> Scenario:
    """Give the scenario a clock that is turned by hand, so that days pass at once."""
    scenario.turned_clock = True  # type: ignore[attr-defined]
    return scenario


async def _gone_after_close(bench: Bench) -> None:
    topic = await bench.topic(archive=True)
    await bench.put(topic, "a")
    await bench.reopen()
    catalogue = await bench.backend.describe()
    kept = [info.spec.name for info in catalogue.topics]
    assert topic not in kept, "declares durable=False, but what was put is still there after closing"


async def _unseen_by_another_process(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    other = await bench.process()
    await other.ask("put", line.topic, "a")
    await ann.none()


async def _puts_of_a_lost_unit_are_stored(bench: Bench) -> None:
    await bench.topic("answers")
    answers = await bench.group("reader", bench.name("answers"))
    line = await bench.line()
    ann = line.member()
    await line.put("a")
    held = await ann.one()
    await ann.ack(held)
    unit = Unit(puts=[put(bench.name("answers"), "late")], settles=[Settle(held.token, Release())])
    await ann.commit(unit)
    assert words(await bench.member(answers).take()) == ["late"], "declares atomic=False, but is"


async def _late_ack_is_accepted(bench: Bench) -> None:
    line = await bench.line(lease_s=bench.subject.lease_s)
    await line.put("a")
    ann, bob = line.member("ann"), line.member("bob")
    late = await ann.one()
    await bench.pass_time(bench.subject.lease_s * 1.2)
    await bob.one()
    await ann.ack(late)


async def _notes_are_refused(bench: Bench) -> None:
    line = await bench.line()
    ann = line.member()
    await line.put("a")
    held = await ann.one()
    with pytest.raises(UnsupportedCapability):
        await ann.release(held, note=b"tried once")


async def _doubles_are_stored(bench: Bench) -> None:
    line = await bench.line()
    first, again = (
        (await bench.offer(put(line.topic, "a", dedupe="a"))),
        (await bench.offer(put(line.topic, "a", dedupe="a"))),
    )
    assert [said.puts[0].status for said in (first, again)] == ["stored", "stored"], "declares dedupe=False, but has it"
    assert words(await line.member().take(2)) == ["a", "a"], "declares dedupe=False, but swallows doubles"


async def _delays_are_refused(bench: Bench) -> None:
    line = await bench.line()
    with pytest.raises(UnsupportedCapability):
        await bench.offer(put(line.topic, "a", after_s=0.2))


async def _lanes_are_refused(bench: Bench) -> None:
    with pytest.raises(UnsupportedCapability):
        await bench.backend.declare([TopicSpec(name=bench.name("orders"), lanes=10)], [])


async def _keys_in_lanes_are_refused(bench: Bench) -> None:
    line = await bench.line(lanes=10)
    with pytest.raises(UnsupportedCapability):
        await line.put("a", key="k", lane=3)


async def _replay_is_refused(bench: Bench) -> None:
    line = await bench.line()
    with pytest.raises(UnsupportedCapability):
        await within(bench.backend.steer(line.group, SeekTo(First())), "steer")


async def _bounds_are_refused(bench: Bench) -> None:
    with pytest.raises(UnsupportedCapability):
        await bench.topic(max_events=3)


async def _figures_say_estimated(bench: Bench) -> None:
    line = await bench.line()
    books = await bench.figures(line.group)
    assert books.estimated, "declares exact_stats=False, but calls no figure estimated"


async def _switches_are_refused(bench: Bench) -> None:
    line = await bench.line()
    with pytest.raises(UnsupportedCapability):
        await within(bench.backend.steer(line.group, Switch("all", "", 2)), "steer")


async def _picks_are_refused(bench: Bench) -> None:
    with pytest.raises(UnsupportedCapability):
        await bench.line(pick="in turn")
    line = await bench.line()
    with pytest.raises(UnsupportedCapability):
        bench.backend.attach(Ingress(line.group), Member("ann"), 1)


#: What a backend that denies a flag must show.
DENIALS: dict[str, Scenario] = {
    "durable": _gone_after_close,
    "shared": _unseen_by_another_process,
    "atomic": _puts_of_a_lost_unit_are_stored,
    "fenced": _late_ack_is_accepted,
    "notes": _notes_are_refused,
    "dedupe": _doubles_are_stored,
    "delay": _delays_are_refused,
    "lanes": _lanes_are_refused,
    "keyed_lanes": _keys_in_lanes_are_refused,
    "replay": _replay_is_refused,
    "bounded": _bounds_are_refused,
    "exact_stats": _figures_say_estimated,
    "switch": _switches_are_refused,
    "inboxes": _picks_are_refused,
}
