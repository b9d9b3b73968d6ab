"""JSON lines: every line is one object, and within a handler it names the event in hand."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from vagus import App, Event, Reject, Retry
from vagus.observe.log import JsonLines

shop = logging.getLogger("shop.search")


class Query(Event):
    text: str


class Lines:
    """What was logged, as programs read it."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def of(self, logger: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if line["logger"] == logger]


@pytest.fixture
def lines() -> Iterator[Lines]:
    found, root = Lines(), logging.getLogger()
    handler = logging.StreamHandler(found.stream)
    handler.setFormatter(JsonLines())
    level = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    yield found
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def app() -> App:
    return App("memory://", name="shop")


async def logs_itself(query: Query) -> None:
    shop.info("looking for %s", query.text)


def logs_in_its_thread(query: Query) -> None:
    shop.info("looking for %s", query.text)


async def logs_in_a_task(query: Query) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(logs_itself(query))


@pytest.mark.parametrize("function", [logs_itself, logs_in_its_thread, logs_in_a_task])
async def test_line_of_a_handler_names_the_event_in_hand(app: App, lines: Lines, function: Any) -> None:
    app.on(Query, group="shop.look")(function)
    async with app.test() as trial:
        receipts = await trial.publish([Query("a"), Query("如何")])
        await trial.settled()
        traces = [(event.traceparent or "").split("-")[1] for event in trial.events(Query)]

    told = lines.of("shop.search")
    assert [line["message"] for line in told] == ["looking for a", "looking for 如何"]
    for line, receipt, trace in zip(told, receipts, traces, strict=True):
        assert (line["event"], line["run"], line["trace"]) == (receipt.id, receipt.id, trace)
        assert (line["type"], line["group"], line["attempt"], line["topic"]) == ("query", "shop.look", 1, "query")


async def test_failed_attempts_are_told_with_their_retry_and_their_end(app: App, lines: Lines) -> None:
    @app.on(Query, retry=Retry(attempts=2, base_s=1))
    async def fail(query: Query) -> None:
        raise ValueError("shop\nis closed")

    async with app.test() as trial:
        receipt = await trial.publish(Query("a"))
        await trial.move("1m")

    retry, end = lines.of("vagus.handler")
    assert (retry["level"], retry["attempt"], retry["event"]) == ("info", 1, receipt.id)
    assert (end["level"], end["attempt"], end["reason"], end["run"]) == ("error", 2, "attempts", receipt.id)
    assert "Traceback" in end["error"]
    assert "ValueError" in end["message"]


async def test_failed_items_of_a_batch_are_told_one_by_one(app: App, lines: Lines) -> None:
    @app.on(Query, batch=10)
    async def store(queries: list[Query]) -> list[Exception | None]:
        shop.info("storing")
        return [Reject("bad") if query.text == "bad" else None for query in queries]

    async with app.test() as trial:
        good, bad = await trial.publish([Query("good"), Query("bad")])
        await trial.settled()

    (storing,), (end,) = lines.of("shop.search"), lines.of("vagus.handler")
    assert (storing["group"], storing["events"]) == ("shop.store", [good.id, bad.id])
    assert (end["event"], end["reason"]) == (bad.id, "rejected")


async def test_line_outside_of_a_handler_names_no_event(app: App, lines: Lines) -> None:
    @app.on(Query)
    async def look(query: Query) -> None: ...

    async with app.test() as trial:
        await trial.publish(Query("a"))
        await trial.settled()
        shop.info("outside")

    (line,) = lines.of("shop.search")
    assert line.keys() == {"time", "level", "logger", "message", "pid"}


class Unshown:
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("extra", [object(), {1, 2}, Decimal("1.5"), Unshown(), b"\xff", float("nan"), 2**70], ids=type)
def test_no_value_of_an_extra_field_costs_the_line(lines: Lines, extra: object) -> None:
    shop.info("strange", extra={"value": extra})

    (line,) = lines.of("shop.search")
    assert "value" in line


@pytest.mark.contract("G19")
async def test_error_of_any_size_or_text_is_one_line_of_bounded_length(app: App, lines: Lines) -> None:
    @app.on(Query, retry=1)
    async def fail(query: Query) -> None:
        shop.info("half a character: \udcff, and %s", object())
        raise ValueError("x" * 1_000_000 + "\udcff")

    async with app.test() as trial:
        await trial.publish(Query("a"))
        await trial.settled()

    assert lines.of("shop.search")[0]["message"].startswith("half a character: \udcff, and <object")
    (end,) = lines.of("vagus.handler")
    assert len(json.dumps(end)) < 12_000
    assert end["error"].rstrip().endswith("x?")
