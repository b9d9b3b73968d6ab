"""What a run will do is settled by its plan alone, and its history is what reached the disk."""

from collections import Counter
from pathlib import Path

import msgspec

from vagus.testing.faults import Plan
from vagus.testing.faults.crew import PUBLISHER
from vagus.testing.faults.nemesis import schedule
from vagus.testing.faults.publisher import event_id, left_open
from vagus.testing.faults.record import Confirmed, Intent, Pulse, Record, Recorder, read_records


def test_same_seed_strikes_the_same_way_and_another_does_not() -> None:
    assert schedule(Plan(seed=1)) == schedule(Plan(seed=1))
    assert schedule(Plan(seed=1)) != schedule(Plan(seed=2))


def test_worker_is_killed_or_stopped_every_second_for_a_minute() -> None:
    plan = Plan()

    strikes = [strike for strike in schedule(plan) if strike.role != PUBLISHER and strike.blow != "restart"]

    assert len(strikes) == 60
    assert {int(strike.at_s - 1e-9) for strike in strikes} == set(range(60))
    assert Counter(strike.blow for strike in strikes).keys() == {"kill", "stop"}
    assert all(strike.for_s > plan.lease_s for strike in strikes if strike.blow == "stop")


def test_stopped_worker_is_not_struck_again_before_it_goes_on() -> None:
    until: dict[str, float] = {}
    for strike in schedule(Plan(seed=5)):
        if strike.blow in ("kill", "stop") and strike.role != PUBLISHER and len(until) < 4:
            assert until.get(strike.role, 0.0) <= strike.at_s
        if strike.blow == "stop":
            until[strike.role] = strike.at_s + strike.for_s


def test_events_of_a_key_follow_each_other_and_all_fates_occur() -> None:
    plan = Plan()
    tasks = [plan.task(number) for number in range(plan.events)]

    turns: dict[str, list[int]] = {}
    for task in tasks:
        turns.setdefault(task.key, []).append(task.turn)

    assert all(found == list(range(len(found))) for found in turns.values())
    assert max(map(len, turns.values())) == plan.per_key
    assert Counter(task.fate for task in tasks).keys() == {"fine", "error", "later", "poison"}
    assert sum(task.delay_s > 0 for task in tasks) > 1_000


def test_killed_publisher_leaves_open_every_second_batch_and_repeats_the_others() -> None:
    def intent(number: int) -> Intent:
        return Intent(t=0.0, pid=1, id=event_id(number), number=number, key="k", turn=0, delay_s=0.0)

    records: list[Record] = [intent(number) for number in range(8)]
    records += [Confirmed(t=1.0, pid=1, id=event_id(number)) for number in (0, 1, 2)]

    assert left_open(records, batch=2) == (8, [4, 5])
    assert left_open([], batch=2) == (0, [])


def test_record_that_a_kill_cut_short_was_never_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.write(Pulse(t=2.0, pid=1, since=1.0), Pulse(t=1.0, pid=1, since=0.5))
    recorder.close()
    other = tmp_path / "7.jsonl"
    other.write_bytes(msgspec.json.encode(Pulse(t=3.0, pid=7, since=1.0)))

    assert [record.t for record in read_records(tmp_path)] == [1.0, 2.0]
