"""Publishing with a transaction of the user's own database, outside of handlers too: all is stored, or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from vagus.app.bodies.bodies import Bodies
from vagus.app.effects.database import EffectDatabase, OpenDatabase, Row
from vagus.app.effects.relay import Relay, row_of
from vagus.app.middleware.layers import Layers
from vagus.app.middleware.out import Made, make
from vagus.app.middleware.passage import Outgoing
from vagus.app.publisher import Publisher, PublishOptions, publish_options
from vagus.app.work.committer import Committer
from vagus.clock import Clock
from vagus.reliability.retry import Drop


class Outboxes:
    """The outboxes of one open app, each with its relay."""

    def __init__(
        self,
        app: str,
        publisher: Publisher,
        committer: Committer,
        clock: Clock,
        layers: Callable[[], Layers],
        bodies: Bodies,
    ) -> None:
        self.clock = clock
        self._publisher = publisher
        self._layers = layers
        self._bodies = bodies
        self._app = app
        self._committer = committer
        self._relays: dict[int, Relay] = {}
        self._taken = ""

    async def open(self, databases: Iterable[EffectDatabase], taken: str = "") -> None:
        """Open those that are not open yet, and publish what was left in them; `taken`: the backend's own file."""
        self._taken = taken or self._taken
        for database in databases:
            if id(database) not in self._relays:
                opened = await database.open(self._taken)
                relay = Relay(self._app, opened, database.keep_s, self._committer, self.clock)
                self._relays[id(database)] = relay

    async def made(self, event: Any, options: PublishOptions) -> Made | Drop:
        """Return what is to be published for an event of the user's, with publish middleware around it."""
        layers = self._layers()
        found: Made | Drop
        if layers.publish:
            found = await make(layers, Outgoing(event, options), self._publisher.first)
        else:
            found = self._publisher.first(event, options)
        if isinstance(found, Drop):
            return found
        (put,) = await self._bodies.kept_puts([found[0]])
        return put, found[1]

    def relay(self, database: EffectDatabase) -> Relay:
        """Return the relay of a database that is open."""
        return self._relays[id(database)]

    def databases(self) -> list[tuple[str, OpenDatabase]]:
        """Return the open databases, each with the name under which the app's rows lie there."""
        return [(relay.app, relay.database) for relay in self._relays.values()]

    async def quiet(self) -> None:
        """Wait until all that can be published is."""
        for relay in self._relays.values():
            await relay.quiet()

    async def close(self) -> None:
        """End the relays and close the databases."""
        while self._relays:
            _, relay = self._relays.popitem()
            await relay.close()


class Box:
    """One transaction of an outbox: `connection` to work with, and `publish`."""

    def __init__(self, connection: Any, outboxes: Outboxes, app: str) -> None:
        self.connection = connection
        self.rows: list[Row] = []
        self._outboxes = outboxes
        self._app = app

    async def publish(self, event: Any, **options: Any) -> str:
        """Publish an event with the transaction; return its id, "" where middleware has dropped it.

        Takes the options of `App.publish`. Whether anybody listens is not known yet: an event that nobody does is
        counted as unheard.
        """
        found = await self._outboxes.made(event, publish_options(options))
        if isinstance(found, Drop):
            return ""
        put, made = found
        self.rows.append(row_of(self._app, made.id, put, self._outboxes.clock.now()))
        return made.id


class Outbox:
    """A way to publish events with the transactions of one database; made by `App.outbox`."""

    def __init__(self, database: EffectDatabase, outboxes: Callable[[], Outboxes]) -> None:
        self._database = database
        self._outboxes = outboxes

    @asynccontextmanager
    async def begin(self, connection: Any = None) -> AsyncIterator[Box]:
        """Open a transaction, commit it with all that was published in the block, and let the events go.

        `connection`: one of your own, on the same database; a transaction that it has begun goes on and is committed
        here. When the block raises, all of it is rolled back and nothing is published.
        """
        outboxes = self._outboxes()
        await outboxes.open([self._database])
        relay = outboxes.relay(self._database)
        transaction = await relay.database.begin(connection)
        try:
            box = Box(transaction.connection, outboxes, relay.app)
            yield box
            await transaction.commit(box.rows, None, outboxes.clock.now())
            relay.wake()
        finally:
            await transaction.roll_back()
