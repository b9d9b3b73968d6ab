"""What lies on a backend of another kind than it is: telemetry in a queue, orders in a log or in memory alone."""

from __future__ import annotations

from collections.abc import Iterator

from vagus.app.app import App
from vagus.app.routing.placement import OWN_PREFIX, Placement
from vagus.cli.findings.examined import Examined, Finding
from vagus.delivery.route import Place, Routes, check_routes
from vagus.message import matches
from vagus.reliability.retry import DEFAULT

_MEMORY = "memory:"


def misplaced_topics(seen: Examined) -> Iterator[Finding]:
    """Look at the topics that the code knows, and at the backend that each of them goes to."""
    app = seen.app
    if app is None:
        return
    policy = app.policy or check_routes(Routes(), app.url)
    placement = Placement(policy, app.topics, policy.default)
    for topic in app.topics.known:
        if not topic.startswith(OWN_PREFIX):
            place = policy.places[placement.route(app.topics.qualified(topic)).place]
            yield from _topic(app, topic, place)
    if app.policy is not None:
        yield from _retries_in_memory(app, placement)


def _topic(app: App, topic: str, place: Place) -> Iterator[Finding]:
    kind = app.topics.kind_of(topic)
    if kind == "telemetry" and place.role == "queue":
        text = f"telemetry goes to {place.name}, a queue: many small readings belong in a log"
        yield Finding("remark", topic, text, 'Rule(kind="telemetry", to="...") to a backend with role "log"')
    if kind != "command":
        return
    if place.role == "log":
        text = f"commands go to {place.name}, a log: orders that are to be done once belong in a queue, with confirms"
        yield Finding("remark", topic, text, 'Rule(kind="command", to="...") to a backend with role "queue"')
    if place.url.startswith(_MEMORY):
        text = f"commands go to {place.name}, which forgets them when its process ends"
        yield Finding("problem", topic, text, "route them to a backend that keeps them, such as sqlite:///vagus.db")
    handlers = [(name, one) for name, one in app.handlers.items() if any(matches(p, topic) for p in one.patterns)]
    for name, handler in handlers:
        if handler.mode == "all":
            text = f'it carries out the commands of {topic} with deliver="all": once for each of its members'
            yield Finding("remark", name, text, 'deliver="once" carries out an order once')
    if not handlers:
        yield Finding("remark", topic, "no handler of the app carries out these commands", "@app.on(...)")


def _retries_in_memory(app: App, placement: Placement) -> Iterator[Finding]:
    """Look at what `retry=` promises of handlers whose topics are routed to a process's memory."""
    for name, handler in app.handlers.items():
        if handler.policies is DEFAULT or all(policy.attempts == 1 for policy in handler.policies):
            continue
        routes = [placement.route(app.topics.qualified(pattern)) for pattern in handler.patterns]
        for place in {route.place for route in routes}:
            if placement.policy.places[place].url.startswith(_MEMORY):
                text = f"it has retry=, but {place} forgets what waits, and its dead letters, when its process ends"
                yield Finding("problem", name, text, "route its topics to a backend that keeps them")
