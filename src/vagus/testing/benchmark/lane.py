"""Lanes take turns, A B A B, after a warm-up: what slows the machine down slows all of them down."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from typing import TypeAlias

from vagus.testing.benchmark.result.figure import Spread, spread

Sample: TypeAlias = Mapping[str, float]
"""What one round of a lane measured: values by the names of their figures."""

Lane: TypeAlias = Callable[[], Sample]
"""Carries out one round."""

Tick: TypeAlias = Callable[[str], object]
"""Is told of each round before it begins, for a progress bar."""


def interleaved(lanes: Mapping[str, Lane], rounds: int, tick: Tick, warm_up: int = 1) -> dict[str, dict[str, Spread]]:
    """Run all lanes in turn, `warm_up` times for nothing and `rounds` times for the record.

    Returns the spreads by figure, then by lane.
    """
    samples: dict[str, dict[str, list[float]]] = {}
    for number in range(warm_up + rounds):
        for name, lane in lanes.items():
            tick(name)
            gc.collect()  # what one lane left lying about is not the next one's to clear up
            sample = lane()
            for figure, value in sample.items() if number >= warm_up else ():
                samples.setdefault(figure, {}).setdefault(name, []).append(value)
    return {figure: {name: spread(values) for name, values in by.items()} for figure, by in samples.items()}
