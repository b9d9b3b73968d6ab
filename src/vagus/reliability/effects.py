"""Was this event handled before? The record that makes an effect happen once: claim, handle, complete (G12).

Rules:
1. To ask records nothing. Only a completed attempt marks an event as done; a failed one lets its claim go.
2. A claim names the place that its event was delivered from. One place is in one member's hands at a time (the lease
   sees to that), so whoever comes from the same place goes on where the last holder was lost; another copy waits.
3. The mark travels in the unit that stores the outputs and settles the delivery, under the version of the claim.

    key absent        nobody has it            claim it, at version 0
    claimed, here     its holder was lost      claim it anew, at the version that was seen
    claimed elsewhere another copy is at work   wait
    done              it was completed         acknowledge without handling

An identity counts the generation, so that what is deliberately sent again is handled again. A *named* effect does not:
a payment that was taken is not taken again because somebody redrives what came after it.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from vagus.message.ident import derived_id
from vagus.reliability.dedupe import published
from vagus.store import Change, Value

KEEP_S: Final = 7 * 86_400.0
"""How long it is remembered that an event was handled, in seconds, unless told otherwise."""


class Identity(msgspec.Struct, frozen=True):
    """What an effect is counted by; `member` in an `all` group only."""

    group: str
    member: str | None
    source: str
    id: str
    generation: int

    @property
    def key(self) -> str:
        """The key of the record; it sorts by time within its group, where ids do."""
        return f"effect/{self._who}/{published(self.source, self.id, self.generation)}"

    @property
    def _who(self) -> str:
        # Group names hold no slash, and member names are one word.
        return f"{self.group}/{self.member or ''}"

    def named(self, name: str) -> str:
        """Return the key under which the result of the effect called `name` is recorded, for all generations."""
        return f"once/{self._who}/{published(self.source, self.id)}/{name}"

    def external(self, name: str) -> str:
        """Return an id for the effect called `name` that an outside API can tell a repetition by."""
        scope = f"$effect.{len(self.group)}.{len(self.source)}.{self.group}{self.source}{name}"
        return derived_id(self.id, 0, scope, self.member, 0)


class Record(msgspec.Struct, frozen=True):
    """What stands under an identity's key: claimed from `place`, or done."""

    state: Literal["claimed", "done"]
    place: str = ""


class Free(msgspec.Struct, frozen=True):
    """Nobody has the event, or its holder was lost: claim it at `version`."""

    version: int


class Handled(msgspec.Struct, frozen=True):
    """The event was completed: acknowledge it without handling."""


class Busy(msgspec.Struct, frozen=True):
    """Another copy of the event is being handled: look again later."""


Standing: TypeAlias = Free | Handled | Busy

HANDLED: Final = Handled()
BUSY: Final = Busy()


def judge(value: Value | None, place: str) -> Standing:
    """Return how an event that was delivered from `place` stands, by the value under its key."""
    if value is None:
        return Free(0)
    record = msgspec.msgpack.decode(value.body, type=Record)
    if record.state == "done":
        return HANDLED
    return Free(value.version) if record.place == place else BUSY


def claim(identity: Identity, place: str, version: int, keep_s: float) -> Change:
    """Return the change that claims an event seen at `version`; who loses the race looks again."""
    return Change(identity.key, _encode(Record("claimed", place)), expect=version, ttl_s=keep_s)


def complete(identity: Identity, version: int, keep_s: float) -> Change:
    """Return the change that marks an event as done; `version` is that of the claim."""
    return Change(identity.key, _encode(Record("done")), expect=version, ttl_s=keep_s)


def let_go(identity: Identity, version: int) -> Change:
    """Return the change that gives up the claim of an attempt that failed, to travel with whatever settles it."""
    return Change(identity.key, None, expect=version, required=False)


_encode = msgspec.msgpack.encode
