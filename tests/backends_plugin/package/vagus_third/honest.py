"""The honest one: what the memory backend does, under a scheme and flags of its own."""

import itertools
from urllib.parse import urlsplit

import msgspec

from vagus.backend import Capabilities
from vagus.backends.memory import Memory
from vagus.clock import Clock
from vagus.testing import Subject


class Third(Memory):
    """`third://NAME`; a lying descendant names the flags that it turns over."""

    turns_over: tuple[str, ...] = ()

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(f"memory://third-{urlsplit(url).netloc}", clock)

    async def open(self) -> Capabilities:
        true = await super().open()
        lies = {flag: not getattr(true, flag) for flag in self.turns_over}
        return msgspec.structs.replace(true, system="third", **lies)


_numbers = itertools.count(1)


def subject(url: str) -> Subject:
    """Tell the suite how to make a fresh place for each test."""
    return Subject(url=lambda: f"{url}{next(_numbers)}", lease_s=0.2, patience_s=3.0, siblings=True, turns_clock=True)
