"""The words of a history, and how they reach the disk: JSON lines, one file per process, synced before it goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

Blow: TypeAlias = Literal["kill", "stop", "restart"]
Outcome: TypeAlias = Literal["done", "failed", "cut"]


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """Every record says when (`t`, the machine's monotonic clock, the same for all processes) and by whom (`pid`)."""

    t: float
    pid: int


# --- of publishers -------------------------------------------------------------------------------------------------


class Intent(Base, frozen=True, tag="intent"):
    """An event is about to be published: from here on it may exist. `turn`: its place among those of its key."""

    id: str
    number: int
    key: str
    turn: int
    delay_s: float


class Confirmed(Base, frozen=True, tag="confirmed"):
    """`publish` returned: the event must never be lost."""

    id: str


class Unknown(Base, frozen=True, tag="unknown"):
    """`publish` raised: the event may have been stored or not, as after an intent that nothing follows."""

    id: str
    why: str


class Pulse(Base, frozen=True, tag="pulse"):
    """The run's own process stored something: begun at `since`, done at `t`. A slow one shows that nobody could."""

    since: float


# --- of handlers ---------------------------------------------------------------------------------------------------


class Begin(Base, frozen=True, tag="begin"):
    """A handler was given an event. `nonce` names this one handling."""

    id: str
    number: int
    key: str
    nonce: str
    member: str
    attempt: int
    losses: int


class End(Base, frozen=True, tag="end"):
    """A handling is over, but for its settling: `done`, `failed` on purpose, or `cut` (cancelled from outside)."""

    id: str
    nonce: str
    outcome: Outcome


class Effect(Base, frozen=True, tag="effect"):
    """The output of a handling arrived at the next handler: which event it came from, and which handling of it."""

    id: str
    nonce: str


class Pause(Base, frozen=True, tag="pause"):
    """A worker found out that it had not run from `since` to `t`."""

    since: float


# --- of the run ----------------------------------------------------------------------------------------------------


class Started(Base, frozen=True, tag="started"):
    """A process was started."""

    victim: int
    role: str


class Struck(Base, frozen=True, tag="struck"):
    """A process is about to be struck; a stopped one until `Healed`, a restarted one until it ended."""

    blow: Blow
    victim: int


class Healed(Base, frozen=True, tag="healed"):
    """A stopped process was let go on."""

    victim: int


class Fell(Base, frozen=True, tag="fell"):
    """A process ended that nobody had struck."""

    victim: int
    role: str
    code: int


class Drained(Base, frozen=True, tag="drained"):
    """Nothing was left to handle, as far as the books say; whether that is so, the checkers find out."""


class Letter(Base, frozen=True, tag="letter"):
    """A dead letter as it was found after the drain."""

    id: str
    reason: str


class Books(Base, frozen=True, tag="books"):
    """The books of a group as they stood after the drain."""

    group: str
    entered: int
    accounted: int
    acked: int
    dead: int
    left: int
    lost: int


Record: TypeAlias = (
    Intent
    | Confirmed
    | Unknown
    | Pulse
    | Begin
    | End
    | Effect
    | Pause
    | Started
    | Struck
    | Healed
    | Fell
    | Drained
    | Letter
    | Books
)

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_encoder = msgspec.json.Encoder()


class Recorder:
    """Writes records of this process; what `write` has returned for survives `kill -9` and a power cut."""

    def __init__(self, folder: Path) -> None:
        self.pid = os.getpid()
        self._file = os.open(folder / f"{self.pid}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    @staticmethod
    def now() -> float:
        """Return the time of a record made now."""
        return time.monotonic()

    def write(self, *records: Record) -> None:
        """Write all of `records` in one piece, and sync them."""
        os.write(self._file, _encoder.encode_lines(records))
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_records(folder: Path) -> list[Record]:
    """Return all that the processes of a run wrote, oldest first."""
    return sorted((record for path in folder.glob("*.jsonl") for record in _read(path)), key=_time)


def _read(path: Path) -> Iterator[Record]:
    """Yield the records of one file; a last line that a kill cut short was never finished, so it is none."""
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield _decoder.decode(line)


def _time(record: Record) -> float:
    return record.t
