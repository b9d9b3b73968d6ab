"""A member's part in the dispatching of its group: it tells who it is and what it settled, and dispatches if it falls
to it.

Where a group never had a pick, a desk does nothing but keep its entry in the roster: it hears of a switch by the board.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from vagus.app.dispatch.bell import Bell
from vagus.app.dispatch.dispatcher import Dispatcher, Place
from vagus.app.dispatch.finder import Epochs, Finder, pick_texts
from vagus.app.dispatch.intake import forever
from vagus.app.dispatch.report import Reporter
from vagus.app.dispatch.roster import KEEP_S, Entry, entry_change
from vagus.app.dispatch.term import State, Terms
from vagus.app.steering.board import Board, News
from vagus.app.steering.wanted import Subject
from vagus.app.work.attempt import Attempt
from vagus.backend import Done, GroupInfo, Unit
from vagus.clock import Timer
from vagus.delivery.pick import Pick
from vagus.errors import BackendError, VagusError
from vagus.reliability.note import decode_note

SHOW_S = 0.25
"""How often a dispatcher shows anew what it does, at most, in seconds."""

_IDLE_S = 3_600.0
_log = logging.getLogger("vagus.dispatch")


class Profile(NamedTuple):
    """What a desk knows of its member and its handler. `registered`: picks by the names that the app gave them."""

    entry: Entry
    declared: Pick | None
    registered: Mapping[str, Any]


class Desk:
    """One member's part in the dispatching of its group."""

    def __init__(self, place: Place, profile: Profile, board: Board) -> None:
        self._place = place
        self._profile = profile
        self._board = board
        self._clock = place.tools.clock
        self._committer = place.tools.committer
        self._terms = Terms(place.store, place.group, place.member, place.lease_s)
        self._reporter = Reporter(place.group, place.member, self._committer, self._clock)
        self._subject = Subject("member", place.group, place.member)
        self._bell = Bell(self._clock)
        self._info: GroupInfo | None = None
        self._dispatcher: Dispatcher | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._signed_in = False
        self._unlisten = board.listen(self._hear)

    @property
    def group(self) -> str:
        """The full name of the group."""
        return self._place.group

    @property
    def state(self) -> State | None:
        """What the dispatcher shows, where this member is the one; else None."""
        return None if self._dispatcher is None else self._dispatcher.state

    # --- coming and going --------------------------------------------------------------------------------------------

    async def enter(self, info: GroupInfo) -> None:
        """Tell who is here, and take part; `info` is the group as it stands."""
        self._info = info
        try:
            await self._sign_in(info)
        except BackendError as error:
            _log.warning("%s could not tell who is here, trying again: %s", self._place.group, error)
        self._plan_entry()
        name = f"desk of {self._place.group}"
        self._task = asyncio.get_running_loop().create_task(forever(name, self._take_part, self._clock), name=name)

    async def _sign_in(self, info: GroupInfo) -> None:
        change = entry_change(self._place.group, self._place.member, self._profile.entry)
        puts = self._board.announcement("join", self._subject) if pick_texts(info) else ()
        outcome = await self._committer.commit(Unit(puts, (), (change,)))
        if not outcome.done:
            raise BackendError(f"the entry of {self._place.member} in the roster was not stored")
        self._signed_in = True

    def _plan_entry(self) -> None:
        self._timer = self._clock.call_later(KEEP_S / 3, self._write_entry)

    def _write_entry(self) -> None:
        change = entry_change(self._place.group, self._place.member, self._profile.entry)
        self._committer.submit(Unit(changes=(change,)), _written)
        self._plan_entry()

    async def retire(self) -> None:
        """Be given nothing more, and leave the dispatching to others: before the member itself ends."""
        self._unlisten()
        if self._timer is not None:
            self._timer.cancel()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            await self._tell("leave")

    async def left(self) -> None:
        """Tell that the member has ended, and what it had not settled is to be moved."""
        self._reporter.flush()
        if self._info is not None and pick_texts(self._info):
            await self._tell("gone")

    async def _tell(self, action: str) -> None:
        change = entry_change(self._place.group, self._place.member, None)
        puts = self._board.announcement(action, self._subject) if self._info and pick_texts(self._info) else ()
        try:
            await self._committer.commit(Unit(puts, (), (change,)))
        except VagusError as error:
            _log.warning("%s could not say goodbye: %s", self._place.group, error)

    # --- hearing -----------------------------------------------------------------------------------------------------

    def _hear(self, news: News) -> None:
        if news is not None and news.name != self._place.group:
            return
        self._info = None if news is None or news.subject == "group" else self._info
        self._bell.ring()
        if self._dispatcher is not None:
            self._dispatcher.look()

    def settled(self, attempt: Attempt, unit: Unit) -> None:
        """Note that the member is done with an event; one that was dispatched is told to the dispatcher."""
        note = attempt.delivery.note
        if note and any(isinstance(settle.action, Done) for settle in unit.settles):
            page = decode_note(note).page
            if page:
                self._reporter.settled(page)

    # --- dispatching -------------------------------------------------------------------------------------------------

    async def _take_part(self) -> bool:
        """Wait until there is something to dispatch and nobody who does, then do it for as long as it is ours."""
        info = self._info = self._info or await self._look()
        if info is not None and not self._signed_in:
            await self._sign_in(info)
        if info is None or not pick_texts(info):
            await self._bell.heard(_IDLE_S)
            return True
        left = await self._terms.begin()
        if left is None:
            await self._bell.heard(self._terms.look_s)
            return True
        await self._dispatch(info, left)
        return True

    async def _look(self) -> GroupInfo | None:
        catalogue = await self._place.backend.describe()
        return next((info for info in catalogue.groups if info.spec.name == self._place.group), None)

    async def _dispatch(self, info: GroupInfo, left: State) -> None:
        place = self._place
        seed = int(place.tools.identities.chance() * (1 << 53))
        finder = Finder(self._profile.declared, self._profile.registered)
        dispatcher = Dispatcher(place, Epochs(finder, seed, left.marks), left, info)
        state = left
        _log.info("%s is dispatched by %s", place.group, place.member)
        try:
            await dispatcher.start()
            self._dispatcher = dispatcher
            await self._keep(dispatcher)
        finally:
            self._dispatcher = None
            state = dispatcher.state
            await dispatcher.stop()
            try:
                await self._terms.end(State(page=state.page, marks=state.marks))
            except VagusError as error:
                _log.warning("%s could not give up its place: %s", place.group, error)

    async def _keep(self, dispatcher: Dispatcher) -> None:
        """Hold on to the place, and show what waits; return when it is lost."""
        shown = Bell(self._clock)
        dispatcher.changed = shown.ring
        while await self._terms.keep(dispatcher.state):
            await Bell(self._clock).heard(min(SHOW_S, self._terms.ttl_s / 6))
            await shown.heard(self._terms.ttl_s / 6)
        _log.warning("%s: another member dispatches now", self._place.group)


def _written(about: object, unit: Unit, outcome: Any) -> None:
    """Nothing to do: the entry is written again before it is forgotten."""
