"""Publishers that wait for room on a full topic: in a line, in the order in which they came, one looking for all.

No backend tells when a full topic has room again. So the first in line tries, less and less often up to `MOST_S`, and
the others wait for their turn without trying: however many wait, the topic is asked by one.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque

from vagus.app.work.committer import Committer
from vagus.backend import Outcome, Topic, Unit
from vagus.clock import Clock

FIRST_S = 0.01
"""How long the first in line waits before it tries again, in seconds; twice as long each time that it is refused."""

MOST_S = 0.25
"""The longest that it waits before it tries again, in seconds."""


class Line:
    """The publishers of one app that wait for room."""

    def __init__(self, committer: Committer, clock: Clock) -> None:
        self._committer = committer
        self._clock = clock
        self._turns: dict[str, deque[asyncio.Future[bool]]] = {}

    async def commit(self, unit: Unit, wait_s: float) -> Outcome:
        """Commit `unit`; where a topic of it is full, wait for room, at most `wait_s` seconds.

        Who comes while others wait for a topic goes behind them. Returns the last outcome: still refused, where the
        time was over. Raises what a commit raises.
        """
        until = self._clock.monotonic() + wait_s
        names = [put.target.name for put in unit.puts if isinstance(put.target, Topic)]
        topic = next((name for name in names if name in self._turns), None)
        if topic is None:
            outcome = await self._committer.commit(unit)
            topic = full_topic(unit, outcome)
        else:
            outcome = None
        while topic is not None:
            found = await self._in_turn(topic, unit, until)
            if found is None:  # the time was over before it was its turn
                return outcome or await self._committer.commit(unit)
            outcome = found
            before, topic = topic, full_topic(unit, outcome)
            if topic == before:
                return outcome
        assert outcome is not None, "without a topic that is full, it was committed"
        return outcome

    async def _in_turn(self, topic: str, unit: Unit, until: float) -> Outcome | None:
        """Try until `topic` is not what refuses `unit` any more, once it is its turn; None where that never came."""
        line = self._turns.setdefault(topic, deque())
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        line.append(turn)
        if len(line) == 1:
            turn.set_result(True)
        try:
            if not await self._granted(turn, until):
                return None
            delay_s = FIRST_S
            while True:
                outcome = await self._committer.commit(unit)
                left_s = until - self._clock.monotonic()
                if full_topic(unit, outcome) != topic or left_s <= 0:
                    return outcome
                await self._sleep(min(delay_s, left_s))
                delay_s = min(2 * delay_s, MOST_S)
        finally:
            self._leave(topic, line, turn)

    def _leave(self, topic: str, line: deque[asyncio.Future[bool]], turn: asyncio.Future[bool]) -> None:
        first = line[0] is turn
        line.remove(turn)
        if not line:
            self._turns.pop(topic, None)
        elif first:
            following = next((other for other in line if not other.done()), None)
            if following is not None:  # those that are done are about to leave: their time was over
                line.remove(following)
                line.appendleft(following)
                following.set_result(True)

    async def _granted(self, turn: asyncio.Future[bool], until: float) -> bool:
        if turn.done() or until == math.inf:
            return await turn

        def give_up() -> None:
            if not turn.done():
                turn.set_result(False)

        timer = self._clock.call_later(until - self._clock.monotonic(), give_up)
        try:
            return await turn
        finally:
            timer.cancel()

    async def _sleep(self, delay_s: float) -> None:
        over = asyncio.Event()
        timer = self._clock.call_later(delay_s, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()


def full_topic(unit: Unit, outcome: Outcome) -> str | None:
    """Return the topic that refused `unit` because it is full, None where none did."""
    for put, told in zip(unit.puts, outcome.puts, strict=True):
        if told.status == "refused" and told.why == "full" and isinstance(put.target, Topic):
            return put.target.name
    return None
