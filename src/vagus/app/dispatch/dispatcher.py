"""The dispatcher of one group: takes what waits to be dispatched, lets the pick of its epoch choose, and moves it.

Each move is one unit: the event is put into the inbox of the member that was chosen, and let go where it was. An event
that nobody matches, or whose member has no credit left, stays in the dispatcher's hands, its lease extended, and others
go by behind it. Nothing here is lost with the process: what it held comes to the next dispatcher.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, Protocol

from vagus.app.dispatch.bell import Bell
from vagus.app.dispatch.intake import Intake, Item, forever
from vagus.app.dispatch.report import page_name
from vagus.app.dispatch.roster import Entry, read_roster
from vagus.app.dispatch.term import State
from vagus.app.topics import Topics
from vagus.app.work.attempt import Tools
from vagus.backend import (
    Backend,
    Delivery,
    Done,
    GroupInfo,
    Inbox,
    Ingress,
    Member,
    Outcome,
    Put,
    Release,
    Settle,
    Source,
    Unit,
)
from vagus.clock import Clock
from vagus.delivery.lane import LANES, next_order
from vagus.delivery.pick import Candidate, Failed, Given, Pick, PickEvent, Team, decide
from vagus.errors import PickFailed, VagusError
from vagus.message import CloudEvent, decode
from vagus.reliability.dedupe import moved
from vagus.reliability.note import decode_note, encode_note
from vagus.store import Part, Store

HELD_MOST = 2_000
"""How many events a dispatcher holds at most; while it holds so many that wait for credit, it takes no more."""

UNMATCHED_MOST = 1_000
"""How many events that nobody matches are held; more are given back to come again one lease later."""

PAGE_PARTS = 2_000
"""How many reports a page has before another one is begun."""

SILENT_LEASES = 1.5
"""A member that was not heard of for this many leases gets nothing more, and its inbox is moved to others."""

UNMATCHED = ("unmatched", "failed")
"""Why an event may wait that no credit and no news of a switch will free."""

_BATCH = 500
_FOLLOW_S = 3_600.0
_SAY_AGAIN_S = 60.0
_TROUBLE_S = 1.0
_ENDING_S = 5.0
_log = logging.getLogger("vagus.dispatch")


class ByEpoch(Protocol):
    """The picks of a group by epoch; see `finder.Epochs`."""

    @property
    def marks(self) -> dict[str, str]:
        """How far they have come."""

    def learn(self, info: GroupInfo) -> None:
        """Take what the backend tells of the group's steering."""

    def knows(self, epoch: int) -> bool:
        """Return whether the pick of an epoch is known."""

    def of(self, epoch: int) -> Pick:
        """Return the pick of an epoch."""


class Place(NamedTuple):
    """What a dispatcher works with. `seated`: whether a member is to be given anything now (it is not paused)."""

    group: str
    member: str
    lease_s: float
    lanes: bool
    backend: Backend
    store: Store
    tools: Tools
    seated: Callable[[str], bool]


