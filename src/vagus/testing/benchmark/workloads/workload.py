"""What a workload is to the run: its name, on which systems it can be measured, how much there is to do, the doing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.result.report import Row


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """One workload. `turns` says how often `run` will tick; `everywhere` is False where the system plays no part."""

    id: str
    title: str
    run: Callable[[Plan], Sequence[Row]]
    turns: Callable[[Plan], int]
    notes: tuple[str, ...] = ()
    everywhere: bool = True
