"""The ceiling for memory: encode, a queue, decode, and the handler's own work; no more than that."""

from __future__ import annotations

import time
from collections import deque

from vagus.testing.benchmark.event import BARE_BODY, Documents


def events_per_s(count: int, size: int, *, coded: bool) -> float:
    """Carry `count` events through a deque, `size` at once, and return how many a second; not `coded` is bare."""
    documents = Documents()
    queue: deque[bytes] = deque()
    handled = 0
    begin = time.perf_counter()
    for first in range(0, count, size):
        for number in range(first, min(first + size, count)):
            queue.append(documents.write(number)[0] if coded else BARE_BODY)
        while queue:
            body = queue.popleft()
            if coded:
                documents.decode(body)
            handled += 1
    return handled / (time.perf_counter() - begin)