class Dispatcher:
    """Carries out the picks of one group for as long as it runs; `left` is what the last one left."""

    def __init__(self, place: Place, epochs: ByEpoch, left: State, info: GroupInfo) -> None:
        self._place = place
        self._clock: Clock = place.tools.clock
        self._epochs = epochs
        self._info = info
        self._page = left.page + 1
        self._team = Team(())
        self._inflight: dict[str, int] = {}
        self._moving = 0
        self._waiting: dict[Item, None] = {}
        self._later: list[float] = []
        self._turn = 0
        self._said: dict[str, float] = {}
        self._why = ""
        self._intakes: dict[Source, Intake] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._room = asyncio.Event()
        self._still = asyncio.Event()
        self._news = Bell(self._clock)
        self.changed: Callable[[], None] = lambda: None
        epochs.learn(info)

    # --- what can be seen --------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What to leave to the next dispatcher and to show."""
        now = self._clock.monotonic()
        self._later = [due for due in self._later if due > now]
        blocked = sum(item.why == "credit" for item in self._waiting)
        unmatched = sum(item.why in UNMATCHED for item in self._waiting) + len(self._later)
        why = self._why if unmatched else ""
        team = tuple(self._team.by_name)
        return State(self._place.member, self._page, self._epochs.marks, team, unmatched, blocked, why)

    # --- beginning and ending ----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Look who is there and what they have to do, and begin."""
        # What was told on the last page so far is in the books; what comes on it from now on is not.
        told = await self._place.store.follow(page_name(self._place.group, self._page - 1), 0, 10 * PAGE_PARTS)
        await self._refresh()
        self._follow(self._page - 1, told[-1].position if told else 0)
        self._follow(self._page, 0)
        self._spawn("tend", self._tend)
        self._open(Ingress(self._place.group))

    async def stop(self) -> None:
        """Take no more, let moves land, and give back what is held."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._moving:
            try:
                async with asyncio.timeout(_ENDING_S):
                    await self._still.wait()
            except TimeoutError:
                _log.warning("%s: %d moves have not landed", self._place.group, self._moving)
        for intake in self._intakes.values():
            await intake.leave()

    def look(self) -> None:
        """Look again who is there: somebody came, went, or was steered."""
        self._news.ring()

    def _spawn(self, what: str, step: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        name = f"dispatch {self._place.group}: {what}"
        task = asyncio.get_running_loop().create_task(forever(name, step, self._clock), name=name)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    # --- taking ------------------------------------------------------------------------------------------------------

    def _open(self, source: Source) -> None:
        """Take a seat, unless it is taken already."""
        if source in self._intakes:
            return
        place = self._place

        def attach() -> Any:
            return place.backend.attach(source, Member(place.member), HELD_MOST)

        intake = self._intakes[source] = Intake(attach, place.lease_s)
        self._spawn(f"take from {source}", lambda: self._take(source, intake))

    async def _take(self, source: Source, intake: Intake) -> bool:
        room = self._room_now()
        if room <= 0:
            self._room.clear()
            await self._room.wait()
            return True
        lanes: Sequence[int] = ()
        if self._place.lanes:
            lanes = next_order(LANES, self._turn)
            self._turn += 1
        deliveries = await intake.take(room, lanes)
        for delivery in deliveries:
            item = Item(delivery, self._event(delivery), intake)
            intake.held[item] = None
            self._consider(item)
        if deliveries or isinstance(source, Ingress):
            return True
        await intake.leave()
        del self._intakes[source]
        return False

    def _room_now(self) -> int:
        free = sum(max(0, member.free) for member in self._team.members)
        return min(_BATCH, free, HELD_MOST - self._moving - len(self._waiting))

    def _event(self, delivery: Delivery) -> PickEvent:
        return PickEvent(delivery, self._read, self._topics.bare(_origin(delivery)[0]))

    @property
    def _topics(self) -> Topics:
        return self._place.tools.topics

    def _read(self, delivery: Delivery) -> CloudEvent:
        topic, position = _origin(delivery)
        bare = self._topics.bare(topic)
        return decode(None, delivery.envelope, self._topics.settings(bare).wire, topic, position)

    # --- choosing ----------------------------------------------------------------------------------------------------

    def _consider(self, item: Item) -> None:
        if not self._epochs.knows(item.delivery.epoch):
            self._wait(item, "epoch")
            self._news.ring()
            return
        decision = decide(self._epochs.of(item.delivery.epoch), item.event, self._team)
        if isinstance(decision, Given):
            if item in self._waiting:
                del self._waiting[item]
                self.changed()
            self._move(item, decision.member)
            return
        if isinstance(decision, Failed):
            self._say(decision.error)
            self._wait(item, "failed")
        else:
            self._wait(item, decision.why)

    def _wait(self, item: Item, why: str) -> None:
        known, item.why = item in self._waiting, why
        if why in UNMATCHED and not known and len(self._waiting) >= UNMATCHED_MOST:
            lease_s = self._place.lease_s
            self._later.append(self._clock.monotonic() + lease_s)
            self._waiting.pop(item, None)
            self._sent()
            unit = Unit((), (Settle(item.delivery.token, Release(lease_s)),))
            self._place.tools.committer.submit(unit, self._given_back, item)
            return
        self._waiting[item] = None
        if not known:
            self.changed()

    def _given_back(self, item: Item, unit: Unit, outcome: Outcome | VagusError) -> None:
        self._landed()
        item.intake.held.pop(item, None)

    def _say(self, error: PickFailed) -> None:
        """Log a pick that fails: at once, and then once a minute."""
        now, text = self._clock.monotonic(), error.what
        self._why = text
        if self._said.get(text, -_SAY_AGAIN_S) + _SAY_AGAIN_S > now:
            return
        if len(self._said) > PAGE_PARTS:
            self._said.clear()
        self._said[text] = now
        _log.error("%s: %s; its events wait", self._place.group, text, exc_info=error.__cause__)

    def _look_again(self, *, only_blocked: bool) -> None:
        """Decide anew on what waits: on all, or on what waits for credit."""
        for item in list(self._waiting):
            if item not in item.intake.held:
                del self._waiting[item]  # its lease was lost: another one has it
            elif item.why == "credit" or not only_blocked:
                self._consider(item)
        self._room.set()

    # --- moving ------------------------------------------------------------------------------------------------------

    def _move(self, item: Item, member: Candidate) -> None:
        delivery, name = item.delivery, member.name
        origin = _origin(delivery)
        note = decode_note(delivery.note).moved(origin, self._page)
        put = Put(
            Inbox(self._place.group, name),
            delivery.envelope,
            key=delivery.key,
            lane=delivery.lane,
            dedupe=moved(origin, delivery.generation, note.moves),
            entry="moved",
            generation=delivery.generation,
            note=encode_note(note),
            losses=delivery.losses,
            epoch=delivery.epoch,
        )
        item.why = ""
        member.outstanding += 1
        self._inflight[name] = self._inflight.get(name, 0) + 1
        self._sent()
        unit = Unit((put,), (Settle(delivery.token, Done("moved")),))
        self._place.tools.committer.submit(unit, self._moved, (item, name))

    def _moved(self, about: tuple[Item, str], unit: Unit, outcome: Outcome | VagusError) -> None:
        item, name = about
        self._landed()
        self._inflight[name] -= 1
        if not isinstance(outcome, VagusError) and outcome.done:
            item.intake.held.pop(item, None)
            return
        member = self._team.by_name.get(name)
        if member is not None:
            member.outstanding -= 1
        if isinstance(outcome, VagusError) or "lost" not in outcome.settles:
            # The member is gone, its inbox is full, or nothing can be stored: it waits, and is decided on anew.
            _log.warning("%s: an event could not be moved to %s: %s", self._place.group, name, outcome)
            self._wait(item, "credit")
            self._clock.call_later(_TROUBLE_S, self._news.ring)
        else:
            item.intake.held.pop(item, None)

    def _sent(self) -> None:
        self._moving += 1
        self._still.clear()

    def _landed(self) -> None:
        self._moving -= 1
        self._room.set()
        if not self._moving:
            self._still.set()

    # --- who is there ------------------------------------------------------------------------------------------------

    async def _tend(self) -> bool:
        """Keep what is held and look who is there: after news, and three times in a lease."""
        await self._news.heard(self._place.lease_s / 3)
        for intake in list(self._intakes.values()):
            await intake.extend()
        await self._refresh()
        return True

    async def _refresh(self) -> None:
        place = self._place
        catalogue = await place.backend.describe()
        info = next((info for info in catalogue.groups if info.spec.name == place.group), None)
        if info is None:
            return  # dropped: whoever has a seat there is told so
        roster = await read_roster(place.store, place.group)
        books = {one.member: one for one in await place.backend.stats(place.group) if one.member is not None}
        self._info = info
        self._epochs.learn(info)
        silent_s = SILENT_LEASES * place.lease_s
        there = {member.name for member in info.members if member.seen_s <= silent_s}
        # Who has not said yet what it can take would be overrun; its word comes with news.
        self._seat([_candidate(name, roster[name]) for name in there if name in roster and place.seated(name)])
        for member in self._team.members:
            book = books.get(member.name)
            waiting = 0 if book is None else book.ready + book.held + book.waiting + book.parked
            member.outstanding = waiting + self._inflight.get(member.name, 0)
        silent = [member.name for member in info.members if member.seen_s > silent_s and _busy(books, member.name)]
        for name in (*info.orphans, *silent):
            self._open(Inbox(place.group, name))
        self._look_again(only_blocked=False)

    def _seat(self, candidates: list[Candidate]) -> None:
        """Make a new team, unless it is the same: picks remember things by the team that they saw last."""
        team = Team(candidates)
        if [_facts(member) for member in team.members] != [_facts(member) for member in self._team.members]:
            self._team = team
            self.changed()

    # --- what they have settled --------------------------------------------------------------------------------------

    def _follow(self, page: int, after: int) -> None:
        position = after

        async def step() -> bool:
            nonlocal position
            name = page_name(self._place.group, page)
            parts = await self._place.store.follow(name, position, _BATCH, _FOLLOW_S)
            if parts:
                position = parts[-1].position
                self._heard(parts)
            if page < self._page - 1:
                return False  # by now everybody writes on a later one
            if page == self._page and (position > PAGE_PARTS or (position and not parts)):
                self._page += 1
                self._follow(self._page, 0)
            return True

        self._spawn(f"page {page}", step)

    def _heard(self, parts: Sequence[Part]) -> None:
        for part in parts:
            member = self._team.by_name.get(part.producer)
            if member is not None and part.body.isdigit():
                member.outstanding = max(0, member.outstanding - int(part.body))
        self._look_again(only_blocked=True)


def _origin(delivery: Delivery) -> tuple[str, int | str]:
    found = decode_note(delivery.note).origin if delivery.topic.startswith("$inbox.") else None
    return found or (delivery.topic, delivery.position)


def _candidate(name: str, entry: Entry) -> Candidate:
    return Candidate(name, entry.labels, entry.weight, entry.credit)


def _facts(member: Candidate) -> tuple[Any, ...]:
    return member.name, member.labels, member.weight, member.credit


def _busy(books: dict[str, Any], name: str) -> bool:
    book = books.get(name)
    return book is not None and bool(book.ready + book.held + book.waiting + book.parked)
