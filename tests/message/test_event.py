"""Event classes: their topic and key, what is refused when they are made, and how their data is read."""

import dataclasses
import enum
import uuid
from typing import Any

import msgspec
import pydantic
import pytest

from vagus.errors import EventTooLarge, InvalidArgument, InvalidTopic, SchemaMismatch, UndecodableEvent
from vagus.message import CODECS, Event, EventType, event_type

JSON = CODECS["application/json"]
MSGPACK = CODECS["application/msgpack"]


class UserQuery(Event, key="session_id"):
    session_id: str
    text: str = "你好"


class Rag:
    class UserQuery(Event):
        text: str


class Plain(msgspec.Struct):
    a: int


class Model(pydantic.BaseModel):
    a: int
    b: str = "x"


@dataclasses.dataclass
class Record:
    a: int


class Later(Event):
    next: "Record | None" = None


class Chain(Event):
    next: "Chain | None" = None


class Colour(enum.Enum):
    RED = "red"


def test_the_topic_is_the_name_in_dotted_snake_case() -> None:
    class LocalOne(Event):
        a: int

    assert [event_type(cls).topic for cls in (UserQuery, Rag.UserQuery, LocalOne, Model)] == [
        "user_query",
        "rag.user_query",
        "local_one",
        "model",
    ]


def test_class_keywords_join_those_of_msgspec() -> None:
    class Answer(Event, topic="rag.answer", key="run", final=True, kw_only=True, rename="camel"):
        run: str = ""
        cited_text: str

    found = event_type(Answer)

    assert (found.topic, found.key, found.final) == ("rag.answer", "run", True)
    assert found.encode_data(Answer(cited_text="x")) == b'{"run":"","citedText":"x"}'


def test_a_subclass_inherits_key_and_final_not_topic() -> None:
    class Base(Event, topic="base.one", key="k", final=True):
        k: str

    class Follower(Base):
        more: int = 0

    class Other(Base, key="more", final=False):
        more: int = 0

    assert [str(event_type(cls)) for cls in (Follower, Other)] == [
        "EventType(Follower, topic='follower', key='k', final=True)",
        "EventType(Other, topic='other', key='more', final=False)",
    ]


def test_events_are_immutable() -> None:
    with pytest.raises(AttributeError):
        UserQuery("s").text = "changed"  # type: ignore[misc]


def test_an_illegal_key_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(
        InvalidArgument, match=r"key='id_of_session' of Query is not a field: expected one of its fields \(a, b\)"
    ):

        class Query(Event, key="id_of_session"):
            a: int
            b: int


def test_a_key_of_a_class_without_fields_says_so() -> None:
    with pytest.raises(InvalidArgument, match="it has none"):

        class Tick(Event, key="k"):
            pass


@pytest.mark.parametrize("topic", ["a b", "$dead.g", ""])
def test_an_illegal_topic_is_refused_when_the_class_is_made(topic: str) -> None:
    with pytest.raises(InvalidTopic, match=r"class Query: .* is not a legal topic") as caught:

        class Query(Event, topic=topic):
            pass

    assert caught.value.hint == "give the class a topic="


def test_a_class_name_that_is_no_topic_asks_for_one() -> None:
    with pytest.raises(InvalidTopic, match="class 查询"):
        type(Event)("查询", (Event,), {"__module__": __name__, "__qualname__": "查询"})


@pytest.mark.parametrize("cls", [Plain, Model, Record], ids=lambda cls: cls.__name__)
def test_every_kind_of_class_takes_topic_key_and_final(cls: type) -> None:
    found = event_type(cls, topic="t", key="a", final=True)

    assert (found.cls, found.topic, found.key, found.final) == (cls, "t", "a", True)
    assert found is event_type(cls, topic="t", key="a", final=True)


@pytest.mark.parametrize("cls", [Plain, Model, Record], ids=lambda cls: cls.__name__)
def test_every_kind_of_class_refuses_an_unknown_key(cls: type) -> None:
    with pytest.raises(InvalidArgument, match="key='z' of"):
        event_type(cls, key="z")


