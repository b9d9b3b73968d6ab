"""How an object of the user's becomes a put: its topic, identity, cause, lane and bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from vagus.app.identity import Identities
from vagus.app.topics import Topics, TopicSettings, seconds
from vagus.backend import Delivery, Lane, Outcome, Position, Put, PutOutcome, Topic
from vagus.delivery.hop import HopLimit, next_hops
from vagus.delivery.lane import LANES, lane_of
from vagus.errors import BackendError, DiskFull, InvalidArgument, NoGroup, PublishUnconfirmed, TopicFull, VagusError
from vagus.message import CloudEvent, EventType, Wire, check_topic, encode, instant_text
from vagus.message.body.claim import claimed
from vagus.reliability.dedupe import output_id, published

_OURS = "vagus."


class PublishOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one event is published; the keyword arguments of `App.publish`.

    `topic`: where to; default the topic of its class, needed for a dict. `key`: what it is ordered by; default the
    class's key. `delay_s`: not before that many seconds (or "5m"). `expires_s`: not handled later than that.
    `priority`: 0 to 9, for a topic with priorities. `wait_s`: how long to wait for room on a full topic; 0 raises
    `TopicFull` at once; default as the topic's `when_full` says. `id`, `source`: its identity, for publishing it again
    safely. `extensions`: CloudEvents attributes of your own.
    """

    topic: str | None = None
    key: str | None = None
    delay_s: float | str = 0.0
    expires_s: float | str | None = None
    priority: int | None = None
    id: str | None = None
    source: str | None = None
    extensions: Mapping[str, str | int | bool] | None = None
    wait_s: float | str | None = None


DEFAULTS = PublishOptions()


def publish_options(options: Mapping[str, Any]) -> PublishOptions:
    """Return the options of a publish. Raises `InvalidArgument` for one that is unknown, or of another type."""
    if not options:
        return DEFAULTS
    known = PublishOptions.__struct_fields__
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InvalidArgument(f"unknown option {unknown[0]!r} of publish: expected one of {', '.join(known)}")
    made = PublishOptions(**options)
    for name in ("id", "source"):
        if (value := getattr(made, name)) is not None and (not isinstance(value, str) or not value):
            raise InvalidArgument(f"{name}: expected text that is not empty, got {value!r}")
    if made.key is not None and not isinstance(made.key, str):
        raise InvalidArgument(f"key: expected text, got {made.key!r}", hint="key=str(...)")
    if made.extensions is not None and not isinstance(made.extensions, Mapping):
        raise InvalidArgument(f"extensions: expected a mapping of names to values, got {made.extensions!r}")
    return made


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What became of a published event: it is stored. `duplicate`: it was before, and nothing changed.

    `dropped`: why middleware let it go; then it is not stored, and has no id unless one was given.
    """

    id: str
    topic: str
    position: Position | None
    duplicate: bool = False
    dropped: str | None = None


class Cause(msgspec.Struct, frozen=True):
    """The handling that an output comes from."""

    event: CloudEvent
    delivery: Delivery
    group: str
    member: str | None


class Route(NamedTuple):
    """Where the events of a class go, and how."""

    etype: EventType
    target: Topic
    wire: Wire
    body_limit: int | None


class HopsExceeded(Exception):
    """An output would be too far from the first event of its chain; its cause becomes a dead letter."""


class Publisher:
    """Makes puts for one app. `body_limit`: what is larger goes by reference; None: the app has no blob store."""

    def __init__(self, topics: Topics, identities: Identities, source: str, body_limit: int | None = None) -> None:
        self._topics = topics
        self._identities = identities
        self._source = source
        self._body_limit = body_limit
        self._routes: dict[type, Route] = {}
        self._routed_at = -1

    def first(self, obj: Any, options: PublishOptions, *, until: str | None = None) -> tuple[Put, CloudEvent]:
        """Return the put of an event that nothing caused; `until` marks the first event of a started run.

        The priority of a started run is that of all that follows, so its first topic need not have priorities.
        """
        if options is DEFAULTS and until is None and type(obj) is not dict:
            return self._plain(obj)
        id = options.id or self._identities.new()[0]
        trace = self._identities.trace(id, None)
        event = self._event(obj, options, id, correlationid=id, traceparent=trace, vagusrun=until)
        if until is not None and options.priority is not None:
            lane_of(options.priority)
            options = msgspec.structs.replace(options, priority=None)
        return self._put(event, options, heard=True), event

    def _plain(self, obj: Any) -> tuple[Put, CloudEvent]:
        """Do the same for an event without options, of which there are most: the road that must be short."""
        if self._routed_at != self._topics.revision:
            self._routes, self._routed_at = {}, self._topics.revision
        etype, target, wire, limit = self._routes.get(type(obj)) or self._route(type(obj))
        key = None if etype.key is None else etype.key_of(obj)
        id, time, trace = self._identities.new()
        event = CloudEvent(
            id=id,
            source=self._source,
            type=etype.topic,
            time=time,
            correlationid=id,
            partitionkey=key,
            traceparent=trace,
            data=obj,
        )
        envelope = encode(etype, event, wire) if limit is None else claimed(etype, event, wire, limit)
        return Put(target, envelope, key, 0, 0.0, published(self._source, id)), event

    def _route(self, cls: type) -> Route:
        etype = self._topics.learn(cls)
        target = Topic(self._topics.qualified(etype.topic))
        settings = self._topics.settings(etype.topic)
        route = self._routes[cls] = Route(etype, target, settings.wire, self._limit(etype.topic, settings))
        return route

    def _limit(self, topic: str, settings: TopicSettings) -> int | None:
        """Return above how many bytes an event's data goes by reference; events of vagus' own never do."""
        if self._body_limit is None or topic.startswith(_OURS):
            return None
        return settings.body_limit or self._body_limit

    def output(self, obj: Any, options: PublishOptions, cause: Cause, index: int) -> tuple[Put, CloudEvent]:
        """Return the put of a handling's output number `index`, its id derived from the cause."""
        hops = next_hops(cause.event.vagushops)
        if isinstance(hops, HopLimit):
            raise HopsExceeded(hops.sentence)
        id = output_id(cause.event.id, cause.delivery.generation, cause.group, cause.member, index)
        event = self._event(
            obj,
            options,
            id,
            correlationid=cause.event.correlationid or cause.event.id,
            causationid=cause.event.id,
            traceparent=self._identities.trace(id, cause.event.traceparent),
            vagushops=hops,
            vagusrun=cause.event.vagusrun,
            inherited=None if cause.event.vagusrun is None else cause.event.vaguspriority,
        )
        return self._put(event, options, heard=False), event

    def tell(self, fact: Any, about: CloudEvent | None) -> Put:
        """Return the put of an event of vagus' own, which nobody needs to listen to; `about` is what it tells of."""
        attributes: dict[str, Any] = {}
        if about is not None:
            attributes = {"correlationid": about.correlationid or about.id, "causationid": about.id}
        id = self._identities.new()[0]
        trace = self._identities.trace(id, about.traceparent if about else None)
        event = self._event(fact, DEFAULTS, id, traceparent=trace, **attributes)
        return self._put(event, DEFAULTS, heard=False)

    def _event(
        self, obj: Any, options: PublishOptions, id: str, inherited: int | None = None, **attributes: Any
    ) -> CloudEvent:
        if type(obj) is dict:
            if options.topic is None:
                raise InvalidArgument("a dict says nowhere what it is", hint='publish({...}, topic="rag.user_query")')
            kind, key = check_topic(options.topic), options.key
        else:
            etype = self._topics.learn(type(obj))
            kind, key = etype.topic, options.key or etype.key_of(obj)
        if options.expires_s is not None:
            late = self._identities.now() + seconds(options.expires_s, "expires_s")
            attributes["expirytime"] = instant_text(late)
        return CloudEvent(
            id=id,
            source=options.source or self._source,
            type=kind,
            time=self._identities.time(),
            partitionkey=key,
            vaguspriority=inherited if options.priority is None else options.priority,
            data=obj,
            **attributes,
        )

    def _put(self, event: CloudEvent, options: PublishOptions, *, heard: bool) -> Put:
        topic = options.topic or event.type
        settings = self._topics.settings(topic)
        etype, limit = self._topics.type_of(event.type), self._limit(topic, settings)
        if limit is None:
            envelope = encode(etype, event, settings.wire, options.extensions)
        else:
            envelope = claimed(etype, event, settings.wire, limit, options.extensions)
        return Put(
            Topic(self._topics.qualified(check_topic(topic) if options.topic else topic)),
            envelope,
            key=event.partitionkey,
            lane=_own_lane(event, settings) if options.priority is None else _lane(options.priority, settings, topic),
            after_s=seconds(options.delay_s, "delay_s") if options.delay_s else 0.0,
            dedupe=published(event.source, event.id),
            heard=heard,
        )


