"""A history told by hand: what a run would have written, second by second, for tests to put one lie into."""

from __future__ import annotations

import msgspec

from vagus.testing.faults.plan import Plan
from vagus.testing.faults.record import (
    Begin,
    Books,
    Confirmed,
    Drained,
    Effect,
    End,
    Healed,
    Intent,
    Letter,
    Outcome,
    Pulse,
    Record,
    Struck,
)
from vagus.testing.faults.work import TALLY, WORK

PLAN = Plan(workers=2, events=4, per_key=2, keys_at_once=2, lease_s=2.0)
ONE, TWO = 101, 102


class Story:
    """Records in the making; times are seconds of the run, processes have the ids `ONE` and `TWO`."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def publish(self, number: int, t: float, *, turn: int = 0, delay_s: float = 0.0, told: bool = True) -> str:
        id = f"job-{number}"
        self.records.append(Intent(t=t, pid=1, id=id, number=number, key="k", turn=turn, delay_s=delay_s))
        if told:
            self.records.append(Confirmed(t=t, pid=1, id=id))
        return id

    def begin(self, id: str, t: float, pid: int = ONE, *, attempt: int = 1, key: str = "k") -> str:
        nonce = f"{pid}-{t}"
        number = int(id.removeprefix("job-"))
        told = Begin(
            t=t, pid=pid, id=id, number=number, key=key, nonce=nonce, member="m", attempt=attempt, losses=attempt - 1
        )
        self.records.append(told)
        return nonce

    def end(self, id: str, nonce: str, t: float, outcome: Outcome = "done", *, settled: bool = True) -> None:
        pid = int(nonce.split("-")[0])
        self.records.append(End(t=t, pid=pid, id=id, nonce=nonce, outcome=outcome))
        if outcome == "done" and settled:
            self.records.append(Effect(t=t + 0.1, pid=TWO, id=id, nonce=nonce))

    def handle(
        self, id: str, t: float, pid: int = ONE, *, attempt: int = 1, outcome: Outcome = "done", settled: bool = True
    ) -> None:
        self.end(id, self.begin(id, t, pid, attempt=attempt), t + 0.03, outcome, settled=settled)

    def kill(self, pid: int, t: float) -> None:
        self.records.append(Struck(t=t, pid=1, blow="kill", victim=pid))

    def stop(self, pid: int, t: float, until: float) -> None:
        self.records += [Struck(t=t, pid=1, blow="stop", victim=pid), Healed(t=until, pid=1, victim=pid)]

    def stall(self, since: float, t: float) -> None:
        self.records.append(Pulse(t=t, pid=1, since=since))

    def bury(self, id: str, reason: str = "attempts") -> None:
        self.records.append(Letter(t=90.0, pid=1, id=id, reason=reason))

    def rest(self, t: float) -> None:
        self.records.append(Drained(t=t, pid=1))

    def books(self, acked: int, dead: int = 0, **lies: int) -> None:
        for group, entered, buried in ((WORK, acked + dead, dead), (TALLY, acked, 0)):
            told = Books(
                t=99.0, pid=1, group=group, entered=entered, accounted=entered, acked=acked, dead=buried, left=0, lost=1
            )
            self.records.append(msgspec.structs.replace(told, **lies) if group == WORK else told)
