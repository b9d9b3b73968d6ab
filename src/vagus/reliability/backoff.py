"""How long to wait before the next try: longer each time, spread by chance, never nothing."""

from __future__ import annotations

from typing import Final

BASE_S: Final = 1.0
CAP_S: Final = 60.0
FLOOR_S: Final = 0.1

_DOUBLINGS = 64  # beyond any cap in use; more would only overflow


def delay_s(
    failures: int, random: float, base_s: float = BASE_S, cap_s: float = CAP_S, floor_s: float = FLOOR_S
) -> float:
    """Return the seconds to wait after `failures` failures (1 is the first): uniform(floor, min(cap, base * 2^n)).

    n is `failures` - 1, and `random` a number in [0, 1). Never under `floor_s`, also when the cap is lower.
    """
    doublings = min(max(0, failures - 1), _DOUBLINGS)
    top = max(floor_s, min(cap_s, base_s * 2.0**doublings))
    return floor_s + (top - floor_s) * random
