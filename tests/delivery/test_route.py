"""Which backend carries a topic, as a table; and what a policy may not say."""

from __future__ import annotations

from typing import Any

import pytest

from vagus.delivery.route import Policy, Route, Routes, Rule, Subject, check_routes, home_of, parse_routes, role_of
from vagus.errors import InvalidArgument, InvalidHandler, InvalidTopic

BACKENDS = {"queue": "sqlite:///queue.db", "log": {"url": "sqlite:///log.db", "role": "log"}, "old": "memory://old"}


def policy(*rules: Rule | dict[str, Any], default: str = "queue", **backends: Any) -> Policy:
    return check_routes(Routes(backends={**BACKENDS, **backends}, rules=rules, default=default), "memory://")


RULES: list[tuple[list[Rule], Subject, str]] = [
    ([Rule(topic="audit.#", to="log")], Subject("audit.login"), "log"),
    ([Rule(topic="audit.#", to="log")], Subject("login"), "queue"),
    ([Rule(topic="*.login", to="log")], Subject("shop.login"), "log"),
    ([Rule(kind="command", to="old")], Subject("pay", "command"), "old"),
    ([Rule(kind="command", to="old")], Subject("pay", "event"), "queue"),
    ([Rule(event="Payment", to="old")], Subject("pay", "event", "Shop.Payment"), "old"),
    ([Rule(event="Shop.Payment", to="old")], Subject("pay", "event", "Shop.Payment"), "old"),
    ([Rule(event="Payment", to="old")], Subject("pay", "event", "Refund"), "queue"),
    ([Rule(event="Payment", kind="command", to="old")], Subject("pay", "event", "Payment"), "queue"),
    ([Rule(topic="a.#", to="log"), Rule(topic="a.b", to="old")], Subject("a.b"), "log"),
    ([Rule(topic="a.b", to="old"), Rule(topic="a.#", to="log")], Subject("a.b"), "old"),
    ([Rule(topic="a", shadow="log")], Subject("a"), "queue"),
    ([Rule(topic="a", to="default")], Subject("a"), "default"),
    ([], Subject("click", "telemetry"), "log"),
    ([Rule(kind="telemetry", to="queue")], Subject("click", "telemetry"), "queue"),
    ([], Subject("pay", "command"), "queue"),
]


@pytest.mark.requirement("R110", "R111", "R114")
@pytest.mark.parametrize(("rules", "subject", "place"), RULES)
def test_first_rule_that_fits_decides_and_then_the_default(rules: list[Rule], subject: Subject, place: str) -> None:
    assert policy(*rules).route(subject).place == place


@pytest.mark.requirement("R115")
@pytest.mark.parametrize(("default", "place"), [("old", "jobs"), ("jobs", "jobs"), ("other", "other"), ("log", "jobs")])
def test_command_goes_to_a_queue_where_one_is_named(default: str, place: str) -> None:
    queues = {"jobs": {"url": "sqlite:///jobs.db", "role": "queue"}, "other": "amqp://host"}

    found = policy(default=default, **queues).route(Subject("pay", "command"))

    assert (found.place, found.why) == (place, f"commands go to a queue, and {place} is one")


def test_a_route_says_which_rule_decided_and_whom_it_copies_to() -> None:
    found = policy(Rule(kind="event", topic="order.*", to="old", shadow="log"))

    assert found.route(Subject("order.made")) == Route("old", "rule 1: kind event, topic order.*", "log")
    assert found.route(Subject("other")) == Route("queue", "no rule fits: the default")


def test_backend_may_be_given_as_a_url_with_its_password_masked() -> None:
    found = policy(Rule(topic="a", to="amqp://me:secret@host/x", shadow="kafka://log"))

    route = found.route(Subject("a"))
    assert (route.place, route.shadow) == ("amqp://me:***@host/x", "kafka://log")
    assert found.places[route.place].url == "amqp://me:secret@host/x"


def test_only_backends_that_events_can_go_to_are_used() -> None:
    found = policy(Rule(topic="a", to="old", shadow="memory://copy"), default="queue")

    assert [place.name for place in found.used] == ["queue", "old", "log"]


