"""What users declare: classes of events, each with a topic and perhaps a key, and how their data is read and written.

A class is checked when it is made (topic, key), and compiled when it is first used (`event_type`), because only
then can its annotations name classes that are defined further down.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar, get_args

import msgspec

from vagus.errors import InvalidArgument, InvalidTopic, SchemaMismatch, UndecodableEvent
from vagus.message.body.limit import too_deep
from vagus.message.envelope import ReadEvent, reader_class
from vagus.message.format import JSON, Codec, into_model, is_model
from vagus.message.topic import check_topic, snake

Written = TypeVar("Written")

Kind: TypeAlias = Literal["event", "command", "telemetry"]
"""What events of a class are: facts, orders to do something, or readings of which many come and one says little."""

_MODULE = re.compile(r"\b(?:\w+\.)+(?=\w)")
_NOT_A_KEY = (bytes, bytearray, list, tuple, dict, set, frozenset)


class Declared(NamedTuple):
    """What a class says of itself: its topic, the field that is its key, whether it ends a run, what it is."""

    topic: str
    key: str | None
    final: bool
    kind: Kind = "event"


def _topic(cls: type, topic: str | None) -> str:
    try:
        return check_topic(snake(cls.__qualname__) if topic is None else topic)
    except InvalidTopic as error:
        text = f"class {cls.__name__}: {error.what}"
        raise InvalidTopic(text, hint="give the class a topic=", expected=error.facts["expected"]) from None


def _key(cls: type, fields: tuple[str, ...] | None, key: str | None) -> str | None:
    if key is not None and fields is not None and key not in fields:
        expected = f"one of its fields ({', '.join(fields) or 'it has none'})"
        raise InvalidArgument(f"key={key!r} of {cls.__name__} is not a field: expected {expected}", expected=expected)
    return key


def check_kind(kind: Any, what: str) -> Kind:
    """Return `kind` if it is one; raises InvalidArgument, `what` naming the class or the topic that it is said of."""
    if kind not in get_args(Kind):
        expected = " or ".join(f'"{one}"' for one in get_args(Kind))
        raise InvalidArgument(f"kind of {what}: expected {expected}, got {kind!r}", expected=expected)
    found: Kind = kind
    return found


@typing.dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class EventMeta(msgspec.StructMeta):
    """Takes `topic=`, `key=`, `final=` and `kind=` out of a class statement; other keywords are msgspec's own."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        topic: str | None = None,
        key: str | None = None,
        final: bool | None = None,
        kind: Kind | None = None,
        **options: Any,
    ) -> EventMeta:
        cls = super().__new__(mcls, name, bases, namespace, **options)
        inherited: Declared | None = getattr(cls, "__vagus__", None)
        if inherited is not None:
            key = inherited.key if key is None else key
            final = inherited.final if final is None else final
            kind = inherited.kind if kind is None else kind
        what = check_kind("event" if kind is None else kind, f"class {name}")
        declared = Declared(_topic(cls, topic), _key(cls, cls.__struct_fields__, key), bool(final), what)
        type.__setattr__(cls, "__vagus__", declared)
        return cls


class Event(msgspec.Struct, frozen=True, metaclass=EventMeta):
    """The base of your events: an immutable msgspec struct that knows its topic.

        class UserQuery(Event, key="session_id"):
            session_id: str
            text: str

    Class keywords: `topic` (default: the qualified name in dotted snake case, here `user_query`; never inherited),
    `key` (the field that events are ordered by; default: none), `final` (whether such an event ends its run;
    default: no), `kind` ("event", "command" or "telemetry", for routing by what events are; default: "event"), and
    every option of msgspec's structs (`kw_only`, `rename`, …).

    Raises InvalidTopic for an illegal topic and InvalidArgument for a key that is no field or a kind that is none,
    when the class is made.
    """


