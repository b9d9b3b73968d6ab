"""Pause, resume, cancel and drain of groups and members, for apps and for processes that only have a backend."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from vagus.app.facts import ControlEvent
from vagus.app.steering.board import KEEP_S, Board
from vagus.app.steering.wanted import Changed, Subject
from vagus.backend import After, Ago, Backend, Figures, GroupInfo, Position, Record, Start
from vagus.clock import Clock
from vagus.errors import InvalidArgument
from vagus.message import inbox_topic

LOOK_S = 2.0
"""How long a drain waits for news of its members before it looks for itself, in seconds: some may have died."""

RESTING = ("rests", "left")
"""What a member tells when it holds nothing more: that it waits to be resumed, or has left."""

_WINDOWS_S = (1.0, 60.0, 3_600.0, 86_400.0, 366 * 86_400.0)
_PAGE = 1_000


class Steered(msgspec.Struct, frozen=True, kw_only=True):
    """What was steered, and what that changed.

    `group` by its full name. `before`, `after`: "running", "paused", "draining", "drained" or "cancelled". `changed`:
    False where it was so before. `backlog`: how many events the group had to do at that moment.
    """

    action: str
    group: str
    member: str | None = None
    before: str
    after: str
    changed: bool
    backlog: int


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """What a drain did: how many events were `finished` and `handed_back` meanwhile, how many are still `held`.

    `complete`: nothing is held any more. Where it is not, the time was over, or somebody resumed meanwhile.
    """

    group: str
    member: str | None = None
    complete: bool
    finished: int
    handed_back: int
    held: int
    backlog: int


Progress: TypeAlias = Callable[[Drained], None]


class Steering:
    """Steers groups and members, by their full names."""

    def __init__(self, backend: Backend, board: Board, clock: Clock) -> None:
        self._backend = backend
        self._board = board
        self._clock = clock

    async def pause(self, group: str, member: str | None = None, *, why: str = "") -> Steered:
        """Let a group's members, or one, take nothing more: they hand back what waits, and finish what runs.

        It stays so until `resume`, over restarts. Publishing goes on. Raises `InvalidArgument` for what is not there.
        """
        return await self._change("pause", group, member, "paused", why)

    async def resume(self, group: str, member: str | None = None, *, why: str = "") -> Steered:
        """Let a group's members, or one, go on: the opposite of `pause`, `drain`, and `cancel` of a member."""
        return await self._change("resume", group, member, None, why)

    async def cancel(self, group: str, member: str | None = None, *, why: str = "") -> Steered:
        """Cancel all that a group has to do now; of one member, its place: it hands back all it holds, and leaves.

        What was published before the call is settled as cancelled when it would be handed out, and running handlers
        are cancelled. What is published afterwards is handled.
        """
        if member is not None:
            return await self._change("cancel", group, member, "cancelled", why)
        info = await self._info(group)
        facts = await self._cut(info)
        changed = await self._board.change("cancel", Subject("backlog", group), "cancelled", why=why, facts=facts)
        return await self._told("cancel", group, None, changed)

    async def drain(
        self,
        group: str,
        member: str | None = None,
        *,
        why: str = "",
        timeout_s: float | None = None,
        progress: Progress | None = None,
    ) -> Drained:
        """Let what runs be finished, the rest be handed back, and wait until nothing is held; at most `timeout_s`.

        A drained group is paused. A drained member has left its group; its process may be ended. `progress` is called
        whenever something was heard.
        """
        subject = self._subject(group, member)
        await self._board.open()
        before = await self._books(group)
        told: dict[str, int] = {}
        heard = asyncio.Event()

        def hear(news: ControlEvent | None) -> None:
            if news is not None and news.action in RESTING and news.name == group and member in (None, news.member):
                told[news.member] = int(news.facts.get("handed_back", 0))  # heard twice, it counts once
            heard.set()

        end = self._board.listen(hear)
        try:
            await self._change("drain", group, member, "draining", why)

            async def look(silent: bool) -> Drained:
                return await self._look(subject, before, told, silent)

            return await self._drained(subject, look, heard, timeout_s, progress)
        finally:
            end()

    async def _drained(
        self,
        subject: Subject,
        look: Callable[[bool], Awaitable[Drained]],
        heard: asyncio.Event,
        timeout_s: float | None,
        progress: Progress | None,
    ) -> Drained:
        until = math.inf if timeout_s is None else self._clock.monotonic() + timeout_s
        silent = False
        while True:
            heard.clear()
            found = await look(silent)
            if progress is not None:
                progress(found)
            if found.complete:
                if subject.kind == "group":
                    facts = {"finished": found.finished, "handed_back": found.handed_back}
                    await self._board.change("drained", subject, "paused", facts=facts)
                return found
            wanted = self._board.wanted(subject)
            left_s = until - self._clock.monotonic()
            if wanted is None or wanted.state != "draining" or left_s <= 0:
                return found
            silent = not await self._heard_within(heard, min(LOOK_S, left_s))

    async def _heard_within(self, heard: asyncio.Event, wait_s: float) -> bool:
        """Wait for news; return whether they came in time."""
        over = asyncio.Event()

        def end() -> None:
            over.set()
            heard.set()

        timer = self._clock.call_later(wait_s, end)
        try:
            await heard.wait()
        finally:
            timer.cancel()
        return not over.is_set()

    async def _look(self, subject: Subject, before: Sequence[Figures], told: dict[str, int], silent: bool) -> Drained:
        now = await self._books(subject.name)
        info = await self._info(subject.name)
        if subject.member:
            held = sum(member.held for member in info.members if member.name == subject.member)
            # Who left tells what it did; who died does not, and is found missing.
            gone = all(member.name != subject.member for member in info.members)
            complete = subject.member in told or (silent and gone)
        else:
            held = _sum(now, "held")
            complete = not held
        return Drained(
            group=subject.name,
            member=subject.member or None,
            complete=complete,
            finished=_sum(now, "acked") + _sum(now, "dead") - _sum(before, "acked") - _sum(before, "dead"),
            handed_back=sum(told.values()),
            held=held,
            backlog=_backlog(now),
        )

    # --- what is there -----------------------------------------------------------------------------------------------

    async def _change(self, action: str, group: str, member: str | None, state: str | None, why: str) -> Steered:
        info = await self._info(group)
        subject = self._subject(group, member)
        ttl_s = None
        if member is not None:
            found = next((there for there in info.members if there.name == member), None)
            if found is None and await self._board.look_up(subject) is None:
                names = ", ".join(there.name for there in info.members) or "it has none"
                raise InvalidArgument(
                    f"group {group} has no member {member!r}: expected one of {names}", hint="vagus groups ls --json"
                )
            # The name of an anonymous member is never used again; what was wanted of it need not stand for ever.
            ttl_s = None if found is None or found.named else KEEP_S
        return await self._told(
            action, group, member, await self._board.change(action, subject, state, why=why, ttl_s=ttl_s)
        )

    async def _told(self, action: str, group: str, member: str | None, changed: Changed) -> Steered:
        return Steered(
            action=action,
            group=group,
            member=member,
            before=changed.before.state if changed.before else "running",
            after=changed.after.state if changed.after else "running",
            changed=changed.anything,
            backlog=_backlog(await self._books(group)),
        )

    @staticmethod
    def _subject(group: str, member: str | None) -> Subject:
        return Subject("group", group) if member is None else Subject("member", group, member)

    async def _info(self, group: str) -> GroupInfo:
        groups = (await self._backend.describe()).groups
        for info in groups:
            if info.spec.name == group:
                return info
        there = ", ".join(info.spec.name for info in groups) or "it has none"
        raise InvalidArgument(f"there is no group {group!r}: expected one of {there}", hint="vagus groups ls")

    async def _books(self, group: str) -> Sequence[Figures]:
        return await self._backend.stats(group)

    async def _cut(self, info: GroupInfo) -> dict[str, Any]:
        # Events tell their time in milliseconds: that in which the last of them may have been published is over then.
        await asyncio.sleep(0.001)
        at = math.floor(self._clock.now() * 1000) / 1000
        topics = [
            topic.spec.name for topic in (await self._backend.describe()).topics if info.spec.name in topic.groups
        ]
        ends = {name: await self._end(name) for name in (*topics, inbox_topic(info.spec.name))}
        return {"at": at, "positions": {name: end for name, end in ends.items() if end is not None}}

    async def _end(self, topic: str) -> Position | None:
        """Return the newest position of a topic, None where it keeps nothing."""
        for window_s in _WINDOWS_S:
            records = await self._backend.read(topic, Ago(window_s), _PAGE)
            if records:
                return await self._last(topic, records)
        return None

    async def _last(self, topic: str, records: Sequence[Record]) -> Position:
        while True:
            last = records[-1].position
            start: Start = After(last)
            if len(records) < _PAGE:
                return last
            records = await self._backend.read(topic, start, _PAGE) or records[-1:]


def _sum(books: Sequence[Figures], figure: str) -> int:
    return sum(getattr(one, figure) for one in books)


def _backlog(books: Sequence[Figures]) -> int:
    return sum(one.ready + one.held + one.waiting + one.parked for one in books)
