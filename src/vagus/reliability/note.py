"""What is kept with a held event between its attempts: how often it failed, of what, since when."""

from __future__ import annotations

from typing import Final

import msgspec

ERRORS_KEPT: Final = 5
KINDS_KEPT: Final = 16
DEATHS_KEPT: Final = 20
MESSAGE_CHARS: Final = 500
OTHER_KINDS: Final = "(other)"


class Failure(msgspec.Struct, frozen=True):
    """One failure: the kind of error, its message (at most 500 characters), and when (seconds since 1970)."""

    kind: str
    message: str
    at: float


class Death(msgspec.Struct, frozen=True):
    """An earlier end of the same event in the dead letters, from which it was redriven."""

    group: str
    reason: str
    at: float
    generation: int


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened to a held event so far. An empty one means: nothing yet.

    `failures`: how often the handler failed, signals to retry later included, unless free. `by_kind`: the same by
    kind of error (the first 16 kinds, the others together). `by_policy`: the attempts that each retry policy has
    spent, by its label. `blocked`: how often in a row an output was refused. `steps`: how often it was released
    with a new note; it never repeats, so an internal put can carry it in its dedupe. `first_at`, `last_at`: times of
    the first and the last failure, in seconds since 1970. `errors`: the last five failures. `deaths`: earlier dead
    letters of the event in this group, and `origin`: the topic and position that it had before the first of them.
    `unreadable`: an older note was there and could not be read; counting began anew. `moves`: how often a dispatcher
    moved the event from inbox to inbox, and `page`: where its settling is told to the dispatcher (0: nowhere).
    """

    failures: int = 0
    by_kind: dict[str, int] = msgspec.field(default_factory=dict)
    by_policy: dict[str, int] = msgspec.field(default_factory=dict)
    blocked: int = 0
    steps: int = 0
    first_at: float | None = None
    last_at: float | None = None
    errors: tuple[Failure, ...] = ()
    deaths: tuple[Death, ...] = ()
    origin: tuple[str, int | str] | None = None
    unreadable: bool = False
    moves: int = 0
    page: int = 0

    def spent(self, policy: str) -> int:
        """Return how many attempts the policy of that label has spent."""
        return self.by_policy.get(policy, 0)

    def failed(self, kind: str, message: str, now: float, policy: str | None) -> Note:
        """Return the note after one more failure of the handler, charged to the policy of that label."""
        kind = clipped(kind)
        charged = self.by_policy if policy is None else {**self.by_policy, policy: self.spent(policy) + 1}
        failure = Failure(kind, clipped(message), now)
        return msgspec.structs.replace(
            self,
            failures=self.failures + 1,
            by_kind=_counted(self.by_kind, kind),
            by_policy=charged,
            blocked=0,
            steps=self.steps + 1,
            first_at=now if self.first_at is None else self.first_at,
            last_at=now,
            errors=(*self.errors, failure)[-ERRORS_KEPT:],
        )

    def refused(self) -> Note:
        """Return the note after an output was refused: no failure, but a longer wait each time in a row."""
        return msgspec.structs.replace(self, blocked=self.blocked + 1, steps=self.steps + 1)

    def moved(self, origin: tuple[str, int | str], page: int) -> Note:
        """Return the note of an event that is moved to an inbox; `origin` counts where none is known yet."""
        return msgspec.structs.replace(self, moves=self.moves + 1, page=page, origin=self.origin or origin)

    def postponed(self, now: float) -> Note:
        """Return the note after a free wait: no failure, but the total time runs from here if not before."""
        first = now if self.first_at is None else self.first_at
        return msgspec.structs.replace(self, blocked=0, steps=self.steps + 1, first_at=first)


def encode_note(note: Note) -> bytes:
    """Return the note as bytes; nothing happened is `b""`."""
    return b"" if note == EMPTY else _ENCODER.encode(note)


def decode_note(body: bytes) -> Note:
    """Return the note of `body`; one that cannot be read counts as empty, marked `unreadable`, and never raises."""
    if not body:
        return EMPTY
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Note(unreadable=True)


def clipped(text: str, limit: int = MESSAGE_CHARS) -> str:
    """Return `text` with at most `limit` characters, its end marked when cut, and half characters replaced."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut.encode("utf-8", "replace").decode("utf-8")


def _counted(counts: dict[str, int], name: str) -> dict[str, int]:
    # Bounded: a handler that makes up error classes must not make the note grow with each attempt.
    slot = name if name in counts or len(counts) < KINDS_KEPT else OTHER_KINDS
    return {**counts, slot: counts.get(slot, 0) + 1}


EMPTY: Final = Note()
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Note)
