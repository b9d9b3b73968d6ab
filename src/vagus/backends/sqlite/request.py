"""What the event loop asks of the writer's thread, and how the answer finds its way back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from vagus.backend import Inbox, Member, Source, Unit
from vagus.backends.sqlite.engine.engine import Engine

Loop: TypeAlias = asyncio.AbstractEventLoop
Future: TypeAlias = "asyncio.Future[Any]"
Work: TypeAlias = Callable[[Engine, float], Any]
"""Something to be done inside a transaction; it is given the engine and the time."""


@dataclass(slots=True, eq=False)
class Commit:
    """Units to be carried out."""

    future: Future
    units: Sequence[Unit]


@dataclass(slots=True, eq=False)
class Call:
    """Anything else. `writes`: it needs the lock of writers. `tidy`: it wants to see nobody who is long gone.

    Nobody waits for one without a future.
    """

    future: Future | None
    work: Work
    writes: bool = True
    tidy: bool = False


@dataclass(slots=True, eq=False)
class Membership:
    """A feed as the writer knows it: its seat, and when its member was last noted as being there."""

    source: Source
    member: Member
    credit: int
    seen: float

    @property
    def joins(self) -> bool:
        """Whether the seat makes its holder a member of the group."""
        return self.source == Inbox(self.source.group)


@dataclass(slots=True, eq=False)
class Demand:
    """A take that waits. It stands until it is filled, and is filled in the transaction that makes events available.

    `due`: when something comes back for it by itself; `bit`: what it is rung by.
    """

    future: Future
    membership: Membership
    limit: int
    lanes: Sequence[int]
    due: float = 0.0
    bit: int = 0
    new: bool = True


@dataclass(slots=True, eq=False)
class Watch:
    """A look that waits for its first result, and is repeated when `topic` or `stream` has grown."""

    future: Future
    work: Work
    bit: int
    topic: str | None = None
    stream: str | None = None
    new: bool = True


@dataclass(slots=True, eq=False)
class Stop:
    """The end: what was asked before is still done."""

    future: Future


@dataclass(slots=True, eq=False)
class Rang:
    """A timer fired: something may be due."""


Request: TypeAlias = Commit | Call | Demand | Watch | Stop | Rang


@dataclass(slots=True, eq=False)
class Answer:
    """A result for whoever waits for it, or an error. What was `taken` goes back if nobody waits any more."""

    future: Future
    result: Any = None
    error: BaseException | None = None
    taken: bool = False


@dataclass(slots=True)
class Wakeups:
    """How often the writer's thread was woken, and by what; `late` counts takes that only the safety check filled."""

    queue: int = 0
    doorbell: int = 0
    timer: int = 0
    safety: int = 0
    late: int = 0
