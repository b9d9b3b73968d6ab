"""Who waits for something: takes that stand until they are filled, and looks until there is something to see."""

from __future__ import annotations

import math
from collections.abc import Iterable

from vagus.backends.sqlite.doorbell import bit_of
from vagus.backends.sqlite.engine.cache import News, Subscription
from vagus.backends.sqlite.engine.engine import Engine
from vagus.backends.sqlite.request import Answer, Demand, Membership, Watch
from vagus.errors import VagusError


class Standing:
    """Demands and watches, in the order in which they came."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.demands: list[Demand] = []
        self.watches: list[Watch] = []
        self.everything = False
        self._filled: list[Demand] = []
        self._heard_of: list[Membership] = []

    @property
    def empty(self) -> bool:
        """Return whether nobody waits."""
        return not self.demands and not self.watches

    # --- takes -------------------------------------------------------------------------------------------------------

    def is_wanted(self, now: float) -> bool:
        """Return whether a transaction that writes would fill a demand, or has to note that a member is there."""
        return any(self._may_fill(demand, now) or self._is_silent(demand.membership, now) for demand in self.demands)

    def _may_fill(self, demand: Demand, now: float) -> bool:
        engine, membership = self._engine, demand.membership
        name = membership.member.name
        if not engine.members.is_seated(membership.source, name) or engine.members.is_emptied(membership.source):
            return True  # it needs to join anew, or to be told that the group is gone, or that nothing is left
        sources = engine.members.sources(membership.source, name)
        demand.bit = _bit_of(membership, sources)
        if engine.taking.may_take(sources, name, membership.credit, demand.lanes, now):
            demand.new = True
            return True
        self._settle_down(demand, now)
        return False

    def _settle_down(self, demand: Demand, now: float) -> None:
        """Note when a demand that finds nothing is to look again."""
        engine, membership = self._engine, demand.membership
        demand.new = False
        name = membership.member.name
        sources = engine.members.sources(membership.source, name)
        demand.due = engine.taking.next_due(sources, name, membership.credit, now)

    def _lease_s(self, membership: Membership) -> float:
        team = self._engine.cache.teams.get(membership.source.group)
        return team.spec.lease_s if team else math.inf

    def _is_silent(self, membership: Membership, now: float) -> bool:
        return membership.joins and membership.seen + self._lease_s(membership) <= now

    def fill(self, now: float) -> list[Answer]:
        """Fill what can be filled; called at the end of a transaction, which may still fail."""
        news = self._engine.news
        gained = news.subscriptions | news.settled
        for id in news.logs:
            gained |= self._engine.cache.logs_by_id[id].readers if id in self._engine.cache.logs_by_id else set()
        answers = []
        for demand in self.demands:
            if demand.future.cancelled():
                self._filled.append(demand)
            elif demand.new or self.everything or news.everybody or demand.due <= now or self._gains(demand, gained):
                answers += self._try(demand, now)
            elif self._is_silent(demand.membership, now):
                self._note(demand.membership, now)
        return answers

    def _gains(self, demand: Demand, gained: set[int]) -> bool:
        membership = demand.membership
        name = membership.member.name
        if not self._engine.members.is_seated(membership.source, name):
            return True
        return any(source.id in gained for source in self._engine.members.sources(membership.source, name))

    def _try(self, demand: Demand, now: float) -> list[Answer]:
        try:
            deliveries = self._take(demand, now)
        except VagusError as refusal:  # the group is gone
            self._filled.append(demand)
            return [Answer(demand.future, error=refusal)]
        if not deliveries and not self._engine.members.is_emptied(demand.membership.source):
            return []
        self._filled.append(demand)
        return [Answer(demand.future, deliveries, taken=True)]

    def _take(self, demand: Demand, now: float) -> list[object]:
        engine, membership = self._engine, demand.membership
        name = membership.member.name
        if not engine.members.is_seated(membership.source, name):
            engine.members.attach(membership.source.group, membership.member, now)
        elif membership.joins and membership.seen + self._lease_s(membership) / 2 <= now:
            self._note(membership, now)
        sources = engine.members.sources(membership.source, name)
        demand.bit = _bit_of(membership, sources)
        deliveries: list[object] = []
        if engine.taking.may_take(sources, name, membership.credit, demand.lanes, now):
            deliveries += engine.taking.take(sources, name, membership.credit, demand.limit, demand.lanes, now)
        if not deliveries:
            self._settle_down(demand, now)
        return deliveries

    def _note(self, membership: Membership, now: float) -> None:
        """Write that a member is there; another feed of it may have done so just now."""
        self._engine.members.seen(membership.source.group, membership.member, now)
        self._heard_of.append(membership)

    def keep(self, now: float) -> None:
        """The transaction is committed: what was filled stands no more."""
        if self._filled:
            filled = set(map(id, self._filled))
            self.demands = [demand for demand in self.demands if id(demand) not in filled]
            self._filled.clear()
        for membership in self._heard_of:
            membership.seen = now
        self._heard_of.clear()
        self.everything = False

    def undo(self) -> None:
        """The transaction was rolled back: everybody waits as before, and looks anew."""
        self._filled.clear()
        self._heard_of.clear()
        for demand in self.demands:
            demand.new = True

    def may_go_on(self, now: float) -> bool:
        """Return whether a take was cut short by its own bounds and can be filled at once."""
        return any(demand.due <= now and self._may_fill(demand, now) for demand in self.demands)

    # --- looks -------------------------------------------------------------------------------------------------------

    def see(self, news: News, now: float, *, others: bool) -> list[Answer]:
        """Repeat the looks that may see something now."""
        topics = {log.name for id in news.logs if (log := self._engine.cache.logs_by_id.get(id)) is not None}
        answers = []
        for watch in self.watches:
            if watch.future.done():
                continue
            if others or watch.new or watch.topic in topics or watch.stream in news.streams:
                watch.new = False
                found = watch.work(self._engine, now)
                if found:
                    answers.append(Answer(watch.future, found))
        if self.watches:
            answered = {id(answer.future) for answer in answers}
            self.watches = [w for w in self.watches if id(w.future) not in answered and not w.future.done()]
        return answers

    # --- sleeping ----------------------------------------------------------------------------------------------------

    def bits(self) -> int:
        """Return what others have to ring for."""
        bits = 0
        for demand in self.demands:
            bits |= demand.bit
        for watch in self.watches:
            bits |= watch.bit
        return bits

    def next_due(self) -> float:
        """Return when something happens by itself that somebody here waits for."""
        due = math.inf
        for demand in self.demands:
            membership = demand.membership
            shown = membership.seen + self._lease_s(membership) if membership.joins else math.inf
            due = min(due, demand.due, shown)
        return due if self.empty else min(due, self._engine.cache.scheduled_at)

    def safety_s(self, most: float) -> float | None:
        """Return after how many seconds to look without a reason; None while nobody waits."""
        if self.empty:
            return None
        return min([most, *(self._lease_s(demand.membership) for demand in self.demands)])

    def give_up(self, error: BaseException) -> list[Answer]:
        """Answer everybody with an error."""
        waiting = [demand.future for demand in self.demands] + [watch.future for watch in self.watches]
        self.demands, self.watches = [], []
        return [Answer(future, error=error) for future in waiting]


def _bit_of(membership: Membership, sources: Iterable[Subscription]) -> int:
    """Return what a seat is rung by: whatever it takes from, and where that is nothing yet, what concerns everybody."""
    bits = 0
    for source in sources:
        bits |= bit_of("subscription", source.id)
    return bits or bit_of("group", membership.source.group)
