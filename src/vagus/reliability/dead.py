"""What a dead letter holds, and which letters are open: the fold of letters and marks on `$dead.GROUP`.

Both are CloudEvents in structured JSON, whatever the topic's own wire is, so that plain tools can read them: a letter
has the type `vagus.dead_letter`, a mark `vagus.dead_letter.redriven`, `.edited` or `.discarded`. The original bytes
and headers are in the letter untouched (base64 in JSON). A letter is open until it is redriven or discarded; a
redriven event that dies again is another letter, of the next generation, that tells of the earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

import msgspec

from vagus.backend import Dead, Delivery, Entry, Position, Put, Record
from vagus.errors import InvalidArgument
from vagus.message.envelope import CloudEvent, Envelope, reader_class
from vagus.message.ident import foreign_id
from vagus.message.instant import instant_text
from vagus.message.topic import check_pattern, matches
from vagus.reliability.dedupe import letter_id, mark_id
from vagus.reliability.note import Death, Failure, clipped
from vagus.reliability.verdict import GiveUp

LETTER_TYPE: Final = "vagus.dead_letter"
ERROR_CHARS: Final = 2_000

Change: TypeAlias = Literal["redriven", "edited", "discarded"]
Standing: TypeAlias = Literal["open", "redriven", "discarded"]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a group gave up on, with all that is needed to see why and to send it again.

    `topic`, `position`: where the event was first published. `reason` is one of `verdict.Reason`, or one of a newer
    release. `attempts`: how often the handler failed; `losses`: how often the worker was lost with it. Times are
    seconds since 1970. `errors`: the last five failures. `history`: earlier deaths of the event in this group,
    oldest first. `event_type` and `event_source` are None when the event could not be decoded.
    """

    id: str
    group: str
    member: str | None = None
    topic: str
    position: Position
    key: str | None = None
    lane: int = 0
    generation: int = 0
    event_id: str
    event_source: str | None = None
    event_type: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None
    reason: str
    error_kind: str
    error_message: str
    stack: str = ""
    attempts: int = 0
    attempts_by_kind: dict[str, int] = msgspec.field(default_factory=dict)
    losses: int = 0
    first_failed_at: float | None = None
    last_failed_at: float | None = None
    died_at: float
    errors: tuple[Failure, ...] = ()
    history: tuple[Death, ...] = ()
    body: bytes
    content_type: str
    headers: dict[str, str] | None = None

    @property
    def envelope(self) -> Envelope:
        """The event as it was, to be sent again."""
        return Envelope(self.body, self.content_type, self.headers)

    @property
    def death(self) -> Death:
        """What a later letter of the same event remembers of this one."""
        return Death(self.group, self.reason, self.died_at, self.generation)


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to the letter with the id `letter`: when (seconds since 1970), by whom (free text).

    An edit carries the new bytes; a redrive the `generation` that it started.
    """

    change: Change
    letter: str
    at: float
    by: str = ""
    generation: int | None = None
    body: bytes = b""
    content_type: str = ""
    headers: dict[str, str] | None = None
    number: int = 0


class LetterState(msgspec.Struct, frozen=True):
    """A letter as it stands: with its edits, what became of it, and the newest mark on it."""

    letter: DeadLetter
    standing: Standing = "open"
    edits: int = 0
    mark: Mark | None = None


class DeadFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters are meant: those that meet all conditions that are given; none given means all.

    `reasons`; `kinds` of error, with or without their module; `types` of event, patterns allowed; `older_than_s`:
    died at least that many seconds ago; `ids` of letters or of events; `members` of an `all` group.
    """

    reasons: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()
    older_than_s: float | None = None

    def __post_init__(self) -> None:
        if self.older_than_s is not None and not self.older_than_s >= 0:
            raise InvalidArgument(f"expected older_than_s in seconds, 0 or more, got {self.older_than_s!r}")
        for name in ("reasons", "kinds", "types", "ids", "members"):
            # A plain string would be read as the set of its letters, and mean nothing without a word.
            if not isinstance(value := getattr(self, name), frozenset):
                raise InvalidArgument(f"expected {name} as a set of names (a frozenset), got {value!r}")
        for pattern in self.types:
            check_pattern(pattern)

    def matches(self, letter: DeadLetter, now: float) -> bool:
        """Whether `letter` is meant; `now` in seconds since 1970."""
        kind = letter.error_kind
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.kinds or kind in self.kinds or kind.rpartition(".")[2] in self.kinds)
            and (not self.types or any(matches(pattern, letter.event_type or "") for pattern in self.types))
            and (not self.ids or letter.id in self.ids or letter.event_id in self.ids)
            and (not self.members or letter.member in self.members)
            and (self.older_than_s is None or now - letter.died_at >= self.older_than_s)
        )


