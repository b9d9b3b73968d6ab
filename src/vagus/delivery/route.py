"""Which backend carries a topic: rules in order, the first that fits decides; what no rule says goes to the default.

A route is a fact about a topic, never about one event: all events of a topic lie on one backend, or its order, its
groups and its books would fall apart. What is known of a topic is its name, the class that travels on it, and what
events of that class are (their kind). Between the rules and the default stand two habits that need no rule: telemetry
goes to a log, and commands to a queue, where the policy names a backend as such.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from vagus.errors import InvalidArgument, InvalidHandler, mask_url
from vagus.message.event import Kind, check_kind
from vagus.message.topic import check_pattern, is_pattern, matches

Role: TypeAlias = Literal["log", "queue"]
"""What a backend is best at: keeping much and reading it again, or handing single orders to workers."""

OWN = "default"
"""The name under which a policy knows the app's own URL."""

_ROLES: Mapping[str, Role] = {"kafka": "log", "amqp": "queue", "amqps": "queue"}
_RULE_HEAD = re.compile(r"^[ \t]*\[\[[ \t]*rules[ \t]*\]\]", re.MULTILINE)
_PARTS = {"backends", "default", "rules"}


class Place(msgspec.Struct, frozen=True):
    """A backend of a policy. `role`: what it is best at; None: nothing says, or both."""

    name: str
    url: str
    role: Role | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a routing policy: which topics it is for, and where they go.

    It fits a topic that fits all of `kind` ("event", "command", "telemetry"), `event` (the name of the class) and
    `topic` (a name or a pattern) that are given; at least one is. `to`: the name of a backend or a URL; default the
    policy's default. `shadow`: a second backend that gets a copy of what is published, for comparing.
    """

    kind: Kind | None = None
    event: str | None = None
    topic: str | None = None
    to: str | None = None
    shadow: str | None = None

    def fits(self, subject: Subject) -> bool:
        """Tell whether the rule is for that topic."""
        return (
            self.kind in (None, subject.kind)
            and self.event in (None, *subject.names)
            and (self.topic is None or matches(self.topic, subject.topic))
        )

    def __str__(self) -> str:
        """Return the condition as it was written."""
        given = (("kind", self.kind), ("event", self.event), ("topic", self.topic))
        return ", ".join(f"{name} {value}" for name, value in given if value is not None)


class Routes(msgspec.Struct, frozen=True, kw_only=True):
    """A routing policy: which backend carries which topics (`App(routes=…)`).

    `backends`: their URLs by name, or for each `{"url": …, "role": "log" | "queue"}`. `rules`: in order, the first
    that fits decides. `default`: where the rest goes; the app's own URL unless the policy names another.
    """

    backends: Mapping[str, Any] = {}
    rules: Sequence[Rule | Mapping[str, Any]] = ()
    default: str = OWN


class Subject(msgspec.Struct, frozen=True):
    """What is known of a topic: its name, what its events are, the names of its class ("" where there is none)."""

    topic: str
    kind: Kind = "event"
    event: str = ""

    @property
    def names(self) -> tuple[str, str]:
        """The class's qualified name, and its last word."""
        return self.event, self.event.rpartition(".")[2]


class Route(msgspec.Struct, frozen=True):
    """Where a topic goes: the name of a backend, why it is that one, and a second one that gets copies."""

    place: str
    why: str
    shadow: str | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that was checked: its backends by name, its rules each with where it stands, its default."""

    places: Mapping[str, Place]
    rules: tuple[tuple[str, Rule], ...]
    default: str

    def route(self, subject: Subject) -> Route:
        """Return where the events of a topic go."""
        for where, rule in self.rules:
            if rule.fits(subject):
                return Route(rule.to or self.default, f"{where}: {rule}", rule.shadow)
        if subject.kind == "telemetry" and (log := self._best("log")):
            return Route(log, f"telemetry goes to a log, and {log} is one")
        if subject.kind == "command" and (queue := self._best("queue")):
            return Route(queue, f"commands go to a queue, and {queue} is one")
        return Route(self.default, "no rule fits: the default")

    def _best(self, role: Role) -> str | None:
        """Return the backend of that role: the default if it is one, else the first that is named as such."""
        ordered = [self.places[self.default], *self.places.values()]
        return next((place.name for place in ordered if place.role == role), None)

    @property
    def used(self) -> tuple[Place, ...]:
        """The backends that events can go to, shadows not counted, the default first."""
        named = [self.default, *(rule.to for _, rule in self.rules if rule.to), self._best("log"), self._best("queue")]
        return tuple(self.places[name] for name in dict.fromkeys(named) if name is not None)


def parse_routes(text: str, origin: str) -> tuple[Routes, tuple[str, ...]]:
    """Return the policy in a TOML file's text, and where each of its rules stands; `origin` names the file.

    Raises InvalidArgument that names the line.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"{origin} is not TOML: {error}", where=origin) from error
    unknown = sorted(raw.keys() - _PARTS)
    if unknown:
        expected = ", ".join(sorted(_PARTS))
        raise InvalidArgument(f"{origin} says {unknown[0]!r}: expected {expected}", where=origin)
    heads = [text.count("\n", 0, found.start()) + 1 for found in _RULE_HEAD.finditer(text)]
    rules = raw.get("rules", [])
    count = len(rules) if isinstance(rules, list) else 0
    if len(heads) == count:
        return Routes(**raw), tuple(f"{origin} line {line}" for line in heads)
    return Routes(**raw), tuple(f"{origin} rule {number + 1}" for number in range(count))


