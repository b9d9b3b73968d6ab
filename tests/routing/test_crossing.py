"""A unit over several backends: puts elsewhere first, then the settle; a crash between loses and doubles nothing."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vagus import App, Event
from vagus.app.routing.crossing import Crossing, Held
from vagus.app.routing.routed import Routed
from vagus.backend import Backend, Dead, Done, First, Outcome, Put, PutOutcome, Settle, Topic, Unit
from vagus.errors import ConnectionLost, InvalidArgument
from vagus.message import Envelope
from vagus.store import Change

PLACES = {"a": "home", "b": "away", "c": "far"}


def put(topic: str) -> Put:
    return Put(Topic(topic), Envelope(b"{}"))


def place_of(one: Put) -> str:
    return PLACES[one.target.name] if isinstance(one.target, Topic) else "home"


HELD = Settle(Held("home", "token"), Done("acked"))
BARE = Settle("token", Done("acked"))
CHANGE = Change("k", b"v")

STEPS: list[tuple[str, Unit, str, tuple[dict[str, Unit], ...]]] = [
    ("settle alone", Unit((), [HELD]), "home", ({}, {}, {"home": Unit([], [BARE])})),
    ("output at home", Unit([put("a")], [HELD]), "home", ({}, {}, {"home": Unit([put("a")], [BARE])})),
    (
        "outputs everywhere",
        Unit([put("b"), put("a"), put("c")], [HELD]),
        "home",
        ({"away": Unit([put("b")]), "far": Unit([put("c")])}, {}, {"home": Unit([put("a")], [BARE])}),
    ),
    (
        "changes at home",
        Unit([put("b")], [HELD], [CHANGE]),
        "home",
        ({"away": Unit([put("b")])}, {}, {"home": Unit([], [BARE], [CHANGE])}),
    ),
    (
        "changes apart: all puts, then they, then the settle",
        Unit([put("a"), put("b")], [HELD], [CHANGE]),
        "far",
        (
            {"home": Unit([put("a")]), "away": Unit([put("b")])},
            {"far": Unit(changes=[CHANGE])},
            {"home": Unit([], [BARE])},
        ),
    ),
    ("publish alone", Unit([put("b")]), "home", ({}, {}, {"away": Unit([put("b")], [])})),
    (
        "publish to two",
        Unit([put("b"), put("a")]),
        "home",
        ({"home": Unit([put("a")])}, {}, {"away": Unit([put("b")], [])}),
    ),
    (
        "the start of a run",
        Unit([put("b")], (), [CHANGE]),
        "home",
        ({"away": Unit([put("b")])}, {}, {"home": Unit([], [], [CHANGE])}),
    ),
    (
        "a dead letter",
        Unit([Put(Dead("g"), Envelope(b"{}")), put("b")], [HELD]),
        "home",
        ({"away": Unit([put("b")])}, {}, {"home": Unit([Put(Dead("g"), Envelope(b"{}"))], [BARE])}),
    ),
    ("nothing", Unit(), "home", ({}, {}, {})),
]


@pytest.mark.contract("G12")
@pytest.mark.parametrize(("unit", "state", "steps"), [case[1:] for case in STEPS], ids=[case[0] for case in STEPS])
def test_what_is_new_is_stored_before_what_is_old_is_let_go(
    unit: Unit, state: str, steps: tuple[dict[str, Unit], ...]
) -> None:
    crossing = Crossing(unit, place_of, state)

    assert (crossing.away(), crossing.kept(), crossing.last()) == steps


def test_outcome_tells_each_put_where_it_was_given() -> None:
    crossing = Crossing(Unit([put("b"), put("a"), put("c"), put("b")], [HELD], [CHANGE]), place_of, "home")
    crossing.told("away", crossing.away()["away"], Outcome(True, [PutOutcome("stored", 1), PutOutcome("stored", 2)]))
    crossing.told("far", crossing.away()["far"], Outcome(False, [PutOutcome("refused", why="full")]))

    told = crossing.outcome()

    assert [one.status for one in told.puts] == ["stored", "untried", "refused", "stored"]
    assert [one.position for one in told.puts] == [1, None, None, 2]
    assert (told.done, told.settles, told.changes) == (False, ["untried"], [False])


def test_unit_that_settles_on_two_backends_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="settles on several backends: away, home"):
        Crossing(Unit((), [HELD, Settle(Held("away", 1), Done("acked"))]), place_of, "home")


# --- crashes ---------------------------------------------------------------------------------------------------------


class Order(Event):
    number: int


class Bill(Event):
    number: int


class Note(Event):
    number: int


class Mortal:
    """A backend that dies at the n-th step of the whole process, before or after it is carried out."""

    def __init__(self, backend: Backend, steps: itertools.count[int], at: int, *, after: bool) -> None:
        self._backend, self._steps, self._at, self._after = backend, steps, at, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        dies = next(self._steps) == self._at
        if dies and not self._after:
            raise ConnectionLost("died before the step")
        outcomes = await self._backend.commit(units)
        if dies:
            raise ConnectionLost("died after the step")
        return outcomes


def shop(folder: Path) -> App:
    """Orders in one file, bills in another, the rest in memory: a handling that crosses all of them."""
    rules = [
        {"event": "Bill", "to": f"sqlite:///{folder}/bills.db"},
        {"event": "Note", "to": f"sqlite:///{folder}/notes.db"},
    ]
    app = App(f"sqlite:///{folder}/orders.db", name="shop", routes={"rules": rules})
    app.topic(Bill, keep="1d")
    app.topic(Note, keep="1d")

    @app.on(Order, lease=0.3)
    async def handle(order: Order) -> list[Any]:
        return [Bill(order.number), Note(order.number)]

    return app


@pytest.mark.contract("G12", "G4")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(3))
async def test_crash_between_two_steps_loses_and_doubles_nothing(tmp_path: Path, at: int, after: bool) -> None:
    app = shop(tmp_path)
    async with app:
        await app.publish(Order(1))

    async with app.running():
        assert isinstance(app.backend, Routed)
        steps = itertools.count()
        for name, backend in app.backend._backends.items():
            app.backend._backends[name] = Mortal(backend, steps, at, after=after)  # type: ignore[index]
        async with asyncio.timeout(20):
            while (await app.backend.stats("shop.handle"))[0].acked < 1:
                await asyncio.sleep(0.01)
        bills = await app.backend.read("bill", First(), 10)
        notes = await app.backend.read("note", First(), 10)

    assert (len(bills), len(notes)) == (1, 1)


DIES = """
import asyncio, os, sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from crossing_app import shop
from vagus.backend import Topic
from vagus.backends.sqlite import Sqlite

