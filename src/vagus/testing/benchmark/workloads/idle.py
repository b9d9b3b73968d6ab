"""W7: what workers cost while nothing happens: two topics, four members."""

from __future__ import annotations

from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.process import Crew, Process
from vagus.testing.benchmark.result.report import Row
from vagus.testing.benchmark.result.rows import single
from vagus.testing.benchmark.workloads.workload import Workload

MEMBERS = 4


def turns(plan: Plan) -> int:
    """There is nothing to repeat: the time is what makes the figure sure."""
    return 1


def run(plan: Plan) -> list[Row]:
    """Watch one process with four members, or, where processes can share it, two with two."""
    plan.tick("vagus")
    url = plan.ground.fresh()
    processes, groups = (2, 1) if plan.ground.shared else (1, 2)
    with Crew([Process("idle", url, str(groups), str(plan.idle_s)) for _ in range(processes)]) as crew:
        seen = crew.end(plan.idle_s)
    wakes = sum(one["wakes"] for one in seen)
    cpu_s = sum(one["cpu_s"] for one in seen)
    return [
        single("wake-ups a member", wakes / MEMBERS / plan.idle_s, "/s"),
        single("CPU of a worker", cpu_s / len(seen) / plan.idle_s * 100, "%"),
        single("CPU of all workers", cpu_s, "s"),
    ]


WORKLOAD = Workload(
    id="W7",
    title="idle workers",
    run=run,
    turns=turns,
    notes=("Wake-ups are the voluntary context switches of all threads, as the kernel counts them.",),
)
