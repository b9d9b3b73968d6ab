"""A ledger and a time: what the tests of the rules ask, in few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vagus.backend import (
    Cut,
    Delivery,
    Done,
    Figures,
    GroupInfo,
    GroupSpec,
    Inbox,
    Ingress,
    Member,
    Mode,
    Outcome,
    Put,
    Release,
    SeekTo,
    Settle,
    Source,
    Switch,
    Target,
    Topic,
    TopicSpec,
    Unit,
)
from vagus.ledger.model import Ledger, Limits
from vagus.message import Envelope

GROUP = "g"
LEASE_S = 10.0
ANN, BOB = Member("ann"), Member("bob")
INGRESS = Ingress(GROUP)


class Desk:
    """A ledger with one topic `t` and one group `g`, and a clock that the test turns."""

    def __init__(
        self, *, lanes: int = 1, max_events: int | None = None, limits: Limits | None = None, **group: Any
    ) -> None:
        self.ledger = Ledger(limits)
        self.now = 1_000.0
        topic = TopicSpec(name="t", lanes=lanes, max_events=max_events)
        spec = {"name": GROUP, "patterns": ("t",), "lease_s": LEASE_S} | group
        self.ledger.declare([topic], [GroupSpec(**spec)], self.now)

    def declare(self, *specs: TopicSpec | GroupSpec) -> None:
        topics = [spec for spec in specs if isinstance(spec, TopicSpec)]
        groups = [spec for spec in specs if isinstance(spec, GroupSpec)]
        self.ledger.declare(topics, groups, self.now)

    def commit(self, *units: Unit) -> list[Outcome]:
        return self.ledger.commit(units, self.now)[0]

    def put(self, body: str, target: Target | str = "t", **what: Any) -> str:
        """Put one event; return what became of it."""
        where = Topic(target) if isinstance(target, str) else target
        (outcome,) = self.commit(Unit([Put(where, Envelope(body.encode()), **what)]))
        (found,) = outcome.puts
        return f"{found.status} {found.why}".strip()

    def take(
        self,
        limit: int = 100,
        member: Member = ANN,
        *,
        credit: int = 100,
        lanes: Sequence[int] = (),
        group: str = GROUP,
        source: Source | None = None,
    ) -> list[Delivery]:
        self.ledger.advance(self.now)
        return list(self.ledger.take(source or Inbox(group), member, credit, limit, lanes, self.now))

    def bodies(self, *what: Any, **how: Any) -> str:
        """Take, and return the bodies of what came, joined."""
        return "".join(body_of(delivery) for delivery in self.take(*what, **how))

    def settle(self, delivery: Delivery, action: Done | Release | str = "acked") -> str:
        """Settle by itself; return what became of it."""
        done = Done(action) if isinstance(action, str) else action  # type: ignore[arg-type]
        (outcome,) = self.commit(Unit((), [Settle(delivery.token, done)]))
        return outcome.settles[0]

    def join(self, *members: Member) -> None:
        for member in members:
            self.ledger.attach(GROUP, member, self.now)

    def leave(self, member: Member, source: Source | None = None) -> bool:
        self.ledger.advance(self.now)
        return self.ledger.leave(source or Inbox(GROUP), member, self.now)

    def switch(self, mode: Mode, pick: str = "") -> Cut:
        """Switch to what comes next; the books of the group balance as a whole before and behind."""
        epoch = self.ledger.groups[GROUP].steering.epoch + 1
        self.balance()
        cut = self.ledger.switch(GROUP, Switch(mode, pick, epoch), self.now)
        self.balance()
        return cut

    def move(self, delivery: Delivery, member: str | None, **what: Any) -> bool:
        """Move a delivery into an inbox, as a dispatcher does."""
        what = {"key": delivery.key, "losses": delivery.losses, "epoch": delivery.epoch, "note": delivery.note} | what
        moved = Put(Inbox(GROUP, member), delivery.envelope, entry="moved", **what)
        (outcome,) = self.commit(Unit([moved], [Settle(delivery.token, Done("moved"))]))
        return outcome.done

    def balance(self) -> list[Figures]:
        """The books of the group, which balance when they are added up."""
        books = list(self.ledger.stats(GROUP, self.now))
        assert sum(figures.entered for figures in books) == sum(figures.accounted for figures in books), books
        return books

    @property
    def info(self) -> GroupInfo:
        return next(group for group in self.ledger.describe(self.now).groups if group.spec.name == GROUP)

    def seek(self, start: Any, member: str | None = None, **what: Any) -> None:
        self.ledger.seek(GROUP, SeekTo(start, member, **what), self.now)

    def figures(self, member: str | None = None) -> Figures:
        found = {figures.member: figures for figures in self.ledger.stats(GROUP, self.now)}
        assert all(figures.entered == figures.accounted for figures in found.values())
        return found[member]

    def inbox(self, body: str, member: str | None = None, **what: Any) -> str:
        return self.put(body, Inbox(GROUP, member), **what)

    @property
    def subscription(self) -> Any:
        return self.ledger.groups[GROUP].shared


def body_of(delivery: Delivery) -> str:
    return delivery.envelope.body.decode()