def test_arguments_go_before_what_the_class_says() -> None:
    found = event_type(UserQuery, topic="other", key="text", final=True)

    assert (found.topic, found.key, found.final) == ("other", "text", True)


def test_a_dict_needs_a_topic_and_takes_any_key() -> None:
    assert event_type(dict, topic="t", key="k").key_of({"k": "v"}) == "v"
    assert event_type(dict, topic="t", key="k").key_of({}) is None
    with pytest.raises(InvalidTopic, match="need a topic"):
        event_type(dict)


@pytest.mark.parametrize("cls", [int, str, list, object, "UserQuery", None, UserQuery("s"), {"a": 1}], ids=repr)
def test_what_cannot_carry_events_is_refused(cls: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"cannot carry events"):
        event_type(cls)


def test_a_field_that_cannot_travel_is_refused_at_once() -> None:
    class Holder(Event):
        name: str
        socket: "list[Exception]"

    with pytest.raises(InvalidArgument, match="a field of type Exception cannot travel"):
        event_type(Holder)


def test_an_unknown_annotation_is_refused_with_its_name() -> None:
    class Holder(Event):
        other: "Missing"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(InvalidArgument, match="Holder names a type that is not defined: name 'Missing'"):
        event_type(Holder)


def test_an_annotation_that_cannot_compile_is_refused() -> None:
    class Holder(Event):
        either: list[int] | set[int]

    with pytest.raises(InvalidArgument, match="cannot carry events: Type unions"):
        event_type(Holder)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("s1", "s1"),
        ("", None),
        (None, None),
        (17, "17"),
        (0, "0"),
        (Colour.RED, "red"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_a_key_is_text_or_none(value: Any, key: str | None) -> None:
    class Keyed(Event, key="k"):
        k: str | int | None

    assert event_type(Keyed).key_of(msgspec.structs.replace(Keyed("x"), k=value)) == key
    assert event_type(Rag.UserQuery).key_of(Rag.UserQuery("x")) is None


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"x", (1,)])
def test_a_container_as_key_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"key 'k' of topic 't' is a .*; expected text or a number"):
        event_type(dict, topic="t", key="k").key_of({"k": value})


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (event_type(UserQuery), "UserQuery(session_id: str, text: str = '你好')"),
        (event_type(Model), "Model(a: int, b: str = 'x')"),
        (event_type(Record), "Record(a: int)"),
        (event_type(Later), "Later(next: Record | None = None)"),
        (event_type(dict, topic="t"), "a JSON object"),
    ],
    ids=str,
)
def test_a_class_is_described_in_one_line(found: EventType, line: str) -> None:
    assert found.describe() == line


@pytest.mark.requirement("R48")
@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=lambda codec: codec.name)
@pytest.mark.parametrize(
    "value",
    [UserQuery("s"), Plain(1), Model(a=1), Record(1), {"a": [1, {"b": "中文"}]}],
    ids=lambda value: type(value).__name__,
)
def test_data_alone_is_written_and_read_back_typed(value: Any, codec: Any) -> None:
    found = event_type(type(value), topic="t")

    assert found.decode_data(found.encode_data(value, codec), codec) == value


@pytest.mark.contract("G19")
@pytest.mark.parametrize("value", [{"a": 1}, Plain(1), None, UserQuery], ids=str)
def test_data_of_another_class_is_refused_with_the_fields(value: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"topic 'user_query' carries UserQuery\(session_id: str") as caught:
        event_type(UserQuery).encode_data(value)

    assert caught.value.facts["topic"] == "user_query"


@pytest.mark.contract("G19")
@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=lambda codec: codec.name)
def test_data_that_cannot_be_written_is_refused(codec: Any) -> None:
    with pytest.raises(InvalidArgument, match=rf"topic 't' cannot be written: .* has no (?i:{codec.name}) form"):
        event_type(dict, topic="t").encode_data({"a": ValueError()}, codec)


@pytest.mark.contract("G19")
@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=lambda codec: codec.name)
def test_endless_data_is_refused_as_too_deep(codec: Any) -> None:
    endless: dict[str, Any] = {}
    endless["self"] = endless

    with pytest.raises(EventTooLarge, match="nested deeper than Python can follow"):
        event_type(dict, topic="t").encode_data(endless, codec)


