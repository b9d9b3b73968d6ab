"""What is wanted of one member and of the runs whose events come to it, as far as it was heard here: no waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

from vagus.app.facts import ControlEvent
from vagus.app.steering.wanted import Subject, Wanted
from vagus.backend import Delivery, Position
from vagus.delivery.cut import Cut
from vagus.message import CloudEvent, inbox_topic, instant_of

Halt: TypeAlias = Literal["paused", "draining", "cancelled"]
"""Why a member takes nothing: it is to wait; to finish and leave; to hand everything back and leave."""

HALTS: dict[str, Halt] = {"paused": "paused", "draining": "draining", "cancelled": "cancelled"}


class Notices(Protocol):
    """What orders are read from: the board."""

    def wanted(self, subject: Subject) -> Wanted | None:
        """Return what is wanted of `subject` as far as it was heard here."""

    def listen(self, listener: Callable[[ControlEvent | None], None]) -> Callable[[], object]:
        """Call `listener` after every change that is heard of; return what ends that."""

    async def announce(self, action: str, subject: Subject, **facts: Any) -> None:
        """Tell everybody of something that is not kept."""


class Orders:
    """What one member of one group is to do. `group` and `member` by their full names."""

    def __init__(self, board: Notices, group: str, member: str) -> None:
        self._board = board
        self._group = Subject("group", group)
        self._member = Subject("member", group, member)
        self._backlog = Subject("backlog", group)
        self._inbox = inbox_topic(group)
        self.halt: Halt | None = None
        self.cut: Cut | None = None
        self.refresh()

    def refresh(self) -> None:
        """Look at the board."""
        member, group = self._board.wanted(self._member), self._board.wanted(self._group)
        if member is not None:
            self.halt = HALTS.get(member.state)
        else:
            self.halt = "paused" if group is not None and group.state in HALTS else None
        backlog = self._board.wanted(self._backlog)
        self.cut = None if backlog is None else cut_of(backlog.facts)

    def listen(self, listener: Callable[[], None]) -> Callable[[], object]:
        """Call `listener` after every change that may concern this member; return what ends that."""

        def hear(news: ControlEvent | None) -> None:
            self.refresh()
            listener()

        return self._board.listen(hear)

    def of_run(self, run_id: str) -> Literal["paused", "cancelled"] | None:
        """Return what is wanted of a run, None where it runs."""
        wanted = self._board.wanted(Subject("run", run_id))
        if wanted is None:
            return None
        return "cancelled" if wanted.state == "cancelled" else "paused"

    def of_event(
        self, event: CloudEvent, delivery: Delivery, origin: tuple[str, Position]
    ) -> Literal["paused", "cancelled"] | None:
        """Return what is wanted of an event in this member's hands, None where it is to be handled."""
        if self.cut is not None and self._is_before(self.cut, event, delivery, origin):
            return "cancelled"
        return None if event.vagusrun is None else self.of_run(event.correlationid or event.id)

    def _is_before(self, cut: Cut, event: CloudEvent, delivery: Delivery, origin: tuple[str, Position]) -> bool:
        topic, position = (delivery.topic, delivery.position) if delivery.generation else origin
        return cut.covers(
            topic,
            position,
            published_at=instant_of(event.time),
            generation=delivery.generation,
            inbox=self._inbox,
        )

    async def tell(self, action: str, **facts: Any) -> None:
        """Tell everybody what this member did."""
        await self._board.announce(action, self._member, **facts)


def cut_of(facts: dict[str, Any]) -> Cut:
    """Return the cut that the wanted state of a backlog tells of."""
    return Cut(facts.get("positions", {}), float(facts.get("at", 0.0)))
