"""Stands at the seam and judges every handing out and every settling, from its own records alone.

It knows what was stored, who was handed what under which claim and until when, and what was said about it. From that
alone it tells a late ack that was accepted, a key that was handed out twice at once or out of order, an event handed
out again without a reason, a loss or note that was miscounted, and a waiting member that nobody woke.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from vagus.backend import (
    Backend,
    Dead,
    Delivery,
    Done,
    Feed,
    GroupSpec,
    Inbox,
    Lane,
    Member,
    Outcome,
    PutOutcome,
    Settle,
    SettleOutcome,
    Source,
    Token,
    Topic,
    TopicSpec,
    Unit,
)
from vagus.testing.loop import process_name
from vagus.testing.simulation.history import History
from vagus.testing.simulation.passing import Passing, PassingFeed

PROMPT_S = 0.5
"""How long, in seconds, a waiting member may be left without an event that is there for it."""

ROUNDING_S = 1e-5
"""Instants since the epoch are floats: sums of them are off by less than this."""

Reader: TypeAlias = tuple[str, str | None]
"""A group, or one member of a group in `all`."""


class _Head(msgspec.Struct):
    id: str


_head = msgspec.json.Decoder(_Head)


class Where(NamedTuple):
    """One event in one log, as one reader sees it."""

    group: str
    member: str | None
    topic: str
    position: int | str

    def __str__(self) -> str:
        """Return it as it stands in the history."""
        member = f"@{self.member.rpartition('-')[2]}" if self.member else ""
        return f"{self.group}{member} {self.topic}#{self.position}"


class Place:
    """What the witness knows of one event at one reader."""

    __slots__ = (
        "claims",
        "ending",
        "event",
        "generation",
        "left_late",
        "losses",
        "note",
        "returned",
        "taker",
        "until",
        "where",
    )

    def __init__(self, where: Where, event: str) -> None:
        self.where = where
        self.event = event
        self.claims = 0
        self.generation = -1
        self.losses = 0
        self.note = b""
        self.returned = True
        self.left_late = False
        self.until = 0.0
        self.taker = ""
        self.ending: str | None = None


class Claim(NamedTuple):
    """One handing out of a place; `token` is kept so that no other gets its identity."""

    place: Place
    number: int
    token: Token


class Witness(Passing):
    """See the module."""

    def __init__(self, inner: Backend, history: History, frozen: Callable[[str, float], bool]) -> None:
        super().__init__(inner)
        self.history = history
        self.places: dict[Where, Place] = {}
        self.endings: dict[Reader, Counter[str]] = {}
        self.stored: dict[str, dict[int | str, float]] = {}
        self.entered: Counter[str] = Counter()
        self.handed: Counter[tuple[str, str | None, str, int]] = Counter()
        self.steps = 0
        self._frozen = frozen
        self._specs: dict[str, GroupSpec] = {}
        self._joined: Counter[Reader] = Counter()
        self._claims: dict[int, Claim] = {}
        self._busy: dict[tuple[str, str | None, str], Place] = {}
        self._newest: dict[tuple[str, str | None, str, str], int] = {}

    async def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> None:
        """Pass on, and remember the groups."""
        self._specs.update({spec.name: spec for spec in groups})
        await self.inner.declare(topics, groups)

    # --- putting and settling ----------------------------------------------------------------------------------------

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """Pass on, and judge what was carried out."""
        outcomes = await self.inner.commit(units)
        for unit, outcome in zip(units, outcomes, strict=True):
            self.steps += 1
            for put, found in zip(unit.puts, outcome.puts, strict=False):
                self._stored(put.target, found)
            for settle, told in zip(unit.settles, outcome.settles, strict=False):
                self._settled(settle, told)
        return outcomes

    def _stored(self, target: Topic | Inbox | Dead, found: PutOutcome) -> None:
        if found.status == "refused":
            self.history.fault(f"refused: {found.why}", "backend")
        if found.status != "stored":
            return
        name = target.name if isinstance(target, Topic) else f"{type(target).__name__}:{target.group}"
        self.entered[name] += 1
        if found.position is not None and isinstance(target, Topic):
            self.stored.setdefault(name, {})[found.position] = self.history.time()

    def _settled(self, settle: Settle, told: SettleOutcome) -> None:
        claim = self._claims.get(id(settle.token))
        if claim is None or told != "done":
            return
        place = claim.place
        if claim.number != place.claims:
            how = f"claim {claim.number} was settled after claim {place.claims} had been handed out"
            self.history.broken("fencing", str(place.where), how)
        elif place.ending is not None:
            self.history.broken("fencing", str(place.where), f"it was settled twice, first as {place.ending}")
        action = settle.action
        if isinstance(action, Done):
            place.ending = action.ending
            reader = place.where.group, place.where.member
            self.endings.setdefault(reader, Counter())[action.ending] += 1
            self.history.note(place.taker, action.ending, str(place.where), place.event)
        else:
            place.returned = True
            place.note = place.note if action.note is None else action.note
            self.history.note(place.taker, "released", str(place.where), f"{place.event} {action.after_s:.3f} s")

    # --- taking ------------------------------------------------------------------------------------------------------

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        """Pass on, and watch what is taken."""
        each = self._specs[source.group].mode == "all"
        reader = source.group, member.name if each else None
        if each and not member.named:
            self._joined[reader] += 1
        return WitnessFeed(self.inner.attach(source, member, credit), self, reader, process_name())

    def taken(self, reader: Reader, taker: str, waited_since: float, deliveries: Sequence[Delivery]) -> None:
        """Judge what was handed out."""
        now = self.history.time()
        spec = self._specs[reader[0]]
        # An anonymous member that joins again may have been forgotten meanwhile, and then starts anew.
        known = self._joined[reader] < 2
        for delivery in deliveries:
            self.steps += 1
            where = Where(*reader, delivery.topic, delivery.position)
            place = self.places.get(where)
            if place is None:
                place = self.places[where] = Place(where, _head.decode(delivery.envelope.body).id)
                if not spec.ordered:
                    self._judge_wait(place, taker, waited_since, now)
            if known and spec.ordered and delivery.key is not None:
                self._judge_key(place, delivery)
            if known:
                self._judge_reason(place, delivery, now)
            self._claim(place, taker, delivery, now + spec.lease_s)

    def _claim(self, place: Place, taker: str, delivery: Delivery, until: float) -> None:
        place.claims += 1
        place.generation, place.losses, place.note = delivery.generation, delivery.losses, delivery.note
        place.returned, place.left_late, place.ending = False, False, None
        place.until, place.taker = until, taker
        self._claims[id(delivery.token)] = Claim(place, place.claims, delivery.token)
        self.handed[place.where.group, place.where.member, place.event, delivery.generation] += 1
        detail = f"{place.event} key {delivery.key} generation {delivery.generation} claim {place.claims}"
        self.history.note(taker, "taken", str(place.where), detail)

    def _judge_wait(self, place: Place, taker: str, since: float, now: float) -> None:
        """A member that waits is handed what enters its logs at once: a doorbell, not a safety check, wakes it."""
        stored_at = self.stored.get(place.where.topic, {}).get(place.where.position)
        if stored_at is None or self._frozen(taker, max(since, stored_at)):
            return
        if (late_s := now - max(since, stored_at)) > PROMPT_S:
            self.history.broken("doorbell", str(place.where), f"{taker} waited {late_s:.2f} s beside it")

    def _judge_key(self, place: Place, delivery: Delivery) -> None:
        """Of one key one at a time, retries included; and first handings follow the log."""
        where, key = place.where, delivery.key or ""
        seat = (where.group, where.member, key)
        other = self._busy.get(seat)
        if other is not None and other is not place and other.ending is None:
            self.history.broken("order", str(where), f"key {key} was handed out while {other.where} was not settled")
        self._busy[seat] = place
        if not place.claims and not delivery.generation:
            line = (*seat, where.topic)
            position = int(where.position)
            if position < self._newest.get(line, 0):
                self.history.broken(
                    "order", str(where), f"key {key}: position {self._newest[line]} was handed out first"
                )
            self._newest[line] = position

    def _judge_reason(self, place: Place, delivery: Delivery, now: float) -> None:
        """An event comes again because it was released, because its lease lapsed, or as another generation."""
        about = str(place.where)
        if place.ending is not None:
            if delivery.generation <= place.generation:
                self.history.broken("duplicate", about, f"it was handed out again after it was {place.ending}")
            return
        if not place.claims:
            return
        if not place.returned and now < place.until - ROUNDING_S:
            self.history.broken("duplicate", about, f"it was handed out again {place.until - now:.2f} s too early")
        # Whoever leaves after its lease had lapsed may have been given up before: then it counts as a loss.
        if delivery.losses - place.losses not in ((0, 1) if place.left_late else (not place.returned,)):
            self.history.broken("losses", about, f"{delivery.losses} losses were told, after {place.losses}")
        if delivery.note != place.note:
            self.history.broken("note", about, "it did not come back with the note that it was released with")

    def extended(self, tokens: Sequence[Token], lost: Sequence[Token], until: float) -> None:
        """Remember the new ends of leases."""
        gone = {id(token) for token in lost}
        self.steps += 1
        for token in tokens:
            claim = self._claims.get(id(token))
            if claim is not None and id(token) not in gone:
                claim.place.until = until

    def left(self, reader: Reader, taker: str) -> None:
        """Remember that what this member held came back; in `all`, also what a predecessor of its name held."""
        self.steps += 1
        self.history.note(taker, "left", reader[0])
        for where, place in self.places.items():
            mine = reader[1] is not None or place.taker == taker
            if mine and place.ending is None and (where.group, where.member) == reader:
                place.returned = True
                place.left_late = place.until <= self.history.time() + ROUNDING_S

    @property
    def acked(self) -> Mapping[Where, Place]:
        """The places that were last settled as acked."""
        return {where: place for where, place in self.places.items() if place.ending == "acked"}


class WitnessFeed(PassingFeed):
    """A feed under the witness's eyes."""

    def __init__(self, inner: Feed, witness: Witness, reader: Reader, taker: str) -> None:
        super().__init__(inner)
        self._witness = witness
        self._reader = reader
        self._taker = taker

    async def take(self, limit: int, lanes: Sequence[Lane]) -> Sequence[Delivery]:
        """Pass on, and judge what comes."""
        since = self._witness.history.time()
        deliveries = await self.inner.take(limit, lanes)
        self._witness.taken(self._reader, self._taker, since, deliveries)
        return deliveries

    async def extend(self, tokens: Sequence[Token], by_s: float) -> Sequence[Token]:
        """Pass on, and remember until when."""
        lost = await self.inner.extend(tokens, by_s)
        self._witness.extended(tokens, lost, self._witness.history.time() + by_s)
        return lost

    async def leave(self) -> None:
        """Pass on, and remember."""
        await self.inner.leave()
        self._witness.left(self._reader, self._taker)
