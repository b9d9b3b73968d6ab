"""What a run is to do, decided before it begins: which events, what befalls each handling, which limits are judged."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Fate: TypeAlias = Literal["fine", "error", "later", "poison"]
"""What a handler does with an event on purpose: handle it, fail once, ask for it later once, fail every time."""


class Task(msgspec.Struct, frozen=True):
    """One event of a run: everything about it follows from its number.

    `turn`: its place among the events of its key. `delay_s`: published for that much later, 0 for at once.
    """

    number: int
    key: str
    turn: int
    delay_s: float
    fate: Fate


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The size of a run and its limits; durations in seconds.

    `events` are published over `publish_s`, in batches; a key has `per_key` of them, and `keys_at_once` keys are
    alive at a time. `workers` handle them, each taking `work_s`, in `threads` or not. Faults strike every `every_s`
    for `faults_s`; a stopped process stays so for `lease_s` and up to `over_s` more. `drain_s`: how long all may take
    after the last fault. `attempts`, `floor_s`, `later_s`: how often a failing event is tried, and the least wait
    before it is again.
    """

    seed: int = 1
    workers: int = 4
    events: int = 20_000
    per_key: int = 8
    keys_at_once: int = 400
    publish_s: float = 45.0
    batch: int = 40
    concurrency: int = 10
    work_s: float = 0.04
    threads: bool = False
    lease_s: float = 2.0
    grace_s: float = 2.0
    attempts: int = 3
    floor_s: float = 0.3
    cap_s: float = 0.6
    later_s: float = 0.5
    faults_s: float = 60.0
    every_s: float = 1.0
    over_s: float = 1.5
    drain_s: float = 60.0

    def task(self, number: int) -> Task:
        """Return the event with that number (from 0)."""
        block, place = divmod(number, self.keys_at_once * self.per_key)
        turn, key = divmod(place, self.keys_at_once)
        delay_s = 0.5 + number % 7 * 0.4 if number % 17 == 5 else 0.0
        return Task(number, f"k{block * self.keys_at_once + key}", turn, delay_s, fate_of(number))


def fate_of(number: int) -> Fate:
    """Return what is to befall the handling of an event: one in nine fails, a few of those every time."""
    if number % 499 == 11:
        return "poison"
    if number % 47 == 7:
        return "later"
    return "error" if number % 11 == 3 else "fine"
