"""How the text of a pick becomes one that chooses: ours, one registered with the app, or a class found by its place."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vagus.backend import GroupInfo
from vagus.delivery.pick import Answer, Candidate, Pick, PickEvent
from vagus.delivery.picks.lot import Random
from vagus.delivery.picks.text import Custom, check_custom, parse_pick, pick_of
from vagus.delivery.picks.turn import RoundRobin
from vagus.errors import InvalidArgument, InvalidHandler, PickFailed


def place_of(cls: type) -> str:
    """Return where a class is found: `module:Class`; in the file that was started, the file's stem is the module."""
    module = _started_as() if cls.__module__ == "__main__" else cls.__module__
    return f"{module}:{cls.__qualname__}"


def _started_as() -> str:
    file = getattr(sys.modules["__main__"], "__file__", None)
    return Path(file).stem if file else "__main__"


def declared_pick(handler: str, deliver: str, given: object, strategy: object) -> Pick | None:
    """Return the pick of a handler: its own, else the app's `strategy` where it delivers once.

    Raises `InvalidHandler` for what is no pick.
    """
    if given is None and deliver != "once":
        return None
    try:
        return pick_of(strategy if given is None else given, place_of)
    except InvalidArgument as error:
        raise InvalidHandler(f"handler {handler}: {error.what}", where=error.where, hint=error.hint) from error


class Finder:
    """Finds the user's picks of one handler: as it was declared, by a name of the app's, by the place of a class."""

    def __init__(self, declared: Pick | None, registered: Mapping[str, Any]) -> None:
        self._declared = declared
        self._registered = registered

    def find(self, text: str) -> object:
        """Return what can choose. Raises `InvalidArgument` where there is none of that name or place."""
        if isinstance(self._declared, Custom) and self._declared.text == text and self._declared.made is not None:
            return self._declared.made
        if text in self._registered:
            return _made(self._registered[text])
        module, _, path = text.partition(":")
        if not path:
            known = ", ".join(sorted(self._registered)) or "none"
            raise InvalidArgument(
                f"no pick is called {text!r}: registered with the app are {known}", hint=f'app.pick("{text}", ...)'
            )
        return _made(_imported(module, path))


def _imported(module: str, path: str) -> object:
    try:
        # The file that was started is there already, and must not run a second time as a module.
        name = "__main__" if module == _started_as() else module
        found: Any = sys.modules.get(name) or importlib.import_module(name)
        for name in path.split("."):
            found = getattr(found, name)
    except Exception as error:  # whatever the user's module does while it is imported
        raise InvalidArgument(
            f"pick {module}:{path} cannot be found: {type(error).__name__}: {error}",
            hint="give the place of a class as module:Class, importable in every worker",
        ) from error
    return found


def _made(found: object) -> object:
    made = found() if isinstance(found, type) else found
    check_custom(made)
    return made


class Epochs:
    """The picks of a group by epoch: an event is given to whom the pick of its own epoch chooses."""

    def __init__(self, finder: Finder, seed: int, marks: Mapping[str, str]) -> None:
        self._finder = finder
        self._seed = seed
        self._left = dict(marks)
        self._texts: dict[int, str] = {}
        self._picks: dict[int, Pick] = {}
        self._present = ""
        self._newest = 0

    def learn(self, info: GroupInfo) -> None:
        """Take what the backend tells of the group's steering, now and before."""
        self._texts = pick_texts(info)
        self._present, self._newest = info.steering.pick, info.steering.epoch

    def knows(self, epoch: int) -> bool:
        """Return whether the pick of an epoch is known; of one that has just begun it may not be yet."""
        return epoch <= self._newest

    def of(self, epoch: int) -> Pick:
        """Return the pick of an epoch; where it had none, the present one, else one after the other."""
        found = self._picks.get(epoch)
        if found is None:
            found = self._picks[epoch] = self._make(self._texts.get(epoch) or self._present)
            found.recall(self._left.pop(str(epoch), ""))
        return found

    def _make(self, text: str) -> Pick:
        if not text:
            return RoundRobin()
        try:
            pick = parse_pick(text, self._finder.find)
        except Exception as error:  # also what a class of the user's raises when it is made
            return Missing(text, error)
        if isinstance(pick, Random):
            pick.seeded(self._seed)
        return pick

    @property
    def marks(self) -> dict[str, str]:
        """How far the newest picks have come, for the next dispatcher."""
        newest = sorted(self._picks)[-3:]
        return {str(epoch): mark for epoch in newest if (mark := self._picks[epoch].mark)}


class Missing:
    """Stands where a pick could not be made: it says so for each event, and each event waits."""

    mark = ""

    def __init__(self, text: str, why: Exception) -> None:
        self.text = text
        self._why = why

    def recall(self, mark: str) -> None:
        """Nothing to go on from."""

    def choose(self, event: PickEvent, members: object) -> Answer | Candidate:
        """Raise what stood in the way."""
        raise PickFailed(str(self._why), hint=getattr(self._why, "hint", "")) from self._why


def pick_texts(info: GroupInfo) -> dict[int, str]:
    """Return the picks of a group in writing by epoch, those without one left out."""
    steering = info.steering
    texts = {1: info.spec.pick} | {cut.epoch: cut.pick for cut in info.cuts} | {steering.epoch: steering.pick}
    return {epoch: text for epoch, text in texts.items() if text}
