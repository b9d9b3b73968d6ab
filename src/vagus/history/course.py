"""How far a replay into an inbox has come, kept in the store with every step, so that it can go on after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import msgspec

from vagus.backend import Position
from vagus.errors import ControlError, ReplayConflict
from vagus.history.reading import Stretch
from vagus.store import Change, Store

KEEP_S = 30 * 86_400.0
"""How long the course of a replay, and the count of replays of a group, outlive their newest step, in seconds."""


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """A replay under way: what was asked for, what that meant, and what was put of it.

    `request` tells one replay from another. `reached`: by topic, the last position that was looked at. `put`: how many
    events were put so far. `generation`: what theirs is raised by.
    """

    request: str
    generation: int
    stretches: tuple[Stretch, ...]
    reached: dict[str, Position] = msgspec.field(default_factory=dict)
    put: int = 0

    @property
    def count(self) -> int:
        """How many events it means in all."""
        return sum(stretch.count for stretch in self.stretches)


class Log:
    """The courses of one group, one at a time, and how many there were."""

    def __init__(self, store: Store, group: str) -> None:
        self._store = store
        self._group = group
        self._key = f"replay/{group}"
        self._version = 0
        self.course: Course | None = None

    @classmethod
    async def look_up(cls, store: Store, group: str) -> Self:
        """Return what is known of replays into `group`."""
        log = cls(store, group)
        (value,) = await store.get([log._key])
        if value is not None:
            log.course, log._version = msgspec.msgpack.decode(value.body, type=Course), value.version
        return log

    async def next_generation(self) -> int:
        """Return the generation of a new replay, which no other replay into this group has; it is used up by that."""
        key = f"generation/{self._group}"
        while True:
            (value,) = await self._store.get([key])
            number = 1 if value is None else int(value.body) + 1
            change = Change(key, b"%d" % number, expect=value.version if value else 0, ttl_s=KEEP_S)
            if all(await self._store.swap([change])):
                return number

    async def begin(self, request: str, generation: int, stretches: Sequence[Stretch]) -> Course:
        """Keep a new course in place of any other. Raises ReplayConflict where another process was quicker."""
        course = Course(request=request, generation=generation, stretches=tuple(stretches))
        if not all(await self._store.swap([self.step(course)])):
            raise self.conflict()
        self.stepped(course)
        return course

    def step(self, course: Course) -> Change:
        """Return the change that keeps `course`; it fits only while nobody else changed it."""
        return Change(self._key, msgspec.msgpack.encode(course), expect=self._version, ttl_s=KEEP_S)

    def stepped(self, course: Course) -> None:
        """Note that `step` was stored."""
        self.course = course
        self._version += 1

    async def end(self) -> None:
        """Forget the course; the count of replays stays."""
        await self._store.swap([Change(self._key, None, required=False)])
        self.course, self._version = None, 0

    def conflict(self) -> ControlError:
        """Return the error for a course that somebody else carries out, too."""
        return ReplayConflict(
            f"another process carries out the replay into group {self._group!r}",
            hint="let it finish; if it is dead, run the same command again: it goes on where that one stopped",
        )
