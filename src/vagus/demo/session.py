"""One demo from its first question to its last: asks, follows the answer, breaks things on purpose, tells what held."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from vagus import App, JoinTimeout, Run
from vagus.backend import Ago, Record
from vagus.demo.crew import INDEXER, Crew
from vagus.demo.flow import Answer, PageAdded, PageIndexed, UserQuery
from vagus.demo.screen import Answered, Screen, Step
from vagus.errors import ControlError, EventError
from vagus.message import DEFAULT_WIRE, CloudEvent, dead_topic, decode, instant_of
from vagus.reliability.dead import open_letters

KILL_AFTER = 5
"""After how many words of the answer its worker is killed, where that was asked for."""

POISON = "page\0that is no text\0"

_CHAIN = ("user_query", "auth_success", "order_status_fetched", "python_passages", "page_passages")
_PATIENCE_S = 60.0
_RECENT_S = 3_600.0
_PAGE = 1_000


class Session:
    """A demo in progress: the app that publishes, the workers, and the screen."""

    def __init__(self, app: App, crew: Crew, screen: Screen, breaks: Sequence[str]) -> None:
        self._app = app
        self._crew = crew
        self._screen = screen
        self._breaks = set(breaks)
        self._asked = 0
        self._poisoned = False

    async def add(self, name: str, body: bytes) -> None:
        """Add a page to the corpus, by an event. Raises RunFailed where it cannot be indexed."""
        await self._crew.start([INDEXER])
        page = PageAdded(name, body.decode("utf-8", "replace"))
        run = await self._app.start(page, until=PageIndexed, deadline_s=_PATIENCE_S)
        indexed: PageIndexed = await run.result(_PATIENCE_S)
        self._screen.note(
            "page", f"pid {indexed.pid} put {indexed.name} into the corpus: {indexed.sentences} sentences"
        )

    async def ask(self, text: str) -> bool:
        """Ask a question and show its answer; return whether one came, whole. The first has what breaks on purpose."""
        first = self._asked == 0
        self._asked += 1
        if first and "poison" in self._breaks:
            await self._poison()
        self._screen.question(text)
        trouble = "slow-model" if first and "slow-model" in self._breaks else ""
        query = UserQuery(f"session-{self._asked}", text, trouble)
        began = time.monotonic()
        run = await self._app.start(query, until=(Answer, JoinTimeout), deadline_s=_PATIENCE_S)
        if first and "duplicate" in self._breaks:
            again = await self._app.publish(query, id=run.id)
            told = "was dropped: it is stored once" if again.duplicate else "was stored twice"
            self._screen.note("duplicate", f"the question was published again with its id, and {told}")
        kill_after = KILL_AFTER if first and "kill-worker" in self._breaks else None
        return await self._follow(run, began, kill_after)

    async def _follow(self, run: Run, began: float, kill_after: int | None) -> bool:
        words: list[str] = []
        restarts, first_word_s = 0, 0.0
        async for part in run.stream():
            if not first_word_s:
                first_word_s = time.monotonic() - began
                await self._show_chain(run.id)
            if part.restarted:
                words.clear()
                restarts += 1
            words.append(part.text)
            self._screen.part(part.text, part.restarted)
            if len(words) == kill_after:
                kill_after = None
                self._screen.note("kill -9", f"the worker that writes this answer, pid {self._crew.kill('answer')}")
        return await self._conclude(run, words, restarts, (first_word_s, time.monotonic() - began))

    async def _conclude(self, run: Run, words: list[str], restarts: int, times: tuple[float, float]) -> bool:
        try:
            end = await run.result(_PATIENCE_S)
        except ControlError as error:
            self._screen.note("no answer", str(error))
            return False
        if isinstance(end, JoinTimeout):
            self._screen.note("no answer", f"after {end.waited_s} s without {', '.join(end.missing)}")
            return False
        whole = bool("".join(words) == end.text)
        answer = Answered(
            question=end.question,
            text=end.text,
            sources=end.sources,
            order=end.order,
            pid=end.pid,
            attempt=end.attempt,
            losses=end.losses,
            parts=len(words),
            restarts=restarts,
            whole=whole,
            first_word_s=round(times[0], 3),
            seconds=round(times[1], 3),
        )
        self._screen.answered(answer)
        return whole

    async def _poison(self) -> None:
        """Publish a page that no attempt can index; show that it ends as a dead letter, and holds nobody up."""
        self._screen.note("poison", "a page that cannot be indexed was added to the corpus")
        await self._crew.start([INDEXER])
        await self._app.start(PageAdded("poison.md", POISON), until=PageIndexed, deadline_s=_PATIENCE_S)
        self._poisoned = True

    # --- looking -----------------------------------------------------------------------------------------------------

    async def _events(self, topic: str) -> list[CloudEvent]:
        records: Sequence[Record] = await self._app.backend.read(topic, Ago(_RECENT_S), _PAGE)
        found = []
        for record in records:
            try:
                found.append(decode(None, record.envelope, DEFAULT_WIRE, topic, record.position))
            except EventError:
                continue  # somebody else's, on a backend that was there before
        return found

    async def _show_chain(self, run_id: str) -> None:
        """Show the events that led to the answer, in the order in which they were published."""
        chain = [event for topic in _CHAIN for event in await self._events(topic) if event.correlationid == run_id]
        chain.sort(key=lambda event: instant_of(event.time) or 0.0)
        start = instant_of(chain[0].time) if chain else 0.0
        for event in chain:
            after_s = (instant_of(event.time) or 0.0) - (start or 0.0)
            self._screen.step(Step(round(after_s, 3), event.type, event.data.get("pid"), _note(event.data)))

    async def recovered(self) -> bool:
        """Show what went wrong and what became of it; return whether nothing was lost and nothing is left over."""
        if self._poisoned:
            await self._await_poison()
        stats = await self._app.stats()
        for fact in [event.data for event in await self._events("error_event")]:
            after = "tried again" if fact["outcome"] == "retry" else f"a dead letter now ({fact['reason']})"
            self._screen.note("failed", f"{fact['stage']}, attempt {fact['attempt']}: {fact['error_kind']}; {after}")
        for one in stats.groups:
            if one.lost:
                self._screen.note("redelivered", f"{one.group} got back {one.lost} that were lost with a worker")
            if one.dead:
                self._screen.note("dead letters", f"{one.group} keeps {await self._letters(one.group)}")
        for topic in (await self._app.backend.describe()).topics:
            if topic.duplicates:
                self._screen.note("deduplicated", f"{topic.spec.name} refused {topic.duplicates} that it had")
        left = sum(one.ready + one.held + one.waiting + one.parked for one in stats.groups)
        odd = [one.group for one in stats.groups if one.entered != one.accounted]
        entered, acked = sum(one.entered for one in stats.groups), sum(one.acked for one in stats.groups)
        books = "the books balance" if not odd else f"the books of {', '.join(odd)} DO NOT BALANCE"
        dead = sum(one.dead for one in stats.groups)
        ended = f"{acked} handled, {dead} dead" if dead else f"{acked} handled"
        self._screen.note("books", f"{entered} deliveries in, {ended}, {left} still to come; {books}")
        return not odd

    async def _letters(self, group: str) -> str:
        states = open_letters(await self._app.backend.read(dead_topic(group), Ago(_RECENT_S), _PAGE)).values()
        letters = [state.letter for state in states]
        return ", ".join(f"{letter.event_type} ({letter.error_message})" for letter in letters) or "none open"

    async def _await_poison(self) -> None:
        """Wait for the poison page's end in the dead letters, where it does not keep anybody waiting."""
        until = time.monotonic() + _PATIENCE_S
        topic = dead_topic(f"{self._app.name}.{INDEXER}")
        while time.monotonic() < until:
            if await self._app.backend.read(topic, Ago(_RECENT_S), 1, until - time.monotonic()):
                return


def _note(data: dict[str, Any]) -> str:
    if "quotes" in data:
        return f"{len(data['quotes'])} passages"
    if "user" in data:
        return f"user {data['user']}"
    return str(data.get("status", ""))
