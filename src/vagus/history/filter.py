"""Which events of a log are meant, by what they say of themselves. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from vagus.errors import InvalidArgument
from vagus.message import CloudEvent, matches, trace_id

_ABSENT = object()


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are meant. Within one kind any of the values fits; of the kinds that are named, each must fit.

    `types`: CloudEvents types, or patterns of them. `keys`, `runs`, `sources`: as they are. `traces`: trace ids, or
    whole traceparents. `fields`: fields of the data by their dotted path, with the value that each must have
    (`{"order.lang": "zh"}`). Default: every event, also one that cannot be decoded.
    """

    types: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    fields: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def all(self) -> bool:
        """Whether every event is meant, so that none needs to be decoded to know."""
        return self == EVERYTHING

    def fits(self, event: CloudEvent | None, key: str | None) -> bool:
        """Return whether an event is meant; `event` is None where it cannot be decoded, `key` is what it is put by."""
        if self.keys and key not in self.keys:
            return False
        if event is None:
            return not (self.types or self.runs or self.traces or self.sources or self.fields)
        return (
            _any_matches(self.types, event.type)
            and (not self.runs or (event.correlationid or event.id) in self.runs)
            and (not self.sources or event.source in self.sources)
            and (not self.traces or _traced(event, self.traces))
            and all(_same(_at(event.data, path), value) for path, value in self.fields.items())
        )


EVERYTHING = Filter()


def field_test(text: str) -> tuple[str, Any]:
    """Return the path and the value that `PATH=VALUE` means; a value that is JSON is read as such, else it is text.

    Raises InvalidArgument where there is no `=`.
    """
    path, equals, value = text.partition("=")
    path = path.strip().removeprefix("data.")
    if not equals or not path:
        raise InvalidArgument(f"{text!r} names no field and value: expected such as lang=zh or order.paid=true")
    try:
        return path, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return path, value


def _any_matches(patterns: tuple[str, ...], name: str) -> bool:
    return not patterns or any(matches(pattern, name) for pattern in patterns)


def _traced(event: CloudEvent, traces: tuple[str, ...]) -> bool:
    return event.traceparent is not None and (event.traceparent in traces or trace_id(event.traceparent) in traces)


def _same(found: Any, wanted: Any) -> bool:
    # A number that was typed on a command line may stand as text in the event, never the other way round.
    return bool(found == wanted and isinstance(found, bool) == isinstance(wanted, bool)) or (
        isinstance(found, str) and not isinstance(wanted, str) and found == msgspec.json.encode(wanted).decode()
    )


def _at(data: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(data, list) and name.isdigit() and int(name) < len(data):
            data = data[int(name)]
        elif isinstance(data, Mapping):
            data = data.get(name, _ABSENT)
        else:
            return _ABSENT
    return data
