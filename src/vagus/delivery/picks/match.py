"""By what the members say of themselves: labels that fit the event, or that a condition asks for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from vagus.delivery.expression import compile_condition, compile_path
from vagus.delivery.pick import Answer, Candidate, Pick, PickEvent
from vagus.delivery.picks.turn import LeastBusy, RoundRobin, Weighted
from vagus.errors import InvalidArgument

MOST_WEIGHT = 1_000
"""How heavy a member can be: how many events it gets where one of weight 1 gets one."""

_THEN: dict[str, Callable[[], Pick]] = {
    "round_robin": RoundRobin,
    "weighted": Weighted,
    "least_busy": LeastBusy,
}


class _Among:
    """Chooses among the members that meet a demand; each demand has a turn of its own."""

    def __init__(self, then: str) -> None:
        if then not in _THEN:
            raise InvalidArgument(f"then: expected one of {', '.join(_THEN)}, got {then!r}")
        self._make = _THEN[then]
        self._picks: dict[Hashable, Pick] = {}
        self._groups: dict[Hashable, tuple[Candidate, ...]] = {}
        self._members: Sequence[Candidate] = ()

    def choose(
        self,
        event: PickEvent,
        members: Sequence[Candidate],
        demand: Hashable,
        fits: Callable[[Candidate], bool],
    ) -> Answer:
        """Return one of those that fit, None where none does."""
        if members is not self._members:
            self._members, self._groups = members, {}
        group = self._groups.get(demand)
        if group is None:
            group = tuple(member for member in members if fits(member))
            if not group:
                return None  # not remembered: there is no end of demands that nobody meets
            self._groups[demand] = group
        pick = self._picks.get(demand)
        if pick is None:
            pick = self._picks[demand] = self._make()
        return pick.choose(event, group)


class ByLabel:
    """The members whose label has the value that the event names: "zh" in `data.lang` goes to those of lang=zh.

    `label`: the members' label. `field`: where the event says it, such as "data.language", "type" or
    "extensions.tenant"; default `data.LABEL`. `then`: which of those that fit: "round_robin", "weighted" or
    "least_busy". An event that says nothing there, or that no member fits, waits.
    """

    mark = ""

    def __init__(self, label: str, field: str | None = None, then: str = "round_robin") -> None:
        if not str(label).isidentifier():
            raise InvalidArgument(f"pick by_label: expected the name of a label, such as lang, got {label!r}")
        self.label = label
        self._field = field
        self._find = compile_path(field or f"data.{label}")
        self._then = then
        self._among = _Among(then)

    @property
    def text(self) -> str:
        """The pick in writing."""
        return written("by_label", self.label, field=self._field, then=_unless_default(self._then))

    def recall(self, mark: str) -> None:
        """Begin anew: each value has a turn of its own."""

    def choose(self, event: PickEvent, members: Sequence[Candidate]) -> Answer:
        """Return one of the members whose label fits."""
        wanted = label_text(self._find(event.get))
        if wanted is None:
            return None
        return self._among.choose(event, members, wanted, lambda member: member.labels.get(self.label) == wanted)


class When:
    """By content: events that meet a condition go to the members with these labels, the others to any member.

        When("data.lang == 'zh'", lang="zh")

    Several, as a list, are looked at in order; the first that is met counts. `then`: which of those that fit, as in
    `ByLabel`. The language of conditions is `delivery/expression.py`; nothing of it is run as code.
    """

    mark = ""

    def __init__(self, condition: str, *, then: str = "round_robin", **labels: Any) -> None:
        if not labels:
            raise InvalidArgument(
                "pick when: expected the labels that members must have, such as lang='zh'",
                hint='When("data.lang == \'zh\'", lang="zh")',
            )
        self.condition = condition
        self.labels = checked_labels(labels)
        self.meets = compile_condition(condition)
        self.then = then
        self._alone = ByContent([self])

    @property
    def text(self) -> str:
        """The pick in writing."""
        return written("when", self.condition, then=_unless_default(self.then), **self.labels)

    def recall(self, mark: str) -> None:
        """Begin anew: each demand has a turn of its own."""

    def fits(self, member: Candidate) -> bool:
        """Return whether the member has the labels."""
        return self.labels.items() <= member.labels.items()

    def choose(self, event: PickEvent, members: Sequence[Candidate]) -> Answer:
        """Return one of the members with the labels where the condition is met, else any."""
        return self._alone.choose(event, members)


class ByContent:
    """Several conditions, looked at in order: the first that is met says which labels a member must have."""

    mark = ""

    def __init__(self, rules: Sequence[When]) -> None:
        if not rules:
            raise InvalidArgument("a pick by content: expected one When(...) or more, got none")
        self.rules = tuple(rules)
        self._among = [_Among(rule.then) for rule in rules]
        self._others = RoundRobin()

    @property
    def text(self) -> str:
        """The pick in writing."""
        return f"[{', '.join(rule.text for rule in self.rules)}]"

    def recall(self, mark: str) -> None:
        """Begin anew: each demand has a turn of its own."""

    def choose(self, event: PickEvent, members: Sequence[Candidate]) -> Answer:
        """Return one of the members that the first condition which is met asks for."""
        for rule, among in zip(self.rules, self._among, strict=True):
            if rule.meets(event.get):
                return among.choose(event, members, "", rule.fits)
        return self._others.choose(event, members)


def checked_labels(labels: Mapping[str, Any]) -> dict[str, str]:
    """Return labels as they are kept: names of letters, digits and `_`, and text. Raises `InvalidArgument`."""
    checked = {}
    for name, value in labels.items():
        text = label_text(value)
        if not str(name).isidentifier() or text is None:
            raise InvalidArgument(
                f"label {name!r}={value!r}: expected a name of letters and digits, and text, a number or true or false"
            )
        checked[name] = text
    return checked


def checked_weight(weight: object) -> int:
    """Return a member's weight. Raises `InvalidArgument` for anything but a whole number from 1 to 1,000."""
    if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= MOST_WEIGHT:
        raise InvalidArgument(f"weight: expected a whole number from 1 to {MOST_WEIGHT}, got {weight!r}")
    return weight


def label_text(value: object) -> str | None:
    """Return the text of a label or of a field that labels are compared with, None for what is no label."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) and value != "" else None


def written(name: str, first: str, **named: str | None) -> str:
    """Return a pick in writing: its name, its first argument, and the named ones that are not None."""
    more = [f"{key}={value!r}" for key, value in named.items() if value is not None]
    return f"{name}({', '.join([repr(first), *more])})"


def _unless_default(then: str) -> str | None:
    return None if then == "round_robin" else then