def _own_lane(event: CloudEvent, settings: TopicSettings) -> Lane:
    """Return the lane of an event that has its priority from its run; 0 for one that makes no sense."""
    priority = event.vaguspriority
    return priority if settings.priorities and priority is not None and 0 <= priority < LANES else 0


def _lane(priority: int, settings: TopicSettings, topic: str) -> Lane:
    lane = lane_of(priority)
    if not settings.priorities:
        raise InvalidArgument(
            f"topic {topic!r} has no priorities: priority={priority} would change nothing",
            hint=f'app.topic("{topic}", priorities=True)',
        )
    return lane


def receipts_of(outcome: Outcome, events: Sequence[CloudEvent], topic: str | None) -> list[Receipt]:
    """Return what to tell the publisher of `events`; raises the named error for what was not stored.

    `topic`: where to, if not to the topic of each event's type.
    """
    if not outcome.done:
        refused, event = min(zip(outcome.puts, events, strict=True), key=lambda pair: pair[0].status == "untried")
        raise refusal(refused, topic or event.type)
    return [
        Receipt(event.id, topic or event.type, put.position, put.status == "duplicate")
        for event, put in zip(events, outcome.puts, strict=True)
    ]


def refusal(outcome: PutOutcome, topic: str) -> VagusError:
    """Return the error for a put that was refused, or whose outcome is unknown."""
    if outcome.status == "unknown":
        return PublishUnconfirmed(
            f"an event for topic {topic!r} may or may not have been stored", hint="publish it again with the same id"
        )
    if outcome.why == "no group":
        return NoGroup(
            f"nobody was ever declared to listen to topic {topic!r}, and it keeps nothing",
            hint=f'declare a handler for it, or keep its events: app.topic("{topic}", keep="7d")',
        )
    if outcome.why == "full":
        return TopicFull(
            f"topic {topic!r} is full", hint="wait for its handlers, add workers, or raise max_events of the topic"
        )
    if outcome.why == "disk":
        return DiskFull("the disk is full: the event was not stored", hint="free some space; nothing else is needed")
    return BackendError(f"an event for topic {topic!r} was not stored: {outcome.why or outcome.status}")
