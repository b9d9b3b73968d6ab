"""Members of one app, each an App of its own in one place in memory, and what each of them handled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from vagus import App, Context, Event
from vagus.app.dispatch.term import read_states

GROUP = "shop.handle"


class Query(Event, key="user"):
    number: int
    user: str | None = None
    lang: str | None = None


class Seen(NamedTuple):
    """One handling."""

    member: str
    number: int
    epoch: int


class Crew:
    """Members of the group `shop.handle` on one backend, and all that they handled, in order."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[Seen] = []
        self.news = asyncio.Event()
        self.gates: dict[str, asyncio.Event] = {}

    def app(self, member: str, words: Mapping[str, Any] | None = None, **options: Any) -> App:
        """The app of one member; `words`: what it says of itself, other options are those of the handler."""
        app = App(self.url, name="shop", grace_s=0.0, **(words or {}))

        @app.on(Query, **{"member": member, "group": GROUP, **options})
        async def handle(query: Query, ctx: Context) -> None:
            if (gate := self.gates.get(member)) is not None:
                await gate.wait()
            self.seen.append(Seen(ctx.member, query.number, ctx.epoch))
            self.news.set()

        return app

    async def until(self, done: Callable[[], Any]) -> None:
        """Wait until something is true, looking after each handling and a hundred times a second."""
        async with asyncio.timeout(30):
            while not done():
                self.news.clear()
                try:
                    async with asyncio.timeout(0.01):
                        await self.news.wait()
                except TimeoutError:
                    continue

    async def handled(self, count: int) -> None:
        """Wait until so many were handled."""
        await self.until(lambda: len(self.seen) >= count)

    @property
    def turns(self) -> str:
        """The members by the numbers of the events that they handled."""
        return "".join(seen.member for seen in sorted(self.seen, key=lambda seen: seen.number))


@asynccontextmanager
async def running(*apps: App) -> AsyncIterator[App]:
    """Let the apps work, and wait until each is known to whoever dispatches; the first one is returned."""
    if not apps:
        raise ValueError("expected an app")
    async with apps[0].running():
        if len(apps) == 1:
            yield apps[0]
        else:
            async with running(*apps[1:]):
                yield apps[0]


async def seated(app: App, team: int | str, group: str = GROUP) -> None:
    """Wait until somebody dispatches the group, to so many members, or to those of these names."""
    async with asyncio.timeout(30):
        while True:
            store = app.backend.store
            assert store is not None
            state = (await read_states(store, [group])).get(group)
            there = () if state is None or not state.member else state.team
            if (len(there) if isinstance(team, int) else "".join(sorted(there))) == team:
                return
            await asyncio.sleep(0.005)
