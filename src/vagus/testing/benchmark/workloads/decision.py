"""What each pick takes to choose one of a hundred members: the code that a dispatcher runs, and nothing around it."""

from __future__ import annotations

import time
from functools import partial

from vagus.backend import Delivery
from vagus.delivery.pick import Candidate, PickEvent, Team, decide
from vagus.delivery.picks.text import parse_pick
from vagus.message import CloudEvent, Envelope
from vagus.testing.benchmark.lane import Sample, interleaved
from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.result.figure import percentile
from vagus.testing.benchmark.result.report import Row

DECISIONS = 10_000
MEMBERS = 100
PICKS = (
    "round_robin",
    "random(7)",
    "by_key",
    "by_label('lang')",
    "least_busy",
    "weighted",
    "when(\"data.lang == 'zh'\", lang='zh')",
)
_LANGUAGES = ("en", "zh")


def turns(plan: Plan) -> int:
    """Return how many rounds of lanes there are."""
    return len(PICKS) * plan.turns


def rows(plan: Plan) -> list[Row]:
    """Measure each pick, in turn with the others."""
    lanes = {text: partial(_chosen, text, plan.count(DECISIONS)) for text in PICKS}
    found = interleaved(lanes, plan.rounds, plan.tick)
    return [
        Row(f"{text.partition('(')[0]}, {share}", "us", {"vagus": spreads[text]})
        for text in lanes
        for share, spreads in found.items()
    ]


def _chosen(text: str, count: int) -> Sample:
    times_us = decided_us(text, count)
    return {"p50": percentile(times_us, 0.5), "p99": percentile(times_us, 0.99)}


def decided_us(text: str, count: int) -> list[float]:
    """Return the microseconds of `count` decisions; each is given out and settled a team's size later."""
    pick = parse_pick(text, None)
    team = Team(
        Candidate(f"m{number:03}", {"lang": _LANGUAGES[number % 2]}, weight=1 + number % 3) for number in range(MEMBERS)
    )
    given: list[Candidate] = []
    times = []
    for number in range(count):
        event = _event(number)
        begin = time.perf_counter()
        decision = decide(pick, event, team)
        times.append((time.perf_counter() - begin) * 1e6)
        member = getattr(decision, "member", team.members[0])
        member.outstanding += 1
        given.append(member)
        if number >= MEMBERS:
            given[number - MEMBERS].outstanding -= 1
    return times


def _event(number: int) -> PickEvent:
    made = CloudEvent(id=f"e{number}", source="bench", type="bench.pick", data={"lang": _LANGUAGES[number % 2]})
    delivery = Delivery("bench.pick", Envelope(b"{}"), number, number, f"k{number % 500}")
    return PickEvent(delivery, lambda _: made, "bench.pick")
