"""What strikes whom, and when: drawn from the seed before the run begins, carried out by process id."""

from __future__ import annotations

import asyncio
import random

import msgspec

from vagus.testing.faults.crew import PUBLISHER, Crew, worker_role
from vagus.testing.faults.plan import Plan
from vagus.testing.faults.record import Blow, Healed, Recorder, Struck

#: Beside the worker that is killed or stopped at every stroke: after how many strokes the publisher is killed, and a
#: worker told to stop and started again.
_PUBLISHER_EVERY, _RESTART_EVERY = 6, 9


class Strike(msgspec.Struct, frozen=True):
    """One blow: `at_s` seconds after the first worker began, at one role; a stop lasts `for_s` seconds."""

    at_s: float
    blow: Blow
    role: str
    for_s: float = 0.0


def schedule(plan: Plan) -> list[Strike]:
    """Return the blows of a run, in order of time; the same for the same plan."""
    chance = random.Random(plan.seed)
    roles = [worker_role(index) for index in range(plan.workers)]
    stopped = dict.fromkeys(roles, 0.0)
    strikes = []
    for count in range(1, int(plan.faults_s / plan.every_s) + 1):
        at_s = (count - 0.4 * chance.random()) * plan.every_s  # out of step with leases, which end on the second
        running = [role for role in roles if stopped[role] <= at_s]
        role = chance.choice(running or roles)
        if running and chance.random() < 0.5:
            for_s = plan.lease_s + plan.over_s * (0.2 + 0.8 * chance.random())
            stopped[role] = at_s + for_s
            strikes.append(Strike(at_s, "stop", role, for_s))
        else:
            strikes.append(Strike(at_s, "kill", role))
        between_s = at_s + plan.every_s / 2
        if count % _PUBLISHER_EVERY == 0 and between_s < plan.publish_s:
            strikes.append(Strike(between_s, "kill", PUBLISHER))
        if count % _RESTART_EVERY == 0:
            strikes.append(Strike(between_s, "restart", chance.choice(running or roles)))
    return sorted(strikes, key=lambda strike: strike.at_s)


async def torment(plan: Plan, crew: Crew, recorder: Recorder) -> None:
    """Carry the blows of a plan out; return when the last stopped process goes on and the last dead one is replaced."""
    began = recorder.now()
    async with asyncio.TaskGroup() as tasks:
        for strike in schedule(plan):
            await asyncio.sleep(began + strike.at_s - recorder.now())
            await crew.look()
            tasks.create_task(_carry_out(strike, crew, recorder))


async def _carry_out(strike: Strike, crew: Crew, recorder: Recorder) -> None:
    process = crew.process(strike.role)
    if process is None:
        return  # the publisher is done
    recorder.write(Struck(t=recorder.now(), pid=recorder.pid, blow=strike.blow, victim=process.pid))
    if strike.blow == "stop":
        crew.stop(process)
        await asyncio.sleep(strike.for_s)
        crew.go_on(process)
        recorder.write(Healed(t=recorder.now(), pid=recorder.pid, victim=process.pid))
    else:
        await crew.replace(strike.role, process, gently=strike.blow == "restart")