def bury(
    verdict: GiveUp, delivery: Delivery, group: str, member: str | None, event: CloudEvent | None, now: float
) -> DeadLetter:
    """Return the dead letter of a delivery that `group` gives up on.

    `member` in an `all` group only; `event` is None where it could not be decoded. Doing it again for the same
    delivery gives the same id, so a repeated put is a duplicate.
    """
    note, origin = verdict.note, delivery.envelope
    topic, position = note.origin or (delivery.topic, delivery.position)
    event_id = event.id if event else foreign_id(topic, position, origin.body)
    return DeadLetter(
        id=letter_id(event_id, delivery.generation, group, member, topic, position),
        group=group,
        member=member,
        topic=topic,
        position=position,
        key=delivery.key,
        lane=delivery.lane,
        generation=delivery.generation,
        event_id=event_id,
        event_source=event.source if event else None,
        event_type=event.type if event else None,
        correlation_id=event.correlationid if event else None,
        causation_id=event.causationid if event else None,
        traceparent=event.traceparent if event else None,
        reason=verdict.reason,
        error_kind=clipped(verdict.kind),
        error_message=clipped(verdict.message, ERROR_CHARS),
        stack=clipped(verdict.stack, len(verdict.stack)),
        attempts=note.failures,
        attempts_by_kind=note.by_kind,
        losses=delivery.losses,
        first_failed_at=note.first_at,
        last_failed_at=note.last_at,
        died_at=now,
        errors=note.errors,
        history=note.deaths,
        body=origin.body,
        content_type=origin.content_type,
        headers=origin.headers,
    )


def letter_put(letter: DeadLetter) -> Put:
    """Return the put that stores a letter; it is to be confirmed before the delivery is settled as dead."""
    body = _encode(letter.id, LETTER_TYPE, letter, letter, letter.died_at)
    target = Dead(letter.group, letter.member)
    return Put(target, Envelope(body), dedupe=letter.id, generation=letter.generation)


def mark_put(letter: DeadLetter, mark: Mark) -> Put:
    """Return the put that stores a mark on `letter`; a discard is counted in the group's books as it is stored."""
    id = mark_id(letter.id, mark.change, mark.number)
    body = _encode(id, f"{LETTER_TYPE}.{mark.change}", mark, letter, mark.at)
    entry: Entry = "discarded" if mark.change == "discarded" else "new"
    return Put(Dead(letter.group, letter.member), Envelope(body), dedupe=id, entry=entry)


def read_entry(envelope: Envelope) -> DeadLetter | Mark | None:
    """Return the letter or mark that a record of `$dead.GROUP` holds; None for anything else, and never raises."""
    try:
        event = _HEAD.decode(envelope.body)
        if event.type == LETTER_TYPE:
            return _LETTER.decode(event.data)
        if event.type.startswith(LETTER_TYPE + "."):
            return _MARK.decode(event.data)
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError):
        return None
    return None


def fold(entries: Iterable[DeadLetter | Mark]) -> dict[str, LetterState]:
    """Return every letter by its id as it stands after `entries`, oldest first.

    A letter that is stored twice counts once. A mark on a letter that is not open, or no longer kept, changes
    nothing, so that repeating one is harmless.
    """
    states: dict[str, LetterState] = {}
    for entry in entries:
        if isinstance(entry, DeadLetter):
            states.setdefault(entry.id, LetterState(entry))
        elif (state := states.get(entry.letter)) and state.standing == "open":
            states[entry.letter] = _marked(state, entry)
    return states


def open_letters(records: Iterable[Record]) -> dict[str, LetterState]:
    """Return the open letters by id among the records of one `$dead.GROUP`, oldest first; foreign ones are ignored."""
    entries = (entry for record in records if (entry := read_entry(record.envelope)) is not None)
    return {id: state for id, state in fold(entries).items() if state.standing == "open"}


def _marked(state: LetterState, mark: Mark) -> LetterState:
    if mark.change != "edited":
        return LetterState(state.letter, mark.change, state.edits, mark)
    letter = msgspec.structs.replace(state.letter, body=mark.body, content_type=mark.content_type, headers=mark.headers)
    return LetterState(letter, "open", state.edits + 1, mark)


def _encode(id: str, type: str, data: object, letter: DeadLetter, at: float) -> bytes:
    event = CloudEvent(
        id=id,
        source=f"vagus/{letter.group}",
        type=type,
        time=instant_text(at),
        correlationid=letter.correlation_id,
        causationid=letter.event_id,
        partitionkey=letter.key,
        traceparent=letter.traceparent,
        data=data,
    )
    return msgspec.json.encode(event)


_HEAD: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(reader_class(msgspec.Raw))
_LETTER: Final = msgspec.json.Decoder(DeadLetter)
_MARK: Final = msgspec.json.Decoder(Mark)