at, count = int(sys.argv[1]), 0
real = Sqlite.commit

async def commit(self, units):
    global count
    if any(unit.settles or any(put.target == Topic("bill") for put in unit.puts) for unit in units):
        if count == at:
            os._exit(9)
        count += 1
    return await real(self, units)

async def main():
    app = shop(Path({folder!r}))
    async with app.running():
        while (await app.backend.stats("shop.handle"))[0].acked < 3:
            await asyncio.sleep(0.01)

Sqlite.commit = commit
asyncio.run(main())
"""

APP = """
from pathlib import Path
from typing import Any
from vagus import App, Event

class Order(Event):
    number: int

class Bill(Event):
    number: int

def shop(folder: Path) -> App:
    rules = [{"event": "Bill", "to": f"sqlite:///{folder}/bills.db"}]
    app = App(f"sqlite:///{folder}/orders.db", name="shop", routes={"rules": rules})
    app.topic(Bill, keep="1d")

    @app.on(Order, lease=0.3, concurrency=1, prefetch=1)
    async def handle(order: Order) -> Bill:
        return Bill(order.number)

    return app

async def publish(folder):
    app = shop(Path(folder))
    async with app:
        await app.publish([Order(number) for number in range(3)])
"""


@pytest.mark.contract("G12", "G4")
def test_killed_process_leaves_each_output_stored_once(tmp_path: Path) -> None:
    (tmp_path / "crossing_app.py").write_text(APP, encoding="utf-8")
    (tmp_path / "dies.py").write_text(DIES.format(folder=str(tmp_path)), encoding="utf-8")
    first = f"import asyncio, crossing_app; asyncio.run(crossing_app.publish({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", first], cwd=tmp_path, check=True, timeout=60)

    codes = [
        subprocess.run([sys.executable, "dies.py", str(at)], cwd=tmp_path, check=False, timeout=60).returncode
        for at in (0, 1, 2, 3, 100)
    ]

    assert codes == [9, 9, 9, 9, 0]
    numbers = asyncio.run(bills(f"sqlite:///{tmp_path}/bills.db"))
    assert sorted(numbers) == [0, 1, 2]


async def bills(url: str) -> list[int]:
    async with App(url, name="look") as app:
        records = await app.backend.read("bill", First(), 100)
        return [json.loads(record.envelope.body)["data"]["number"] for record in records]


@pytest.mark.contract("G12")
async def test_change_that_is_outdated_lets_nothing_out(tmp_path: Path) -> None:
    app = shop(tmp_path)
    async with app:
        store = app.backend.store
        assert store is not None
        await store.swap([Change("k", b"theirs")])
        unit = Unit([Put(Topic("bill"), Envelope(b"{}"))], (), [Change("k", b"ours", expect=0)])

        (told,) = await app.backend.commit([unit])

        assert not told.done
        assert await app.backend.read("bill", First(), 10) == []
