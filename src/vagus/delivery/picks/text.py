"""How a pick is written down, for backends that keep it and members that read it: `by_label('lang')`, `shop:OnlyB`."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from vagus.delivery.pick import Answer, Candidate, Pick, PickEvent
from vagus.delivery.picks.lot import ByKey, Random
from vagus.delivery.picks.match import ByContent, ByLabel, When
from vagus.delivery.picks.turn import LeastBusy, RoundRobin, Weighted
from vagus.errors import InvalidArgument, VagusError

OWN = "own"
"""What the backend's own pick is called in writing: whoever has credit. A backend keeps it as ""."""

KNOWN: Final[dict[str, Callable[..., Pick]]] = {
    "round_robin": RoundRobin,
    "random": Random,
    "by_key": ByKey,
    "by_label": ByLabel,
    "least_busy": LeastBusy,
    "weighted": Weighted,
    "when": When,
}
"""The picks by name."""

Find: TypeAlias = Callable[[str], object]
"""Returns the user's pick of that name or place; raises `InvalidArgument` where there is none."""

MOST_CHARS: Final = 4_000

_CUSTOM = re.compile(r"[A-Za-z_][\w.]*(:[A-Za-z_][\w.<>]*)?")
_BUILT_IN = (RoundRobin, Random, ByKey, ByLabel, LeastBusy, Weighted, When, ByContent)


class Custom:
    """A pick of the user's: an object with `choose(event, members)`, or with `apply(event)` alone."""

    mark = ""

    def __init__(self, text: str, made: Any) -> None:
        self.text = text
        self.made = made
        self._choose = getattr(made, "choose", None)

    def recall(self, mark: str) -> None:
        """Nothing: what the user's object remembers is its own."""

    def choose(self, event: PickEvent, members: Sequence[Candidate]) -> Answer:
        """Ask the user's object."""
        event.members = members
        answer: Answer = self.made.apply(event) if self._choose is None else self._choose(event, members)
        return answer


def pick_of(given: object, place_of: Callable[[type], str]) -> Pick | None:
    """Return the pick that a user means: a name, one of ours, a list of `When`, or an object or class of their own.

    None is the backend's own way ("own"). `place_of` says where a class of the user's is found. A name that is none of
    ours stands for a pick to be found where it is needed. Raises `InvalidArgument` for what is no pick.
    """
    if given is None or isinstance(given, str):
        return None if given in (None, OWN, "") else parse_pick(str(given), None)
    if isinstance(given, list | tuple):
        if not all(isinstance(rule, When) for rule in given):
            raise InvalidArgument(f"pick: expected a list of When(...), got {given!r}")
        return ByContent(given)
    if isinstance(given, Custom):
        return given
    if isinstance(given, type):
        given = _instance(given)
    if isinstance(given, _BUILT_IN):
        return given
    check_custom(given)
    return Custom(place_of(type(given)), given)


def _instance(cls: type) -> object:
    try:
        return cls()
    except TypeError as error:
        raise InvalidArgument(f"pick {cls.__name__} cannot be made: {error}", hint="give an object of it") from error


def check_custom(made: object) -> None:
    """Raise `InvalidArgument` for an object that cannot choose."""
    method = getattr(made, "choose", None) or getattr(made, "apply", None)
    if not callable(method):
        raise InvalidArgument(
            f"pick {made!r} cannot choose: expected one of {', '.join(KNOWN)}, or an object with "
            "choose(event, members) or apply(event)"
        )
    if inspect.iscoroutinefunction(method):
        raise InvalidArgument(f"pick {made!r}: expected a plain function, not an async one: a choice waits for nothing")


def parse_pick(text: str, find: Find | None) -> Pick:
    """Return the pick that is written as `text`.

    `find` brings the user's own by name or place; without it, such a pick is known by its text only, and cannot choose.
    Raises `InvalidArgument` with what was expected.
    """
    if len(text) > MOST_CHARS:
        raise InvalidArgument(f"a pick in writing has at most {MOST_CHARS} characters, this one {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None  # a place such as shop:OnlyB is no expression
    if isinstance(tree, ast.List):
        return ByContent([_rule(item, text) for item in tree.elts])
    call = _call(tree)
    if call is None or call[0] not in KNOWN:
        return _custom(text.strip(), find)
    name, args, named = call
    try:
        return KNOWN[name](*args, **named)
    except VagusError:
        raise
    except TypeError as error:
        raise _refusal(text, str(error)) from error


def _custom(text: str, find: Find | None) -> Pick:
    if not _CUSTOM.fullmatch(text):
        raise _refusal(text, "it is no name")
    return Custom(text, None if find is None else find(text))


def _rule(node: ast.expr, text: str) -> When:
    call = _call(node)
    if call is None or call[0] != "when":
        raise _refusal(text, "a list has when(...) alone")
    try:
        return When(*call[1], **call[2])
    except TypeError as error:
        raise _refusal(text, str(error)) from error


def _call(node: ast.expr | None) -> tuple[str, list[Any], dict[str, Any]] | None:
    """Return the name and the arguments of `name` or `name(constants)`, None for anything else."""
    if isinstance(node, ast.Name):
        return node.id, [], {}
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    try:
        args = [ast.literal_eval(arg) for arg in node.args]
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
    except (ValueError, TypeError):
        return None
    return node.func.id, args, named


def _refusal(text: str, why: str) -> InvalidArgument:
    return InvalidArgument(
        f"{text!r} is no pick ({why}): expected {OWN}, one of {', '.join(KNOWN)}, a name registered with the app, "
        "or module:Class",
        hint="such as: round_robin, random(7), by_label('lang'), when(\"data.lang == 'zh'\", lang='zh')",
    )
