"""How publish middleware stands around the making of events: of what a handler gives, and of what nothing caused."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from vagus.app.middleware.layers import Layers
from vagus.app.middleware.passage import Outgoing, Passage
from vagus.app.publisher import Publisher, PublishOptions, Receipt, receipts_of
from vagus.app.work.attempt import Attempt
from vagus.app.work.committer import Committer
from vagus.backend import Put, Unit
from vagus.errors import InvalidHandler, RunFailed
from vagus.message import CloudEvent
from vagus.reliability.retry import Drop

Made: TypeAlias = tuple[Put, CloudEvent]

_log = logging.getLogger("vagus.middleware")


async def make(layers: Layers, event: Outgoing, encode: Callable[[Any, PublishOptions], Made]) -> Made | Drop:
    """Return what `encode` makes of the event as the layers pass it on, or why one of them dropped it."""
    kept: list[Made] = []

    async def last(passed: Outgoing) -> CloudEvent:
        kept.append(encode(passed.data, passed.options))
        return kept[0][1]

    try:
        await Passage(layers.publish, last).walk(event)
    except Drop as drop:
        _log.info("an event for %s was dropped: %s", event.topic, drop.reason, extra={"reason": drop.reason})
        return drop
    if not kept:
        raise InvalidHandler(f"middleware swallowed the error of an event for {event.topic}", hint="raise it again")
    return kept[0]


async def make_outputs(attempt: Attempt) -> None:
    """Make the outputs of an attempt; one that is dropped keeps its number, so that the others keep their ids."""
    publisher, cause = attempt.seat.tools.publisher, attempt.cause
    made: list[Made | None] = []
    for index, (obj, options) in enumerate(attempt.outputs):

        def encode(data: Any, how: PublishOptions, index: int = index) -> Made:
            return publisher.output(data, how, cause, index)

        found = await make(attempt.seat.layers, Outgoing(obj, options, cause.event), encode)
        made.append(None if isinstance(found, Drop) else found)
    attempt.made = made


async def publish_through(
    layers: Layers, events: Any, options: PublishOptions, publisher: Publisher, committer: Committer
) -> Any:
    """Publish an event or a list of them: `App.publish`, for an app with publish middleware."""
    each = events if isinstance(events, list) else [events]
    outgoing = [Outgoing(obj, options) for obj in each]
    found = [await make(layers, event, publisher.first) for event in outgoing]
    made = [one for one in found if not isinstance(one, Drop)]
    receipts: Iterator[Receipt] = iter(())
    if made:
        outcome = await committer.commit(Unit([put for put, _ in made]))
        receipts = iter(receipts_of(outcome, [event for _, event in made], options.topic))
    told = [
        Receipt(options.id or "", event.topic, None, dropped=one.reason) if isinstance(one, Drop) else next(receipts)
        for event, one in zip(outgoing, found, strict=True)
    ]
    return told if isinstance(events, list) else told[0]


async def first_of_run(layers: Layers, obj: Any, options: PublishOptions, publisher: Publisher, until: str) -> Made:
    """Return the first event of a run as it is to be stored. Raises `RunFailed` where middleware drops it."""
    if not layers.publish:
        return publisher.first(obj, options, until=until)
    found = await make(layers, Outgoing(obj, options), functools.partial(publisher.first, until=until))
    if isinstance(found, Drop):
        raise RunFailed(f"the run never began: its first event was dropped: {found.reason}")
    return found
