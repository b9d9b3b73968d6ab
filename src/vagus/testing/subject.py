"""What the conformance suite must be told about a backend: how to reach it, and how to look behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Witness(Protocol):
    """The two raw hooks: append and read without our code, so that the suite does not take our word for it."""

    def append(self, url: str, topic: str, body: bytes, age_s: float = 0.0) -> None:
        """Store `body` as the next event of `topic`, the way a foreign program would; the topic is declared.

        `age_s`: stored as if that many seconds ago, and not before what is there already.
        """

    def read(self, url: str, topic: str) -> Sequence[bytes]:
        """Return the bodies that `topic` keeps, oldest first."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A backend as the suite sees it.

    `url` is called once for each test. `expected`: flags of `Capabilities` that it must declare with that value.
    `lease_s`: the shortest lease, in seconds, at which the system behaves well; many tests wait that long.
    `patience_s`: how long, in seconds, an event that must come may take to come before the test fails.
    `siblings`: a second backend object of this process, on the same URL, sees the same events (None: as `shared`
    says). `turns_clock`: it takes the time from the clock that it is given, so that days can pass at once.
    """

    url: Callable[[], str]
    witness: Witness | None = None
    expected: Mapping[str, bool] = field(default_factory=dict)
    lease_s: float = 0.5
    patience_s: float = 10.0
    siblings: bool | None = None
    turns_clock: bool = False


class SubjectFactory(Protocol):
    """What an entry point of the group `vagus.subjects` names, under the scheme of its URLs."""

    def __call__(self, url: str) -> Subject:
        """Return the subject for the URL that the user named."""
