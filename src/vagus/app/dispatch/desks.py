"""The desks of one process: what its members need so that they can be chosen, and so that one of them can choose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from vagus.app.dispatch.desk import Desk, Profile
from vagus.app.dispatch.dispatcher import Place
from vagus.app.dispatch.finder import Finder
from vagus.app.dispatch.roster import Entry
from vagus.app.dispatch.term import State, read_states
from vagus.app.handler import Handler
from vagus.app.steering.board import Board
from vagus.app.steering.wanted import Subject
from vagus.app.work.attempt import Attempt, Seat
from vagus.backend import Backend, Capabilities, Unit
from vagus.delivery.credit import MOST
from vagus.delivery.picks.text import Custom
from vagus.errors import InvalidArgument, InvalidHandler, UnsupportedCapability

Told: TypeAlias = Callable[[Attempt, Unit], None]
"""Is told of every attempt of a member that was settled, and how."""


class Words(NamedTuple):
    """What an app says of its members, and which picks of the user's it can find by name."""

    labels: Mapping[str, str] = {}
    weight: int = 1
    picks: Mapping[str, Any] = {}


class Desks:
    """The desks of the members of one process, by the names of their handlers' groups."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._board: Board | None = None
        self._words = Words()
        self._able = False
        self._desks: dict[str, Desk] = {}
        self._new: dict[str, Desk] = {}

    def check(
        self, handlers: Mapping[str, Handler], capabilities: Capabilities, board: Board | None, words: Words
    ) -> None:
        """Look at start-up whether the picks that were declared can be carried out; `board`: of the open app.

        Raises `UnsupportedCapability` where the backend has no store or no inboxes of members, and `InvalidHandler` for
        a pick that cannot be found.
        """
        self._board, self._words = board, words
        self._able = capabilities.inboxes and board is not None
        for name, handler in handlers.items():
            pick = handler.pick
            if pick is None:
                continue
            if not self._able:
                what = "no store" if board is None else "no inboxes of members"
                raise UnsupportedCapability(
                    f"handler {name} has the pick {pick.text}, and {capabilities.system} has {what}",
                    hint="leave out pick= and strategy=, or use a backend that can",
                )
            if isinstance(pick, Custom):
                try:
                    Finder(pick, self._words.picks).find(pick.text)
                except InvalidArgument as error:
                    raise InvalidHandler(f"handler {name}: {error.what}", hint=error.hint) from error

    def add(self, name: str, seat: Seat, lanes: bool) -> Told | None:
        """Give a member a desk, where the backend can dispatch at all; return what it is to be told by."""
        board, store, handler, group = self._board, self._backend.store, seat.handler, seat.group
        if board is None or store is None or not self._able:
            return None
        seated = _seated(board, group)
        place = Place(group, seat.member, handler.lease_s, lanes, self._backend, store, seat.tools, seated)
        names = [*self._words.picks, *([handler.pick.text] if isinstance(handler.pick, Custom) else [])]
        entry = Entry(dict(self._words.labels), self._words.weight, handler.prefetch or MOST, tuple(names))
        desk = self._desks[name] = self._new[name] = Desk(place, Profile(entry, handler.pick, self._words.picks), board)
        return desk.settled

    async def enter(self) -> None:
        """Let the new ones take part: to be asked for after their members have joined.

        Answered after every joining that was asked for before it: whoever publishes now is heard by all members here.
        """
        new, self._new = self._new, {}
        known = {info.spec.name: info for info in (await self._backend.describe()).groups}
        await asyncio.gather(*(desk.enter(known[desk.group]) for desk in new.values() if desk.group in known))

    async def retire(self) -> None:
        """Let the members be given nothing more, and others dispatch: before they end."""
        await asyncio.gather(*(desk.retire() for desk in self._desks.values()))

    async def left(self) -> None:
        """Tell that the members have ended."""
        desks, self._desks = self._desks, {}
        await asyncio.gather(*(desk.left() for desk in desks.values()))

    async def states(self, groups: Sequence[str]) -> dict[str, State]:
        """Return what the dispatchers of these groups show, by full names; of those here, as it is now."""
        store = self._backend.store
        shown = {} if store is None else await read_states(store, groups)
        return shown | {desk.group: state for desk in self._desks.values() if (state := desk.state) is not None}


def _seated(board: Board, group: str) -> Callable[[str], bool]:
    """Return what says whether a member is to be given anything now: one that is paused or draining is not."""
    return lambda member: board.wanted(Subject("member", group, member)) is None
