"""Waiting for something to see: a look that is repeated when its topic or stream has grown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from vagus.backends.sqlite.doorbell import bit_of
from vagus.backends.sqlite.engine.engine import Engine
from vagus.backends.sqlite.request import Watch
from vagus.backends.sqlite.writer import Writer
from vagus.clock import Clock

T = TypeVar("T")


async def watch(
    writer: Writer,
    clock: Clock,
    wait_s: float,
    look: Callable[[Engine, float], Sequence[T]],
    *,
    topic: str | None = None,
    stream: str | None = None,
) -> Sequence[T]:
    """Return what `look` finds as soon as it finds something, nothing when `wait_s` seconds are over."""
    future: asyncio.Future[Sequence[T]] = asyncio.get_running_loop().create_future()
    bit = bit_of("stream", stream or "") if topic is None else bit_of("topic", topic)

    def give_up() -> None:
        if not future.done():
            future.set_result([])

    timer = clock.call_later(wait_s, give_up)
    try:
        writer.put(Watch(future, look, bit, topic, stream))
        return await future
    finally:
        timer.cancel()
