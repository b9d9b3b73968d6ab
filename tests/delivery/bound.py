"""How far beginnings went beyond a rate, within whatever time they did so most."""

from __future__ import annotations

import math
from collections.abc import Iterable


def most_over(begun: Iterable[float], per_s: float) -> float:
    """Return by how many the rate was exceeded in the time in which it was exceeded most; times in seconds."""
    least, worst = math.inf, 0.0
    for count, at in enumerate(sorted(begun)):
        ahead = count - per_s * at
        least = min(least, ahead)
        worst = max(worst, ahead - least + 1)
    return worst
