"""Every workload runs on each system that it is for, and finds what happened; how fast it was is no claim here."""

import json
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from vagus.backend import First
from vagus.cli.commands.bench import command
from vagus.errors import ConnectionLost, InvalidArgument
from vagus.testing.benchmark import app as measured
from vagus.testing.benchmark.event import BODY_BYTES, Documents, KeyedNote, Note, keyed_notes
from vagus.testing.benchmark.ground import Ground, ground_of
from vagus.testing.benchmark.plan import Plan
from vagus.testing.benchmark.process import Crew, Process
from vagus.testing.benchmark.raw import memory, sqlite
from vagus.testing.benchmark.result import bar
from vagus.testing.benchmark.run import Wish
from vagus.testing.benchmark.witness import Handling, breaches
from vagus.testing.benchmark.workloads.catalogue import LEFT_OUT, WORKLOADS
from vagus.testing.benchmark.workloads.failing import over_s
from vagus.testing.benchmark.workloads.throughput import CASES


@pytest.fixture(params=["memory", "sqlite"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/bench.db"
    with ground_of(url) as found:
        yield found
    assert list(tmp_path.iterdir()) == []


def measure(name: str, ground: Ground, events: int) -> dict[str, float]:
    """The medians of the vagus lane by case; the run ticks as often as it said."""
    ticks: list[str] = []
    plan = Plan(ground=ground, rounds=1, tick=ticks.append, events=events, idle_s=0.2, commit_ms=0.2)
    workload = WORKLOADS[name]
    rows = workload.run(plan)
    assert len(ticks) == workload.turns(plan)
    return {row.case: row.lanes["vagus"].median for row in rows}


# --- each workload, once, tiny -------------------------------------------------------------------------------------


def test_w1_handles_every_event_in_every_case(ground: Ground) -> None:
    assert list(measure("W1", ground, 70)) == [case.name for case in CASES[ground.system]]


def test_w2_finds_percentiles_that_rise(ground: Ground) -> None:
    found = measure("W2", ground, 20)

    assert 0 < found["p50"] <= found["p95"] <= found["p99"]
    assert ("p50, 2 processes" in found) is ground.shared


def test_w3_has_a_row_for_each_number_of_groups(ground: Ground) -> None:
    found = measure("W3", ground, 20)

    assert [*found] == ["groups: 1", "groups: 4", "groups: 16", "groups: 64", "largest / smallest"]


def test_w4_finds_nothing_out_of_order(ground: Ground) -> None:
    found = measure("W4", ground, 600)

    assert {value for case, value in found.items() if case.startswith("out of order")} == {0}


def test_w6_fills_up_and_takes_from_every_backlog(ground: Ground) -> None:
    found = measure("W6", ground, 50)

    assert found["cost, 50 waiting"] > 0
    assert ("memory, 50 waiting" in found) is ground.shared


def test_w7_counts_what_idle_workers_do(ground: Ground) -> None:
    assert measure("W7", ground, 1)["CPU of all workers"] >= 0


def test_w8_finds_five_deliveries_and_no_hot_loop(ground: Ground) -> None:
    found = measure("W8", ground, 2)

    assert (found["deliveries, fewest"], found["deliveries, most"]) == (5, 5)
    assert found["gap, shortest"] >= 0.1


def test_w9_hands_every_event_to_one_of_those_that_wait(ground: Ground) -> None:
    found = measure("W9", ground, 5)

    assert 0 < found["handed to one of 1, p50"] <= found["handed to one of 1, p99"]
    assert 0 < found["handed to one of 100, p50"] <= found["handed to one of 100, p99"]


def test_w10_starts_everything_that_a_newcomer_starts(tmp_path: Path) -> None:
    with ground_of("memory://") as nowhere:
        found = measure("W10", nowhere, 1)

    assert 0 < found["import vagus"] < found["first demo answer"]
    assert found["vagus --help: modules"] > found["import vagus: modules"] > 10


def test_what_is_left_out_has_a_reason() -> None:
    assert {*WORKLOADS, *LEFT_OUT} == {f"W{number}" for number in range(1, 11)}
    assert all(len(reason) > 20 for reason in LEFT_OUT.values())


# --- what they stand on --------------------------------------------------------------------------------------------


def test_bodies_are_of_the_size_that_is_said() -> None:
    for note in (Note(12_345), next(keyed_notes(1))):
        assert abs(len(msgspec.json.encode(note)) - BODY_BYTES) <= 5


async def test_raw_lane_carries_the_same_bytes_as_vagus() -> None:
    async with measured.app_for("memory://", print) as app:
        await app.publish(Note(7))
        [record] = await app.backend.read("bench.note", First(), 1)
    body, _ = Documents().write(7)

    ours, theirs = json.loads(record.envelope.body), json.loads(body)

    assert ours.keys() == theirs.keys()
    assert ours["data"] == theirs["data"]
    assert abs(len(record.envelope.body) - len(body)) <= 5


@pytest.mark.parametrize("coded", [True, False])
def test_raw_lanes_handle_everything(tmp_path: Path, coded: bool) -> None:
    assert memory.events_per_s(130, 64, coded=coded) > 0
    assert sqlite.events_per_s(tmp_path / "raw.db", "full", 130, 64, coded=coded) > 0


def test_raw_lane_refuses_an_event_that_it_has(tmp_path: Path) -> None:
    with sqlite.RawLog(tmp_path / "raw.db", "full") as log:
        with log.transaction():
            log.put([b"one"], ["same"])
        with pytest.raises(Exception, match="UNIQUE"), log.transaction():
            log.put([b"two"], ["same"])


def test_same_seed_draws_the_same_keys_and_counts_within_each() -> None:
    notes = list(keyed_notes(5_000))

    assert notes == list(keyed_notes(5_000))
    first = [note for note in notes if note.key == notes[0].key]
    assert [note.number for note in first] == list(range(len(first)))
    assert all(type(note) is KeyedNote for note in notes)


@pytest.mark.parametrize(
    ("handlings", "expected"),
    [
        ([("a", 0, 10, 20), ("b", 0, 15, 25), ("a", 1, 20, 30)], 0),
        ([("a", 1, 10, 20), ("a", 0, 30, 40)], 2),
        ([("a", 0, 10, 20), ("a", 1, 15, 30)], 1),
        ([("a", 0, 10, 20), ("a", 2, 30, 40)], 1),
        ([("a", 0, 10, 20), ("a", 0, 30, 40)], 1),
    ],
    ids=["in order", "swapped", "overlapping", "missing", "twice"],
)
def test_broken_order_is_seen(handlings: list[tuple[str, int, int, int]], expected: int) -> None:
    assert breaches([Handling(*each) for each in handlings]) == expected


def test_gap_over_its_most_is_what_the_contract_does_not_allow() -> None:
    assert over_s([0.0, 0.1, 0.3, 0.9, 2.0]) == 0
    assert over_s([0.0, 1.3]) == pytest.approx(0.1)


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="this kernel counts for whole processes only")
def test_wake_ups_are_those_of_all_threads() -> None:
    """A thread that answers to each ball sleeps before each one; so does this one."""
    here, there = socket.socketpair()
    thread = threading.Thread(target=lambda: [there.send(there.recv(1)) for _ in range(100)])
    thread.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    here_only = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw

    for _ in range(100):
        here.send(b"o")
        here.recv(1)
    thread.join()

    counted = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before
    assert counted >= resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - here_only + 50
    here.close()
    there.close()


def test_size_of_a_worker_is_its_own_and_not_its_parents(tmp_path: Path) -> None:
    ballast = bytearray(300_000_000)
    with ground_of(f"sqlite:///{tmp_path}/bench.db") as ground:
        found = measure("W6", ground, 20)

    assert found["memory, 20 waiting"] < len(ballast) / 1e6


def test_process_that_cannot_begin_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConnectionLost, match="ended with code 1"), Crew([Process("consume", "nowhere://", "plain")]):
        pass