@pytest.mark.contract("G19")
@pytest.mark.requirement("R55")
@pytest.mark.parametrize(
    ("cls", "body", "reason"),
    [
        (UserQuery, b'{"text":"x"}', "missing required field `session_id`"),
        (UserQuery, b'{"session_id":7}', "Expected `str`, got `int`"),
        (Plain, b"[]", "Expected `object`, got `array`"),
        (Model, b'{"a":"secret"}', "a: Input should be a valid integer"),
        (Model, b"[]", "it: Input should be an object"),
        (dict, b"[]", "Expected `object`, got `array`"),
    ],
)
def test_data_that_does_not_fit_names_what_was_expected(cls: type, body: bytes, reason: str) -> None:
    found = event_type(cls, topic="t")

    with pytest.raises(SchemaMismatch) as caught:
        found.decode_data(body)

    assert reason in str(caught.value)
    assert str(caught.value).endswith(f"expected {found.describe()}")
    assert "secret" not in str(caught.value)


@pytest.mark.contract("G19")
@pytest.mark.parametrize("body", [b"", b"{", b'{"a":\xff}', b'{"\xe2\x82":1}', b"nul"])
def test_broken_bytes_are_undecodable_not_a_mismatch(body: bytes) -> None:
    with pytest.raises(UndecodableEvent) as caught:
        event_type(dict, topic="t").decode_data(body)

    assert type(caught.value) is UndecodableEvent


@pytest.mark.contract("G19")
def test_an_error_in_a_users_own_validator_is_a_mismatch() -> None:
    class Picky(Event):
        a: int

        def __post_init__(self) -> None:
            raise KeyError("no such thing")

    with pytest.raises(SchemaMismatch, match="no such thing"):
        event_type(Picky).decode_data(b'{"a":1}')


def test_a_strict_model_is_read_from_json_and_msgpack() -> None:
    class Strict(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(strict=True)
        day: uuid.UUID

    found = event_type(Strict)
    value = Strict(day=uuid.UUID(int=5))

    assert found.decode_data(found.encode_data(value)) == value
    assert found.decode_data(found.encode_data(value, MSGPACK), MSGPACK) == value


def test_a_model_inside_an_event_travels_typed() -> None:
    class Wrapper(Event):
        model: Model
        models: list[Model]

    found = event_type(Wrapper)
    value = Wrapper(Model(a=1), [Model(a=2, b="二")])

    assert found.decode_data(found.encode_data(value)) == value


def test_a_model_that_fails_in_its_own_way_is_a_mismatch() -> None:
    class Odd:
        @classmethod
        def model_validate_json(cls, text: bytes) -> None:
            raise ValueError("the moon is full")

        def model_dump_json(self) -> str:
            return "{}"

    class Wrapper(Event):
        odd: Odd

    with pytest.raises(SchemaMismatch, match="the moon is full"):
        event_type(Wrapper).decode_data(b'{"odd":{}}')


@pytest.mark.parametrize(
    ("cls", "bounded"), [(UserQuery, True), (Later, True), (Chain, False), (Model, False), (dict, False)], ids=str
)
def test_only_types_without_an_open_end_are_bounded(cls: type, bounded: bool) -> None:
    assert event_type(cls, topic="t").bounded is bounded


@pytest.mark.requirement("R114", "R115")
def test_class_says_what_its_events_are_and_hands_it_on() -> None:
    class Click(Event, kind="telemetry"):
        page: str

    class Tap(Click):
        finger: int

    class Sale(Click, kind="command"): ...

    @dataclasses.dataclass
    class Plain:
        page: str

    kinds = [event_type(cls).kind for cls in (Click, Tap, Sale, Plain)]
    assert kinds == ["telemetry", "telemetry", "command", "event"]


@pytest.mark.contract("G19")
def test_kind_that_is_none_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(InvalidArgument, match='kind of class Click: expected "event" or "command" or "telemetry"'):

        class Click(Event, kind="noise"):  # type: ignore[call-arg]
            page: str