class EventType:
    """An event class, compiled: its topic (the CloudEvents `type`), its key, and the readers and writers of its data.

    Made by `event_type`, once per class.
    """

    __slots__ = ("_readers", "bounded", "cls", "final", "key", "kind", "structured", "topic")

    def __init__(self, cls: type, declared: Declared) -> None:
        self.cls = cls
        self.topic, self.key, self.final, self.kind = declared
        data = dict[str, Any] if cls is dict else cls
        #: Whether the type itself keeps data shallow, so that nobody needs to measure.
        self.bounded = _is_bounded(msgspec.inspect.type_info(data), ())
        #: Reads a structured document in one pass, data typed.
        self.structured: Callable[[bytes], ReadEvent] = msgspec.json.Decoder(
            reader_class(data), dec_hook=into_model
        ).decode
        self._readers: dict[str, Callable[[bytes], Any]] = {JSON.name: JSON.decoder(data)}

    def __repr__(self) -> str:
        return f"EventType({self.cls.__name__}, topic={self.topic!r}, key={self.key!r}, final={self.final})"

    def check(self, obj: object) -> None:
        """Raise InvalidArgument, naming what was expected, where `obj` is no instance of the class."""
        if not isinstance(obj, self.cls):
            raise InvalidArgument(
                f"topic {self.topic!r} carries {self.describe()}, not a {type(obj).__name__}",
                topic=self.topic,
                expected=self.describe(),
            )

    def key_of(self, obj: Any) -> str | None:
        """Return the key of `obj` as text, or None where the class has none, or where it is None or empty.

        Raises InvalidArgument where the key is a container or bytes.
        """
        if self.key is None:
            return None
        value = obj.get(self.key) if self.cls is dict else getattr(obj, self.key)
        if type(value) is str:
            return value or None
        value = getattr(value, "value", value)  # an enum stands for its value
        if isinstance(value, _NOT_A_KEY):
            raise InvalidArgument(
                f"key {self.key!r} of topic {self.topic!r} is a {type(value).__name__}; expected text or a number",
                topic=self.topic,
            )
        return None if value is None else str(value) or None

    def encode_data(self, obj: Any, codec: Codec = JSON) -> bytes:
        """Return the bytes of the data alone. Raises InvalidArgument for another class or what cannot be written."""
        self.check(obj)
        return write(codec.encode, obj, self.topic)

    def decode_data(self, body: bytes, codec: Codec = JSON) -> Any:
        """Return the data, typed. Raises SchemaMismatch where it does not fit, UndecodableEvent for broken bytes."""
        reader = self._readers.get(codec.name)
        if reader is None:
            data = dict[str, Any] if self.cls is dict else self.cls
            reader = self._readers[codec.name] = codec.decoder(data)
        try:
            return reader(body)
        except Exception as error:  # whatever a validator of the user's raises: these bytes do not become this type
            raise self.refusal(error) from error

    def refusal(self, error: Exception) -> Exception:
        """Return our error for one that a reader of this class raised on data."""
        if is_broken(error):
            return unreadable(error, self.topic, self.describe())
        return self.mismatch(str(error))

    def mismatch(self, reason: str) -> SchemaMismatch:
        """Return the error for data that does not fit, naming what was expected."""
        expected = self.describe()
        return SchemaMismatch(
            f"the data of an event of topic {self.topic!r} does not fit: {reason}; expected {expected}",
            topic=self.topic,
            reason=reason,
            expected=expected,
        )

    def describe(self) -> str:
        """Return the class and its fields in one line: `UserQuery(session_id: str, text: str, limit: int = 5)`."""
        if self.cls is dict:
            return "a JSON object"
        fields = (_described(field) for field in inspect.signature(self.cls).parameters.values())
        return f"{self.cls.__name__}({', '.join(fields)})"


def event_type(cls: type, topic: str | None = None, key: str | None = None, final: bool | None = None) -> EventType:
    """Return the compiled form of an event class; the same object for the same arguments.

    `cls` is a subclass of Event, another msgspec struct, a pydantic model (2.x), a dataclass, or `dict`, which needs
    a `topic`. What is given here goes before what the class says of itself.

    Raises InvalidTopic or InvalidArgument, naming what was expected.
    """
    try:
        return _event_type(cls, topic, key, final)
    except TypeError as error:  # an unhashable argument, or an annotation that msgspec cannot compile
        raise InvalidArgument(f"{cls!r} cannot carry events: {error}") from error


