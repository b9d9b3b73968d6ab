"""Runs workloads on systems, one after the other, and holds what they find to the bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vagus.errors import InvalidArgument
from vagus.testing.benchmark.ground import DEFAULT_URLS, Ground, ground_of
from vagus.testing.benchmark.lane import Tick
from vagus.testing.benchmark.machine import facts_of_disk, facts_of_machine
from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.result.bar import judged
from vagus.testing.benchmark.result.report import Findings, Report
from vagus.testing.benchmark.workloads.catalogue import LEFT_OUT, WORKLOADS
from vagus.testing.benchmark.workloads.workload import Workload


class Audience(Protocol):
    """Who watches a run."""

    def facts(self, facts: dict[str, str]) -> None:
        """The machine and its settings are known."""

    def begin(self, workload: str, system: str, turns: int) -> Tick:
        """A workload begins, in so many turns; return what is to be told of each."""

    def found(self, findings: Findings) -> None:
        """A workload is done."""


class Wish:
    """What a run is asked for.

    `urls`: systems, by default memory and a SQLite file beside `vagus.db`. `workloads`: names, by default all.
    `rounds`: of each lane, after a warm-up. `events`: events a round. See `Plan` for the rest.
    """

    def __init__(
        self,
        urls: Sequence[str] = (),
        workloads: Sequence[str] = (),
        *,
        rounds: int = 5,
        events: int | None = None,
        idle_s: float = 60.0,
        large: bool = False,
    ) -> None:
        self.urls = tuple(urls) or DEFAULT_URLS
        self.workloads = tuple(name.upper() for name in workloads) or (*WORKLOADS, *LEFT_OUT)
        self.rounds = rounds
        self.events = events
        self.idle_s = idle_s
        self.large = large
        unknown = [name for name in self.workloads if name not in {**WORKLOADS, **LEFT_OUT}]
        if unknown:
            known = ", ".join(sorted({**WORKLOADS, **LEFT_OUT}, key=_number))
            raise InvalidArgument(f"there is no workload {unknown[0]!r}: expected one of {known}")

    def plan(self, ground: Ground, tick: Tick, commit_ms: float) -> Plan:
        """Return the plan of one workload on one ground."""
        return Plan(
            ground=ground,
            rounds=self.rounds,
            tick=tick,
            events=self.events,
            idle_s=self.idle_s,
            large=self.large,
            commit_ms=commit_ms,
        )


def run(wish: Wish, audience: Audience) -> Report:
    """Measure, telling `audience` as it goes; return everything.

    Not to be called while an event loop runs in this thread. Raises `InvalidArgument` for a URL that has no
    benchmark, and what its backend raises when it cannot be opened.
    """
    facts = facts_of_machine()
    audience.facts(facts)
    found: list[Findings] = []
    for url in wish.urls:
        with ground_of(url) as ground:
            more, commit_ms = facts_of_disk(ground)
            facts |= more
            if more:
                audience.facts(more)
            found += _on(ground, commit_ms, wish, audience, first=url == wish.urls[0])
    return Report(facts, tuple(found))


def _on(ground: Ground, commit_ms: float, wish: Wish, audience: Audience, *, first: bool) -> list[Findings]:
    found = []
    for name in sorted(wish.workloads, key=_number):
        workload = WORKLOADS.get(name)
        if not first and (workload is None or not workload.everywhere):
            continue
        if workload is None:
            findings = Findings(name, "left out", "", (), (LEFT_OUT[name],))
        else:
            findings = _one(workload, ground, commit_ms, wish, audience)
        audience.found(findings)
        found.append(findings)
    return found


def _one(workload: Workload, ground: Ground, commit_ms: float, wish: Wish, audience: Audience) -> Findings:
    system = ground.system if workload.everywhere else ""
    counted = wish.plan(ground, _nobody, commit_ms)
    tick = audience.begin(f"{workload.id} {workload.title}", system, workload.turns(counted))
    rows = workload.run(wish.plan(ground, tick, commit_ms))
    judgement = tuple(judged(workload.id, system, row, commit_ms) for row in rows)
    return Findings(workload.id, workload.title, system, judgement, workload.notes)


def _nobody(lane: str) -> None:
    return None


def _number(name: str) -> int:
    return int(name[1:])
