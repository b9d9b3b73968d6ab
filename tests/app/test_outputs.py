"""What a handler returns, yields or publishes: stored with the settling, under ids that follow from the cause."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from vagus import App, Context, ErrorEvent, Event


class Query(Event):
    text: str


class Found(Event, key="text"):
    text: str


class Again(Event):
    count: int


@pytest.fixture
def app() -> App:
    return App("memory://", name="shop")


async def returns_one(query: Query) -> Found:
    return Found("1")


async def returns_list(query: Query) -> list[Found | None]:
    return [Found("1"), None, Found("2")]


def returns_tuple(query: Query) -> tuple[Found, ...]:
    return (Found("1"), Found("2"))


async def yields(query: Query) -> AsyncIterator[Found]:
    yield Found("1")
    yield Found("2")


def yields_in_thread(query: Query) -> Iterator[Found]:
    yield Found("1")
    yield Found("2")


async def publishes(query: Query, ctx: Context) -> Found:
    ctx.publish(Found("1"))
    return Found("2")


@pytest.mark.parametrize(
    ("function", "texts"),
    [
        (returns_one, ["1"]),
        (returns_list, ["1", "2"]),
        (returns_tuple, ["1", "2"]),
        (yields, ["1", "2"]),
        (yields_in_thread, ["1", "2"]),
        (publishes, ["1", "2"]),
    ],
)
async def test_what_a_handler_gives_is_published_in_order(app: App, function: Any, texts: list[str]) -> None:
    app.on(Query)(function)

    async with app.test() as trial:
        receipt = await trial.publish(Query("x"))
        await trial.settled()

        events = trial.events(Found)
        assert [event.data.text for event in events] == texts
        assert {event.causationid for event in events} == {receipt.id}
        assert {event.correlationid for event in events} == {receipt.id}
        assert len({event.id for event in events}) == len(texts)


@pytest.mark.contract("G12")
async def test_handler_run_again_after_a_crash_publishes_the_same_ids(app: App) -> None:
    runs: list[int] = []

    @app.on(Query)
    async def look(query: Query, ctx: Context) -> list[Found]:
        runs.append(ctx.losses)
        return [Found("1"), Found("2")]

    ids = []
    for losses in (0, 2):
        async with app.test() as trial:
            trial.lose_next(look, losses)
            await trial.publish(Query("x"), id="0190b5a2-0000-7000-8000-000000000001")
            await trial.move("5m")
            ids.append([event.id for event in trial.events(Found)])

    assert runs == [0, 0, 1, 2]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


@pytest.mark.contract("G12")
async def test_redriven_event_has_outputs_of_its_own(app: App) -> None:
    broken = True

    @app.on(Query)
    async def look(query: Query) -> Found:
        return Found("1")

    @app.on(Found, retry=1)
    async def keep(found: Found) -> Again:
        if broken:
            raise ValueError("broken")
        return Again(1)

    @app.on(Again)
    async def count(again: Again) -> None: ...

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()
        broken = False
        await trial.redrive(keep)
        await trial.settled()

        assert (len(trial.handled(look)), len(trial.handled(keep)), len(trial.handled(count))) == (1, 1, 1)


async def test_output_that_nobody_listens_to_is_counted_and_refused_to_nobody(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> Found:
        return Found("1")

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()

        assert (trial.handled(look), trial.published(Found)) == ([Query("x")], [Found("1")])
        topics = {info.spec.name: info.unheard for info in (await app.backend.describe()).topics}
        assert topics["found"] == 1


@pytest.mark.requirement("R125")
async def test_trace_of_the_first_event_goes_on_through_outputs(app: App) -> None:
    @app.on(Query)
    async def look(query: Query) -> Found:
        return Found("1")

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()

        first, second = trial.events(Query)[0].traceparent or "", trial.events(Found)[0].traceparent or ""
        assert first.split("-")[1] == second.split("-")[1]
        assert first.split("-")[2] != second.split("-")[2]


async def test_output_takes_its_key_delay_and_topic_from_its_options(app: App) -> None:
    @app.on(Query)
    async def look(query: Query, ctx: Context) -> None:
        ctx.publish({"n": 1}, topic="rag.step", key="k", delay_s="1m")

    @app.on("rag.*")
    async def keep(step: dict[str, Any], ctx: Context) -> None:
        assert ctx.key == "k"

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()
        assert trial.handled(keep) == []
        await trial.move("1m")
        assert trial.handled(keep) == [{"n": 1}]


@pytest.mark.parametrize("given", [5, "text", object(), {"no": "topic"}, {1, 2}], ids=type)
async def test_output_that_is_no_event_is_a_dead_letter_that_says_so(app: App, given: Any) -> None:
    @app.on(Query)
    async def look(query: Query) -> Any:
        return given

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()

        (letter,) = await trial.dead(look)
        assert (letter.reason, letter.attempts) == ("permanent", 1)
        assert "cannot carry events" in letter.error_message or "nowhere what it is" in letter.error_message


async def test_output_with_an_id_of_its_own_is_refused(app: App) -> None:
    @app.on(Query)
    async def look(query: Query, ctx: Context) -> None:
        ctx.publish(Found("1"), id="mine")

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()

        (letter,) = await trial.dead(look)
        assert "derived from its cause" in letter.error_message


async def test_chain_without_end_is_cut_at_the_hop_limit(app: App) -> None:
    @app.on(Again)
    async def again(event: Again) -> Again:
        return Again(event.count + 1)

    async with app.test() as trial:
        await trial.publish(Again(0))
        await trial.settled()

        (letter,) = await trial.dead(again)
        assert letter.reason == "hop limit"
        assert len(trial.published(Again)) == 65


async def test_failed_attempt_publishes_nothing_but_its_error(app: App) -> None:
    @app.on(Query, retry=1)
    async def look(query: Query, ctx: Context) -> Found:
        ctx.publish(Found("1"))
        raise ValueError("too late")

    async with app.test() as trial:
        await trial.publish(Query("x"))
        await trial.settled()

        assert trial.published(Found) == []
        assert [fact.error_message for fact in trial.published(ErrorEvent)] == ["too late"]
