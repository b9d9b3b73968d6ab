"""Which member gets an event: what a pick is given, what it answers, and what is made of the answer.

A pick chooses among the members that are there: `choose(event, members)` returns one of them, its name, or None where
it matches nobody. It waits for nothing, and a member without credit left is still among them: an event that is for
such a member waits until it has some. The user's own pick may be any object with `choose`, or with `apply(event)` alone
(the members are `event.members`). The picks that come with vagus are in `picks/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from vagus.backend import Delivery
from vagus.errors import EventError, PickFailed
from vagus.message import CloudEvent, extensions


class Candidate(msgspec.Struct, eq=False):
    """A member that may be chosen.

    `labels`: what it says of itself (`App(labels=…)`). `weight`: its share, 1 or more. `credit`: how many events it may
    have at once. `outstanding`: how many it was given and has not settled yet, as far as is known.
    """

    name: str
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    weight: int = 1
    credit: int = 1_000
    outstanding: int = 0

    @property
    def free(self) -> int:
        """How many events it may be given now; 0 or less: none."""
        return self.credit - self.outstanding

    @property
    def load(self) -> float:
        """What it has to do, by its weight."""
        return self.outstanding / self.weight


class PickEvent:
    """An event as a pick sees it; it is decoded when something is asked that only its bytes tell.

    `topic` (without the namespace), `key`, `generation`, `members`; and by decoding `id`, `type`, `source`, `subject`,
    `time`, `run`, `priority`, `data` (plain values, as JSON has them) and `extensions`.
    """

    __slots__ = ("_delivery", "_event", "_read", "broken", "members", "topic")

    def __init__(
        self,
        delivery: Delivery,
        read: Callable[[Delivery], CloudEvent],
        topic: str,
        members: Sequence[Candidate] = (),
    ) -> None:
        self.topic = topic
        self.members = members
        self._delivery = delivery
        self._read = read
        self._event: CloudEvent | None = None
        self.broken = False

    @property
    def event(self) -> CloudEvent:
        """The CloudEvent with all its attributes. Raises `EventError` for bytes that are none."""
        if self._event is None:
            try:
                self._event = self._read(self._delivery)
            except EventError:
                self.broken = True
                raise
        return self._event

    @property
    def key(self) -> str | None:
        """What it is ordered by."""
        return self._delivery.key

    @property
    def generation(self) -> int:
        """How often it was deliberately sent again."""
        return self._delivery.generation

    @property
    def id(self) -> str:
        """Its id."""
        return self.event.id

    @property
    def type(self) -> str:
        """Its type."""
        return self.event.type

    @property
    def source(self) -> str:
        """Who published it."""
        return self.event.source

    @property
    def subject(self) -> str | None:
        """What it is about, where its producer says so."""
        return self.event.subject

    @property
    def time(self) -> str | None:
        """When it was published, as RFC 3339 text."""
        return self.event.time

    @property
    def run(self) -> str:
        """The run that it belongs to."""
        return self.event.correlationid or self.event.id

    @property
    def priority(self) -> int | None:
        """Its priority, where its topic has some."""
        return self.event.vaguspriority

    @property
    def data(self) -> Any:
        """Its data as plain values."""
        return self.event.data

    @property
    def extensions(self) -> Mapping[str, Any]:
        """Attributes that other people's producers added."""
        return extensions(self._delivery.envelope)

    def get(self, name: str) -> Any:
        """Return what it has under a name of `expression.NAMES`."""
        return getattr(self, name)


Answer: TypeAlias = Candidate | str | None
"""A member, its name, or None for nobody."""


class Pick(Protocol):
    """What chooses. `text` is its form in writing, which a backend keeps and every member can read."""

    @property
    def text(self) -> str:
        """The pick in writing."""

    @property
    def mark(self) -> str:
        """How far it has come, such as whose turn was last; handed to the next dispatcher."""

    def recall(self, mark: str) -> None:
        """Go on from `mark`; one that means nothing here changes nothing."""

    def choose(self, event: PickEvent, members: Sequence[Candidate]) -> Answer:
        """Return the member that gets `event`; `members` are in order of their names, and are never none."""


class Team:
    """The members that a pick chooses among; made anew when one comes or goes."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self.members = tuple(sorted(candidates, key=lambda candidate: candidate.name))
        self.by_name = {candidate.name: candidate for candidate in self.members}


class Given(msgspec.Struct, frozen=True):
    """The event is for this member, which has credit."""

    member: Candidate


class Waits(msgspec.Struct, frozen=True):
    """The event waits: nobody matches it, or who does has no credit left."""

    why: Literal["unmatched", "credit"]


class Failed(msgspec.Struct, frozen=True):
    """The pick raised, or answered what is no member; the event waits."""

    error: PickFailed


Decision: TypeAlias = Given | Waits | Failed

UNMATCHED = Waits("unmatched")
NO_CREDIT = Waits("credit")


def decide(pick: Pick, event: PickEvent, team: Team) -> Decision:
    """Return what is to become of an event that `pick` chooses a member for."""
    if not team.members:
        return UNMATCHED
    try:
        answer = pick.choose(event, team.members)
    except Exception as error:  # whatever code of the user's raises
        if event.broken:
            return _anybody(team)
        failed = PickFailed(f"pick {pick.text} failed on an event of topic {event.topic!r}: {_named(error)}")
        failed.__cause__ = error
        return Failed(failed)
    if answer is None:
        return UNMATCHED
    found = team.by_name.get(answer if isinstance(answer, str) else getattr(answer, "name", ""))
    if found is None:
        return Failed(_nonsense(pick, answer, team))
    return Given(found) if found.free > 0 else NO_CREDIT


def _anybody(team: Team) -> Decision:
    """Give an event that nobody can read to whoever is least busy: there it becomes a dead letter, as it has to."""
    member = min(team.members, key=lambda candidate: candidate.load)
    return Given(member) if member.free > 0 else NO_CREDIT


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _nonsense(pick: Pick, answer: object, team: Team) -> PickFailed:
    there = ", ".join(team.by_name)
    return PickFailed(
        f"pick {pick.text} answered {answer!r}: expected one of event.members, a name of theirs ({there}), or None",
        hint="let choose or apply return a member that is there",
    )
