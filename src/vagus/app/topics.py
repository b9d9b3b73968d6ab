"""Which topics an app knows: the settings of each, and which class travels on it."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import msgspec

from vagus.backend import TopicSpec
from vagus.delivery.lane import LANES
from vagus.errors import InvalidHandler
from vagus.message import DEFAULT_WIRE, EventType, Kind, Wire, check_topic, event_type, qualify
from vagus.message.duration import seconds as seconds

WhenFull: TypeAlias = Literal["raise", "wait"]


class TopicSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an app says of a topic: lanes, retention in seconds (None: the backend's own), bound, wire, kind.

    `when_full`: whether publishers are refused, or wait for room. `body_limit`: what is larger goes by reference.
    """

    priorities: bool = False
    keep_s: float | None = None
    max_events: int | None = None
    wire: Wire = DEFAULT_WIRE
    kind: Kind | None = None
    when_full: WhenFull = "raise"
    body_limit: int | None = None

    def spec(self, name: str) -> TopicSpec:
        """Return the declaration of the topic on a backend."""
        return TopicSpec(
            name=name,
            lanes=LANES if self.priorities else 1,
            keep_s=self.keep_s,
            archive=self.keep_s is not None,
            max_events=self.max_events,
        )


class Topics:
    """The topics of one app, by the name that the user gives them; backends see them with the namespace before."""

    def __init__(self, namespace: str | None) -> None:
        self._namespace = namespace
        self._settings: dict[str, TopicSettings] = {}
        self._types: dict[str, EventType] = {}
        self._qualified: dict[str, str] = {}
        self.revision = 0
        self._any_waits = False

    def configure(self, topic: str | type, **changes: Any) -> str:
        """Take settings for a topic; return its name."""
        name = self.learn(topic).topic if isinstance(topic, type) else check_topic(topic)
        self.revision += 1
        self._any_waits |= changes.get("when_full") == "wait"
        self._settings[name] = msgspec.structs.replace(self.settings(name), **changes)
        return name

    def settings(self, topic: str) -> TopicSettings:
        """Return the settings of a topic, the defaults where none were given."""
        return self._settings.get(topic) or _DEFAULT

    def learn(self, cls: type) -> EventType:
        """Return the compiled form of an event class, which from now on belongs to its topic.

        Raises `InvalidHandler` when another class of the app has the same topic.
        """
        found = event_type(cls)
        known = self._types.get(found.topic)
        if known is None:
            self.revision += 1
            known = self._types[found.topic] = found
        if known.cls is not cls:
            raise InvalidHandler(
                f"topic {found.topic!r} carries {known.cls.__qualname__}, it cannot carry {cls.__qualname__} too",
                hint=f"give one of the classes another topic: class {cls.__name__}(Event, topic=...)",
            )
        return found

    def type_of(self, topic: str) -> EventType | None:
        """Return the class that travels on a topic, None when the app knows none."""
        return self._types.get(topic)

    def kind_of(self, topic: str) -> Kind:
        """Return what the events of a topic are: as its settings say, else its class; "event" where nothing says."""
        etype = self._types.get(topic)
        return self.settings(topic).kind or (etype.kind if etype else "event")

    @property
    def known(self) -> list[str]:
        """The topics of which something is known, settings or a class, sorted."""
        return sorted({*self._settings, *self._types})

    def qualified(self, topic: str) -> str:
        """Return the name by which backends know a topic, a pattern or a group."""
        name = self._qualified.get(topic)
        if name is None:
            name = self._qualified[topic] = qualify(self._namespace, topic) if self._namespace else topic
        return name

    def bare(self, name: str) -> str:
        """Return the user's name of what a backend calls `name`."""
        prefix = f"{self._namespace}."
        return name[len(prefix) :] if self._namespace and name.startswith(prefix) else name

    def patience_s(self, topic: str, wait_s: float | str | None) -> float:
        """Return how long a publisher waits for room on a topic, in seconds: as it says, else as the topic does."""
        if wait_s is not None:
            return seconds(wait_s, "wait_s")
        return math.inf if self.settings(topic).when_full == "wait" else 0.0

    @property
    def any_waits(self) -> bool:
        """Whether publishers wait for room on any topic without saying so."""
        return self._any_waits

    def specs(self) -> list[TopicSpec]:
        """Return the declarations of all topics that the app knows."""
        return [self.settings(name).spec(self.qualified(name)) for name in self.known]

    @property
    def prioritised(self) -> bool:
        """Whether any topic has priority lanes."""
        return any(settings.priorities for settings in self._settings.values())


_DEFAULT = TopicSettings()


def wire_of(wire: Wire | Literal["structured", "binary", "json"]) -> Wire:
    """Return the wire settings that a word stands for."""
    return wire if isinstance(wire, Wire) else Wire(mode=wire)
