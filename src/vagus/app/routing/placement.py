"""Where each topic and group of one app lies: the policy's decisions, remembered by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vagus.app.topics import Topics
from vagus.backend import GroupSpec, TopicSpec
from vagus.delivery.route import Policy, Route, Subject, home_of

OWN_PREFIX = "vagus."
"""Topics whose names start like this are ours, and lie where the state is."""


class Placement:
    """Answers for the names that backends know: those with the app's namespace."""

    def __init__(self, policy: Policy, topics: Topics, state: str) -> None:
        self.policy = policy
        self.topics = topics
        self.state = state
        self._routes: dict[str, Route] = {}
        self._homes: dict[str, str] = {}
        self._decided_at = -1

    def route(self, name: str) -> Route:
        """Return where a topic goes."""
        if self._decided_at != self.topics.revision:
            self._routes, self._decided_at = {}, self.topics.revision
        found = self._routes.get(name)
        if found is None:
            found = self._routes[name] = self._decide(self.topics.bare(name))
        return found

    def _decide(self, topic: str) -> Route:
        if topic.startswith(OWN_PREFIX):
            return Route(self.state, "it is vagus' own: beside the state")
        etype = self.topics.type_of(topic)
        event = "" if etype is None else etype.cls.__qualname__
        return self.policy.route(Subject(topic, self.topics.kind_of(topic), event))

    def settle(self, topics: Sequence[TopicSpec], groups: Iterable[GroupSpec]) -> None:
        """Give each group its home; see `home_of` for what is refused."""
        names = [spec.name for spec in topics if not self.topics.bare(spec.name).startswith(OWN_PREFIX)]
        for group in groups:
            self._homes[group.name] = home_of(group.name, group.patterns, names, self.route)

    def learn(self, group: str, place: str) -> None:
        """Take where a group lies that the app did not declare."""
        self._homes[group] = place

    def home(self, group: str) -> str | None:
        """Return where a group lies; None where that is not known."""
        return self._homes.get(group)
