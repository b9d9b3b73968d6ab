"""The live switch: another mode or another pick for a group, while events flow and its workers run.

Prepare, cut, record. All checks come before the cut, and whoever gives up before it leaves nothing behind. The cut is
one step of the backend. Once it is asked for, it is waited for, and recorded on the control topic, where all members
hear of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from vagus.app.dispatch.finder import place_of
from vagus.app.dispatch.roster import Entry, read_roster
from vagus.app.steering.board import Board
from vagus.app.steering.wanted import Subject
from vagus.backend import Backend, Capabilities, Cut, GroupInfo, Steering, Switch
from vagus.clock import Clock
from vagus.delivery.pick import Pick
from vagus.delivery.picks.match import ByContent, ByLabel, When
from vagus.delivery.picks.text import OWN, Custom, parse_pick, pick_of
from vagus.delivery.subscription import mode_of
from vagus.errors import BackendError, InvalidArgument, UnsupportedCapability

SWITCH = "switch"
"""The action of the control event that tells of a switch."""


class Wish(msgspec.Struct, frozen=True):
    """What is asked for; None leaves it as it is. `pick`: in writing, "" the backend's own way."""

    deliver: str | None = None
    pick: str | None = None
    why: str = ""


class Switched(msgspec.Struct, frozen=True):
    """A switch that was made: `before`, `after`, and where the cut fell (None: it was so already).

    `warnings`: what will not work as it is, such as a label that no member has.
    """

    group: str
    before: Steering
    after: Steering
    cut: Cut | None
    warnings: tuple[str, ...] = ()


def pick_text(given: Any) -> str:
    """Return a pick in writing, "" for the backend's own way. Raises `InvalidArgument` for what is no pick."""
    pick = pick_of(given, place_of)
    return "" if pick is None else pick.text


class Switcher:
    """Switches the groups of one backend; it needs no app, and no worker in this process."""

    def __init__(self, backend: Backend, board: Board, capabilities: Capabilities, clock: Clock) -> None:
        self._backend = backend
        self._board = board
        self._capabilities = capabilities
        self._clock = clock

    async def switch(self, group: str, wish: Wish, within_s: float | None = None) -> Switched:
        """Switch `group`; see `App.switch`."""
        try:
            async with asyncio.timeout(within_s):
                before, change, warnings = await self._prepare(group, wish)
        except TimeoutError as error:
            text = f"the switch of {group} was not ready within {within_s:g} s; nothing was changed"
            raise BackendError(text, hint="try again, with a longer timeout") from error
        if change is None:
            return Switched(group, before, before, None, warnings)
        # From here on it is made, whoever stops waiting: a cut without a record would leave members unaware of it.
        task = asyncio.get_running_loop().create_task(self._cut(group, before, change, wish.why), name=f"cut {group}")
        try:
            cut = await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise
        return Switched(group, before, Steering(change.mode, change.pick, change.epoch), cut, warnings)

    async def _prepare(self, group: str, wish: Wish) -> tuple[Steering, Switch | None, tuple[str, ...]]:
        """Look whether it can be done; return how it is steered, the change, and what to warn of."""
        info = await find_group(self._backend, group)
        before = info.steering
        mode = before.mode if wish.deliver is None else mode_of(wish.deliver)
        pick = self._pick(mode, before, wish)
        text = "" if pick is None else pick.text
        if (mode, text) == (before.mode, before.pick):
            return before, None, ()
        if not self._capabilities.switch:
            raise UnsupportedCapability(f"{self._capabilities.system} cannot switch a group while it runs")
        if pick is not None and not self._capabilities.inboxes:
            raise UnsupportedCapability(f"{self._capabilities.system} has no inboxes of members: it takes no pick")
        store = self._backend.store
        assert store is not None, "a board needs a store"
        roster = await read_roster(store, group)
        there = {member.name: roster.get(member.name) for member in info.members}
        warnings = () if pick is None else tuple(_doubts(group, pick, there))
        return before, Switch(mode, text, before.epoch + 1), warnings

    @staticmethod
    def _pick(mode: str, before: Steering, wish: Wish) -> Pick | None:
        if mode == "all":
            if wish.pick:
                raise InvalidArgument('deliver="all" gives each event to every member, there is none to pick')
            return None
        text = before.pick if wish.pick is None else wish.pick
        return None if text in ("", OWN) else parse_pick(text, None)

    async def _cut(self, group: str, before: Steering, change: Switch, why: str) -> Cut:
        cut = await self._backend.steer(group, change)
        if cut is None:
            raise BackendError(f"the backend did not tell where the switch of {group} fell", hint="vagus mode " + group)
        facts = {
            "from": {"mode": before.mode, "pick": before.pick},
            "to": {"mode": change.mode, "pick": change.pick},
            "epoch": change.epoch,
            "cut": cut.ends,
        }
        await self._board.announce(SWITCH, Subject("group", group), why=why, **facts)
        return cut


async def find_group(backend: Backend, group: str) -> GroupInfo:
    """Return the group as it stands. Raises `InvalidArgument` that names those that there are."""
    known = {info.spec.name: info for info in (await backend.describe()).groups}
    if group not in known:
        there = ", ".join(known) or "none"
        raise InvalidArgument(f"there is no group {group!r}: expected one of {there}", hint="vagus groups ls")
    return known[group]


def _doubts(group: str, pick: Pick, there: Mapping[str, Entry | None]) -> list[str]:
    """Return what to warn of. Raises where no member that is there could carry the pick out."""
    if not there:
        return [f"group {group} has no member now: its events wait until one comes"]
    able = {name: entry for name, entry in there.items() if entry is not None}
    if not able:
        raise UnsupportedCapability(
            f"no member of {group} can dispatch ({', '.join(there)}): they run a release without picks",
            hint="start a worker of this release first",
        )
    if isinstance(pick, Custom) and ":" not in pick.text:
        lacking = [name for name, entry in able.items() if pick.text not in entry.picks]
        if lacking:
            raise InvalidArgument(
                f"pick {pick.text!r} is not registered with {', '.join(lacking)}",
                hint=f'app.pick("{pick.text}", ...) in every worker, or a place: module:Class',
            )
    return [*_unlabelled(pick, list(able.values()))]


def _unlabelled(pick: Pick, entries: list[Entry]) -> list[str]:
    if isinstance(pick, ByLabel) and not any(pick.label in entry.labels for entry in entries):
        return [f"no member has a label {pick.label!r}: every event waits until one comes (vagus worker --label)"]
    rules = pick.rules if isinstance(pick, ByContent) else (pick,) if isinstance(pick, When) else ()
    return [
        f"no member has the labels of {rule.text}: such events wait until one comes (vagus worker --label)"
        for rule in rules
        if not any(rule.labels.items() <= entry.labels.items() for entry in entries)
    ]
