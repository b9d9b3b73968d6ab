"""Events as lines of JSON: written whole or not at all, stored again as they were, and each once."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloudevents.core.formats.json import JSONFormat

from tests.history.conftest import Bill, Order, Store
from vagus import App, Event, Wire
from vagus.backend import First, Put, Record, Topic, Unit
from vagus.errors import InvalidArgument, TopicFull
from vagus.history import Filter, Imported, Intake, Reader, Selection, export_events, whole_file
from vagus.message import Envelope


class Picture(Event):
    name: str
    pixels: bytes


def reader(app: App) -> Reader:
    return Reader(app.backend, app.clock, lambda topic: app.topics.settings(topic).wire)


async def exported(app: App, selection: Selection | None = None) -> list[bytes]:
    out = io.BytesIO()
    await export_events(reader(app), selection or Selection(), out.write)
    return out.getvalue().splitlines(keepends=True)


def gallery(place: Store) -> App:
    """An app whose events travel in every form there is."""
    app = place.app()
    app.topic(Order, keep="7d", priorities=True)
    app.topic(Bill, keep="7d", wire=Wire(mode="binary", codec="msgpack"))
    app.topic(Picture, keep="7d", wire=Wire(codec="msgpack"))
    app.topic("raw", keep="7d", wire=Wire(mode="json"))
    return app


async def shown(app: App) -> None:
    await app.publish(Order(1, text="如何重置密码？"), priority=7)
    await app.publish(Bill(2), extensions={"tenant": "t1"})
    await app.publish(Picture("猫", b"\x00\xff"))
    strange = [
        Envelope(b'{"plain": "json"}', "application/json"),
        Envelope(b"\xff\xfe not json", ""),
        Envelope(b"jpeg", "image/jpeg", {"ce-specversion": "1.0", "ce-id": "p", "ce-source": "s", "ce-type": "raw"}),
        Envelope(b'{\n"specversion": "1.0", "id": "x", "source": "s", "type": "raw"\n}'),
    ]
    await app.backend.commit([Unit([Put(Topic("raw"), envelope)]) for envelope in strange])


async def records(app: App, prefix: str = "") -> list[tuple[str, Any]]:
    """All that is there, as far as an import can keep it."""
    found: list[tuple[str, Record]] = []
    for topic in ("bill", "order", "picture", "raw"):
        found += [(topic, record) for record in await app.backend.read(f"{prefix}{topic}", First(), 100)]
    return [(topic, (r.envelope.body, r.envelope.headers, r.key, r.lane, r.generation)) for topic, r in found]


async def imported(app: App, lines: list[bytes], **options: Any) -> Imported:
    return await Intake(app.backend, **options).run(lines)


@pytest.mark.requirement("R77")
async def test_every_form_comes_back_as_it_was_and_once(place: Store, tmp_path: Path) -> None:
    app, other = gallery(place), App(f"sqlite:///{tmp_path}/other.db", name="shop")
    async with app, other:
        await shown(app)
        lines = await exported(app)
        first = await imported(other, lines)
        again = await imported(other, lines)

        assert (first.stored, first.duplicates, first.failed) == (7, 0, 0)
        assert (again.stored, again.duplicates, again.failed) == (0, 7, 0)
        assert await records(other) == await records(app)


@pytest.mark.requirement("R77", "R95")
async def test_line_is_a_cloud_event_that_people_can_read(place: Store) -> None:
    app = gallery(place)
    async with app:
        await shown(app)
        lines = [msgspec.json.decode(line) for line in await exported(app)]

    order = next(line for line in lines if line["topic"] == "order")
    assert order["event"]["data"]["text"] == "如何重置密码？"
    assert (order["key"], order["lane"], order["position"]) == ("ann", 7, 1)
    assert order["stored"].startswith("20")
    event = JSONFormat().read(None, msgspec.json.encode(order["event"]))
    assert event.get_type() == "order"
    bill = next(line for line in lines if line["topic"] == "bill")
    assert (bill["event"]["data"], bill["event"]["tenant"]) == ({"number": 2}, "t1")
    picture = next(line for line in lines if line["topic"] == "picture")
    assert picture["data"]["name"] == "猫"
    assert any("undecodable" in line for line in lines)


async def test_events_imported_where_they_came_from_are_doubles(place: Store) -> None:
    app = gallery(place)
    async with app:
        await app.publish([Order(n) for n in range(5)])
        done = await imported(app, await exported(app))
        assert (done.stored, done.duplicates) == (0, 5)


async def test_prefix_goes_before_every_topic_and_filter_holds(place: Store) -> None:
    app = gallery(place)
    async with app:
        await app.publish([Order(n) for n in range(5)])
        lines = await exported(app, Selection(only=Filter(fields={"number": 3})))
        done = await imported(app, lines, prefix="old", keep_s=60.0)
        assert done.topics == {"old.order": 1}
        (info,) = [info for info in (await app.backend.describe()).topics if info.spec.name == "old.order"]
        assert (info.spec.archive, info.spec.keep_s) == (True, 60.0)


@pytest.mark.requirement("R77")
@pytest.mark.contract("G19")
async def test_bad_lines_are_named_and_the_others_stored(place: Store) -> None:
    app = gallery(place)
    async with app:
        good = b'{"specversion":"1.0","id":"1","source":"s","type":"hello","data":1}\n'
        bad = [b"nonsense\n", b"[1]\n", b'{"topic":"a b","event":{}}\n', b'{"topic":"a"}\n', b'{"topic":"a","event":3}']
        bad += [b'{"topic":"$dead.g","event":{"specversion":"1.0","id":"1","source":"s","type":"x"}}', b"\xff{"]
        done = await imported(app, [good, b"\n", *bad])

        assert (done.stored, done.failed) == (1, 7)
        assert [line.number for line in done.bad] == [3, 4, 5, 6, 7, 8, 9]
        assert "not JSON" in done.bad[0].why
        assert "expected an object" in done.bad[1].why
        assert "no event" in done.bad[3].why


async def test_topic_that_nobody_listens_to_is_named_not_passed_over(place: Store) -> None:
    app = place.app()
    app.topics.learn(Order)
    async with app:
        line = b'{"specversion":"1.0","id":"1","source":"s","type":"order","data":{"number":1}}'
        done = await imported(app, [line])
        assert (done.stored, done.bad[0].number) == (0, 1)
        assert "nobody listens" in done.bad[0].why
        assert (await imported(app, [line], keep_s=60.0)).stored == 1


async def test_full_topic_stops_an_import_at_its_line(place: Store) -> None:
    app = place.app()
    app.topic(Order, max_events=2)

    @app.on(Order)
    async def book(order: Order) -> None: ...

    async with app:
        event = '{{"specversion":"1.0","id":"{}","source":"s","type":"order","data":{{"number":1}}}}'
        with pytest.raises(TopicFull, match="line 3 was not stored: full; 2 events were"):
            await imported(app, [event.format(n).encode() for n in range(4)])


def test_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with pytest.raises(ZeroDivisionError), whole_file(path) as write:
        write(b"half")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []

    with whole_file(path) as write:
        write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    with pytest.raises(InvalidArgument, match="already"), whole_file(path):
        pass
    with whole_file(path, replace=True) as write:
        write(b"other")
    assert path.read_bytes() == b"other"
    with pytest.raises(InvalidArgument, match="cannot write"), whole_file(tmp_path / "no" / "out.jsonl"):
        pass


async def test_export_holds_a_page_of_each_topic_in_memory(place: Store) -> None:
    app = place.app()
    app.topic(Order, keep="7d")
    async with app:
        await app.publish([Order(n, text="x" * 3_000) for n in range(450)])
        sizes: list[int] = []
        done = await export_events(reader(app), Selection(), lambda chunk: sizes.append(len(chunk)))
        assert done.count == 450
        assert max(sizes) < 300_000
        assert sum(sizes) > 450 * 3_000
