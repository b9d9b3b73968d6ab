"""What can be steered, what may be wanted of it, and under which key of the store that stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from vagus.store import Append, Change, Store

Kind: TypeAlias = Literal["group", "backlog", "run", "member"]

PREFIX = "wanted/"
"""Every key of the store that says what is wanted starts so."""


FINAL = frozenset({("run", "cancelled")})
"""What is never left again."""


class Subject(msgspec.Struct, frozen=True):
    """What is steered: a group by its full name, its backlog up to some moment, a run by its id, or one `member`."""

    kind: Kind
    name: str
    member: str = ""

    @property
    def key(self) -> str:
        """Where it stands in the store."""
        tail = f"/{self.member}" if self.member else ""
        return f"{PREFIX}{self.kind}/{self.name}{tail}"

    def __str__(self) -> str:
        """Return what to call it in a sentence."""
        if self.kind == "backlog":
            return f"backlog of group {self.name}"
        return f"member {self.member} of group {self.name}" if self.member else f"{self.kind} {self.name}"


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wanted of a subject; where nothing is kept, it is to run.

    `state`: a word such as "paused", "draining", "cancelled". `since`: seconds since 1970, by the clock of `who`
    (user@host/pid). `facts`: what belongs to the state.
    """

    state: str
    since: float
    who: str
    why: str = ""
    facts: dict[str, Any] = msgspec.field(default_factory=dict)


async def wanted_of_groups(store: Store | None, groups: Sequence[str]) -> dict[str, Wanted]:
    """Return what is wanted of those of `groups` that are not simply to run, as it stands in the store."""
    values = [] if store is None else await store.get([Subject("group", name).key for name in groups])
    found = {name: value.body for name, value in zip(groups, values, strict=False) if value is not None}
    return {name: msgspec.json.decode(body, type=Wanted) for name, body in found.items()}


class Changed(msgspec.Struct, frozen=True):
    """What a change found and what it left; both None: it was running, and is."""

    before: Wanted | None
    after: Wanted | None

    @property
    def anything(self) -> bool:
        """Whether it made a difference."""
        return self.before != self.after


class Changes(Protocol):
    """Who carries out a change of what is wanted: the board."""

    async def change(
        self,
        action: str,
        subject: Subject,
        state: str | None,
        *,
        why: str = "",
        facts: dict[str, Any] | None = None,
        ttl_s: float | None = None,
        more: Sequence[Change | Append] = (),
    ) -> Changed:
        """Let `state` be wanted of `subject`, and tell everybody; return what was and what is."""
