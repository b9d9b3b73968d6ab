"""What the looks of `vagus doctor` are given, and what they return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from vagus.app.app import App
from vagus.app.steering.wanted import Wanted
from vagus.backend import Capabilities, Catalogue, Figures, Record

Level: TypeAlias = Literal["problem", "remark"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was seen. A `problem` needs somebody; a `remark` is good to know.

    `subject`: the group, topic or system that it is about. `hint`: a command to copy, else what to do in words.
    """

    level: Level
    subject: str
    text: str
    hint: str = ""


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """All that was looked at; the looks read this and nothing else.

    `books`: by group. `open_letters`: how many dead letters wait, by group. `recent`: the newest events of each topic
    that has some. `wanted`: what is wanted of groups, other than to run. `now`: this machine's clock, in
    seconds since 1970. `app`: the code, with `--app`.
    """

    capabilities: Capabilities
    catalogue: Catalogue
    books: dict[str, Sequence[Figures]]
    open_letters: dict[str, int]
    recent: dict[str, Sequence[Record]]
    wanted: dict[str, Wanted]
    now: float
    app: App | None = None

    @property
    def shared(self) -> bool:
        """Whether the backend can be looked at from here; else only the code of its app can be."""
        return self.capabilities.shared