@pytest.mark.parametrize(("url", "role"), [("kafka://a", "log"), ("amqp://a", "queue"), ("sqlite:///a", None)])
def test_some_schemes_say_what_their_backend_is_best_at(url: str, role: str | None) -> None:
    assert role_of(url) == role


TEXT = """
default = "queue"

[backends]
queue = "sqlite:///queue.db"
log = { url = "sqlite:///log.db", role = "log" }

[[rules]]          # line 8
event = "Payment"
to = "queue"

[[rules]]          # line 12
topic = "audit.#"
to = "log"
"""


@pytest.mark.requirement("R110")
def test_policy_file_is_read_and_rules_know_their_line() -> None:
    routes, where = parse_routes(TEXT, "routes.toml")

    found = check_routes(routes, "memory://", where)
    assert found.route(Subject("audit.x")) == Route("log", "routes.toml line 12: topic audit.#")
    assert found.route(Subject("p", event="Payment")).why == "routes.toml line 8: event Payment"
    assert found.route(Subject("other")).place == "queue"


@pytest.mark.contract("G19")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default = x", r"routes\.toml is not TOML: .*line 1"),
        ("rule = []", r"routes\.toml says 'rule': expected backends, default, rules"),
        ("\n[[rules]]\nkind = 'noise'\nto='default'", r"routes\.toml line 2: Invalid enum value 'noise'"),
        ("\n[[rules]]\ntpoic = 'a'\nto='default'", "routes.toml line 2: .*tpoic.*expected some of kind, event, topic"),
        ("[[rules]]\nto = 'default'", "routes.toml line 1: expected kind, event or topic"),
        ("[[rules]]\ntopic='a'\nto = 'nowhere'", "line 1: there is no backend 'nowhere': expected one of default"),
        ("[[rules]]\ntopic='a'\nshadow='default'", "line 1: its shadow is 'default', where the events go anyway"),
        ("rules = [{to = 'default'}]", r"routes\.toml rule 1: expected kind, event or topic"),
        ("rules = 3", "expected backends by name, and a list of rules"),
        ("backends = 3", "expected backends by name, and a list of rules"),
        ("default = 3", "expected default to be the name of a backend, got 3"),
        ("default = 'x'", "default: there is no backend 'x'"),
        ("backends = {log = {role = 'log'}}", "backend 'log': expected a URL"),
        ("backends = {log = 3}", "backend 'log': expected a URL"),
        ("backends = {log = {url = 'memory://', role = 'lake'}}", 'expected role "log" or "queue", got \'lake\''),
    ],
)
def test_what_is_wrong_with_a_policy_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        check_routes(*_swapped(parse_routes(text, "routes.toml")))


def _swapped(parsed: tuple[Routes, tuple[str, ...]]) -> tuple[Routes, str, tuple[str, ...]]:
    return parsed[0], "memory://", parsed[1]


def test_pattern_and_kind_of_a_rule_in_code_are_checked_too() -> None:
    with pytest.raises(InvalidTopic, match="not a legal pattern"):
        policy(Rule(topic="a..b", to="log"))
    with pytest.raises(InvalidArgument, match='kind of rule 1: expected "event"'):
        policy(Rule(kind="noise", to="log"))  # type: ignore[arg-type]


def route(topic: str) -> Route:
    return policy(Rule(topic="audit.#", to="log")).route(Subject(topic))


@pytest.mark.parametrize(
    ("patterns", "topics", "home"),
    [
        (["audit.login"], [], "log"),
        (["order", "payment"], ["order"], "queue"),
        (["audit.*"], ["audit.login", "order"], "log"),
        (["#"], ["order", "payment"], "queue"),
        (["audit.#"], [], "log"),
        (["shop.#"], ["audit.login"], "queue"),
    ],
)
def test_group_lives_where_its_topics_lie(patterns: list[str], topics: list[str], home: str) -> None:
    assert home_of("g", patterns, topics, route) == home


@pytest.mark.parametrize(("patterns", "topics"), [(["order", "audit.login"], []), (["#"], ["audit.login", "order"])])
def test_group_whose_topics_lie_apart_is_refused_by_name(patterns: list[str], topics: list[str]) -> None:
    with pytest.raises(InvalidHandler, match=r"group 'g' listens to '.*' on backend '.*' and to '.*' on '.*'"):
        home_of("g", patterns, topics, route)
