"""Events and members for tests of picks."""

from __future__ import annotations

from typing import Any

from vagus.backend import Delivery
from vagus.delivery.pick import Candidate, PickEvent, Team
from vagus.message import CloudEvent, Envelope


def event(key: str | None = None, data: Any = None, **attributes: Any) -> PickEvent:
    """An event as a pick sees it."""
    made = CloudEvent(**{"id": "e1", "source": "s", "type": "query", **attributes}, data=data)
    delivery = Delivery("shop.query", Envelope(b"{}"), 1, 1, key, generation=2)
    return PickEvent(delivery, lambda _: made, "query")


def team(*names: str, **facts: Any) -> Team:
    """Members of these names."""
    return Team(Candidate(name, **facts) for name in names)


def chosen(pick: Any, members: Team, count: int, **facts: Any) -> str:
    """The names of the members that get `count` events."""
    return "".join(found.name for _ in range(count) if (found := pick.choose(event(**facts), members.members)))