@lru_cache(maxsize=1024)
def _event_type(cls: type, topic: str | None, key: str | None, final: bool | None) -> EventType:
    fields = _fields(cls)
    declared: Declared | None = getattr(cls, "__vagus__", None)
    if declared is not None:
        topic = declared.topic if topic is None else topic
        key = declared.key if key is None else key
        final = declared.final if final is None else final
    if cls is dict and topic is None:
        raise InvalidTopic("events that are plain dicts need a topic: expected topic='rag.user_query'")
    kind = "event" if declared is None else declared.kind
    known = Declared(_topic(cls, topic), _key(cls, fields, key), bool(final), kind)
    try:
        return EventType(cls, known)
    except NameError as error:
        text = f"{cls.__name__} names a type that is not defined: {error}"
        raise InvalidArgument(text, hint="define the class at the top level of a module") from error


def _fields(cls: object) -> tuple[str, ...] | None:
    """Return the field names of an event class; None for `dict`, which may have any."""
    if cls is dict:
        return None
    if isinstance(cls, msgspec.StructMeta):
        return cls.__struct_fields__
    if isinstance(cls, type) and is_model(cls):
        return tuple(cls.model_fields)  # type: ignore[attr-defined]  # pydantic's, known by duck typing
    if isinstance(cls, type) and dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls))
    expected = "a subclass of Event, a msgspec struct, a pydantic model, a dataclass, or dict with a topic"
    raise InvalidArgument(f"{cls!r} cannot carry events: expected {expected}", expected=expected)


def _described(field: inspect.Parameter) -> str:
    note = field.annotation if isinstance(field.annotation, str) else inspect.formatannotation(field.annotation)
    note = _MODULE.sub("", note)
    if field.default is inspect.Parameter.empty:
        return f"{field.name}: {note}"
    return f"{field.name}: {note} = {field.default!r}"


def _is_bounded(node: msgspec.inspect.Type, above: tuple[msgspec.inspect.Type, ...]) -> bool:
    """Tell whether data of a type can only be as deep as the type: nothing in it is Any, foreign or recursive.

    Raises InvalidArgument for a class that nothing can write: better said here than at the first event.
    """
    if isinstance(node, msgspec.inspect.CustomType):
        if not is_model(node.cls):
            raise InvalidArgument(f"a field of type {node.cls.__name__} cannot travel: it has no JSON form")
        return False
    if isinstance(node, msgspec.inspect.AnyType | msgspec.inspect.RawType) or any(node is one for one in above):
        return False
    inside = [_is_bounded(child, (*above, node)) for child in _children(node)]
    return all(inside)


def _children(node: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    for name in node.__struct_fields__:
        value = getattr(node, name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, msgspec.inspect.Type):
                yield item
            elif isinstance(item, msgspec.inspect.Field):
                yield item.type


def write(encode: Callable[[Any], Written], obj: Any, topic: str) -> Written:
    """Return what `encode` makes of `obj`; raises EventTooLarge for endless nesting, else InvalidArgument."""
    try:
        return encode(obj)
    except RecursionError as error:
        raise too_deep(topic) from error
    except Exception as error:  # whatever a serializer of the user's raises: this object cannot be published
        raise InvalidArgument(f"an event of topic {topic!r} cannot be written: {error}", topic=topic) from error


def is_broken(error: Exception) -> bool:
    """Tell whether a decoder's error blames the bytes; else they are sound, and do not fit the type."""
    if isinstance(error, msgspec.ValidationError):
        return False
    return isinstance(error, msgspec.MsgspecError | UnicodeDecodeError | RecursionError)


def unreadable(error: Exception, topic: str, expected: str) -> Exception:
    """Return our error for one that a decoder raised on bytes of `topic`."""
    if isinstance(error, RecursionError):
        return too_deep(topic)
    return UndecodableEvent(
        f"an event of topic {topic!r} cannot be decoded: {error}; expected {expected}",
        topic=topic,
        reason=str(error),
        expected=expected,
    )