# --- the command ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["redis://x", "nonsense", "sqlite:////nowhere/at/all/x.db"])
def test_url_without_a_benchmark_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument), ground_of(url):
        pass


def test_unknown_workload_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidArgument, match="W1, W2, W3"):
        Wish(workloads=["W99"])


def test_command_prints_facts_and_table_and_leaves_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/bench.db"

    told = CliRunner().invoke(
        command, [url, "--workload", "w3", "--workload", "W5", "--rounds", "1", "--events", "5"], standalone_mode=False
    )

    assert told.exception is None
    assert "fdatasync" in told.output
    assert "largest / smallest" in told.output
    assert "it needs the hub" in told.output
    assert list(tmp_path.iterdir()) == []


def test_command_prints_json_and_draws(tmp_path: Path) -> None:
    words = [
        "memory://",
        "--workload",
        "W1",
        "--rounds",
        "1",
        "--events",
        "20",
        "--json",
        "--plot",
        f"{tmp_path}/x.svg",
    ]

    told = CliRunner().invoke(command, words, standalone_mode=False)

    report = json.loads(told.stdout)
    assert {"vagus", "raw", "bare"} == report["findings"][0]["rows"][0]["lanes"].keys()
    assert (tmp_path / "x.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--strict"], 1)])
def test_missed_bar_ends_with_1_only_where_that_was_asked_for(
    flags: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bar, "BARS", {("W3", "memory", "groups: 1"): (bar.Bar(value=1e9),)})
    words = ["memory://", "--workload", "W3", "--rounds", "1", "--events", "5", *flags]

    told = CliRunner().invoke(command, words, standalone_mode=False)

    assert told.return_value == code
