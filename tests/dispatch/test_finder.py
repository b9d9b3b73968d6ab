"""How picks are found: by the place of a class, by a name of the app's, by what was declared; and by epoch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.team import event, team
from vagus.app.dispatch.finder import Epochs, Finder, pick_texts, place_of
from vagus.backend import Cut, GroupInfo, GroupSpec, Steering
from vagus.delivery.pick import Failed, decide
from vagus.delivery.picks.text import Custom
from vagus.errors import InvalidArgument


class First:
    def choose(self, event: Any, members: Any) -> Any:
        return members[0]


class Needy:
    def __init__(self) -> None:
        raise OSError("no model file")

    def choose(self, event: Any, members: Any) -> Any: ...


HERE = First.__module__
NOTHING = Finder(None, {})


def info(*picks: str) -> GroupInfo:
    """A group that was declared with the first pick and switched to the others."""
    cuts = tuple(Cut("once", pick, number, {}) for number, pick in enumerate(picks[1:], 2))
    spec = GroupSpec(name="g", patterns=("t",), pick=picks[0])
    return GroupInfo(spec=spec, members=(), idle_s=None, steering=Steering("once", picks[-1], len(picks)), cuts=cuts)


@pytest.mark.requirement("R12")
def test_class_is_found_by_its_place_name_or_declaration() -> None:
    made = First()
    assert isinstance(NOTHING.find(place_of(First)), First)
    assert Finder(None, {"first": made}).find("first") is made
    assert Finder(Custom("x:Y", made), {}).find("x:Y") is made


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nobody", "no pick is called 'nobody': registered with the app are none"),
        ("no_such_module:First", "cannot be found: ModuleNotFoundError"),
        (f"{HERE}:Second", "cannot be found: AttributeError"),
        (f"{HERE}:HERE", "cannot choose"),
    ],
)
def test_what_is_not_there_is_named(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        NOTHING.find(text)


@pytest.mark.contract("G15")
def test_each_epoch_has_its_pick_and_the_next_dispatcher_goes_on() -> None:
    group = info("round_robin", "", "random(7)")
    assert pick_texts(group) == {1: "round_robin", 3: "random(7)"}
    epochs = Epochs(NOTHING, 1, {})
    epochs.learn(group)
    members = team("A", "B", "C")
    epochs.of(1).choose(event(), members.members)

    again = Epochs(NOTHING, 2, epochs.marks)
    again.learn(group)
    found = again.of(1).choose(event(), members.members)

    assert getattr(found, "name", found) == "B"
    assert (again.of(3).text, again.of(2).text) == ("random(7)", "random(7)")
    assert (again.knows(3), again.knows(4)) == (True, False)
    own = Epochs(NOTHING, 1, {})
    own.learn(info("round_robin", ""))
    assert own.of(2).text == "round_robin"


@pytest.mark.requirement("R13")
def test_pick_that_cannot_be_made_says_so_for_each_event() -> None:
    epochs = Epochs(NOTHING, 1, {})
    epochs.learn(info(f"{HERE}:Needy"))
    pick = epochs.of(1)
    pick.recall("")

    found = decide(pick, event(), team("A"))

    assert isinstance(found, Failed)
    assert "no model file" in found.error.what
    assert pick.text == f"{HERE}:Needy"


@pytest.mark.requirement("R12")
def test_class_in_the_file_that_was_started_is_found_without_running_it_again(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "print('runs')\n"
        "from vagus.app.dispatch.finder import Finder, place_of\n"
        "class Mine:\n"
        "    def apply(self, message): ...\n"
        "print(place_of(Mine), isinstance(Finder(None, {}).find('shop:Mine'), Mine))\n",
        encoding="utf-8",
    )
    command = [sys.executable, "shop.py"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)

    assert told.stdout == "runs\nshop:Mine True\n"
