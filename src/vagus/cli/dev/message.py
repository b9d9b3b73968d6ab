"""What a process of the app under `vagus dev` tells the one that started it: JSON lines over a socket of their own.

In the other direction travels one line, `GO`: begin to work. That the socket ends means: end.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

GO = b"go\n"


class Imported(msgspec.Struct, frozen=True, tag_field="kind", tag="imported"):
    """The code was imported. `in_turn`: why it must not be open beside the process before it; empty: it may."""

    pid: int
    app: str
    url: str
    groups: list[str]
    grace_s: float
    in_turn: str = ""


class Working(msgspec.Struct, frozen=True, tag_field="kind", tag="working"):
    """It handles events from now on. `shared`: whether other processes can publish to its backend."""

    pid: int
    app: str
    url: str
    groups: list[str]
    shared: bool
    instead_of: int | None = None


class Failed(msgspec.Struct, frozen=True, tag_field="kind", tag="failed"):
    """It cannot start. `while_importing`: the code itself failed, so that saving it again may mend it."""

    pid: int
    what: str
    where: str
    hint: str
    code: str
    exit_code: int
    while_importing: bool


class Handled(msgspec.Struct, frozen=True, tag_field="kind", tag="handled"):
    """An attempt is over; see `vagus.app.work.handling.Handling`. `at`: seconds since 1970. `data`: JSON, shortened."""

    at: float
    pid: int
    topic: str
    key: str | None
    data: str
    group: str
    attempt: int
    came: str
    ms: float
    after_s: float = 0.0
    error: str = ""
    outputs: tuple[str, ...] = ()
    run: str = ""
    event: str = ""


class Missed(msgspec.Struct, frozen=True, tag_field="kind", tag="missed"):
    """So many attempts were not told, because nobody read fast enough. They were handled all the same."""

    count: int


class Stopped(msgspec.Struct, frozen=True, tag_field="kind", tag="stopped"):
    """It has finished what it could and handed back the rest."""

    pid: int
    handled: int
    failed: int
    handed_back: int


Message: TypeAlias = Imported | Working | Failed | Handled | Missed | Stopped
"""Whatever may be told."""