def check_routes(routes: Routes, own_url: str, where: Sequence[str] = ()) -> Policy:
    """Return the policy, checked; `own_url` is the backend of the app itself, `where` tells where each rule stands.

    Raises InvalidArgument that names the rule, or the backend, and what was expected.
    """
    backends: object = routes.backends
    if not isinstance(backends, Mapping) or not isinstance(routes.rules, list | tuple):
        raise InvalidArgument("routes: expected backends by name, and a list of rules")
    places = {OWN: Place(OWN, own_url, role_of(own_url))}
    places |= {name: _place(name, said) for name, said in backends.items()}
    rules = [
        _rule(said, where[number] if where else f"rule {number + 1}", places)
        for number, said in enumerate(routes.rules)
    ]
    if not isinstance(routes.default, str):
        raise InvalidArgument(f"routes: expected default to be the name of a backend, got {routes.default!r}")
    default = _named(routes.default, places, "default")
    for place, rule in rules:
        if rule.shadow is not None and rule.shadow == (rule.to or default):
            raise InvalidArgument(f"{place}: its shadow is {rule.shadow!r}, where the events go anyway", where=place)
    return Policy(places=places, rules=tuple(rules), default=default)


def role_of(url: str) -> Role | None:
    """Return what the backend of a URL is best at, where its scheme alone says so."""
    return _ROLES.get(url.partition(":")[0])


def _place(name: str, said: Any) -> Place:
    given = {"url": said} if isinstance(said, str) else said
    if not isinstance(given, Mapping) or not isinstance(given.get("url"), str) or given.keys() - {"url", "role"}:
        raise InvalidArgument(f'backend {name!r}: expected a URL, or {{url = "…", role = "log"}}, got {said!r}')
    role: Any = given.get("role")
    if role not in (None, *get_args(Role)):
        raise InvalidArgument(f'backend {name!r}: expected role "log" or "queue", got {role!r}')
    return Place(name, given["url"], role or role_of(given["url"]))


def _rule(said: Rule | Mapping[str, Any], where: str, places: dict[str, Place]) -> tuple[str, Rule]:
    try:
        rule = said if isinstance(said, Rule) else msgspec.convert(said, Rule)
    except msgspec.ValidationError as error:
        expected = ", ".join(Rule.__struct_fields__)
        raise InvalidArgument(f"{where}: {error}; expected some of {expected}", where=where) from error
    if rule.kind is not None:
        check_kind(rule.kind, where)
    if rule.topic is not None:
        check_pattern(rule.topic)
    if not str(rule):
        raise InvalidArgument(f"{where}: expected kind, event or topic: it says nowhere what it is for", where=where)
    to = None if rule.to is None else _named(rule.to, places, where)
    shadow = None if rule.shadow is None else _named(rule.shadow, places, where)
    return where, msgspec.structs.replace(rule, to=to, shadow=shadow)


def _named(name: str, places: dict[str, Place], where: str) -> str:
    """Return the name of a backend; one that is given as a URL is a backend of that name from now on."""
    if name in places:
        return name
    if "://" in name:
        shown = mask_url(name)
        places[shown] = Place(shown, name, role_of(name))
        return shown
    known = ", ".join(places)
    raise InvalidArgument(f"{where}: there is no backend {name!r}: expected one of {known}, or a URL", where=where)


def home_of(group: str, patterns: Iterable[str], topics: Iterable[str], route: Callable[[str], Route]) -> str:
    """Return the backend that a group lives on: the one that carries its topics.

    `topics` are those that are known, which a pattern may mean; a pattern that means none of them goes where a topic
    of such a name would. Raises InvalidHandler where its topics lie on several backends: its order, its retries and
    its books are one backend's.
    """
    known = list(topics)
    lies: dict[str, str] = {}
    for pattern in patterns:
        meant = [topic for topic in known if matches(pattern, topic)] if is_pattern(pattern) else []
        for topic in meant or [pattern]:
            lies.setdefault(route(topic).place, topic)
    if len(lies) > 1:
        (first, one), (second, other), *_ = lies.items()
        raise InvalidHandler(
            f"group {group!r} listens to {one!r} on backend {first!r} and to {other!r} on {second!r}: "
            "a group lives on one backend",
            hint="make it two handlers, each for the topics of one backend, or route these topics to one",
        )
    return next(iter(lies))
