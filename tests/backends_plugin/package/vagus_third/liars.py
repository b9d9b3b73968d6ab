"""Backends that promise what they do not do, deny what they do, or go wrong in silence; one way each."""

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from vagus.backend import (
    Delivery,
    Done,
    Feed,
    Figures,
    GroupSpec,
    Inbox,
    Member,
    Outcome,
    Put,
    PutOutcome,
    Release,
    Settle,
    Source,
    TopicSpec,
    Unit,
)
from vagus.message import Envelope
from vagus_third.honest import Third


class ClaimsDurable(Third):
    turns_over = ("durable",)


class ClaimsShared(Third):
    turns_over = ("shared",)


class DeniesDelay(Third):
    turns_over = ("delay",)


class DeniesFenced(Third):
    turns_over = ("fenced",)


class DeniesDedupe(Third):
    turns_over = ("dedupe",)


class DeniesAtomic(Third):
    turns_over = ("atomic",)


class DeniesExactFigures(Third):
    turns_over = ("exact_stats",)


class _Tampering(Third):
    """Changes units on their way in, and outcomes on their way out."""

    def put(self, put: Put) -> Put:
        return put

    def settle(self, settle: Settle) -> Settle:
        return settle

    def unit(self, unit: Unit) -> Unit:
        return replace(
            unit,
            puts=[self.put(put) for put in unit.puts],
            settles=[self.settle(settle) for settle in unit.settles],
        )

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        return await super().commit([self.unit(unit) for unit in units])


class Unfenced(Third):
    """Tells every late holder that its settle was fine."""

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        outcomes = await super().commit(units)
        return [
            Outcome(True, (), ["done"] * len(each.settles)) if "lost" in each.settles else each for each in outcomes
        ]


class Doubling(_Tampering):
    """Claims dedupe and has none."""

    def put(self, put: Put) -> Put:
        return replace(put, dedupe=None)


class NotAtomic(Third):
    """Claims atomic, and settles what a refused unit came with."""

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        outcomes = await super().commit(units)
        for unit, outcome in zip(units, outcomes, strict=True):
            if not outcome.done:
                await super().commit([Unit(settles=[settle]) for settle in unit.settles])
        return outcomes


class LosesPuts(Third):
    """Says `stored` of the last put of every batch and stores nothing."""

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        outcomes = await super().commit([replace(unit, puts=unit.puts[: max(1, len(unit.puts) - 1)]) for unit in units])
        lost = [len(unit.puts) > 1 for unit in units]
        return [
            replace(outcome, puts=[*outcome.puts, PutOutcome("stored", 10**9)]) if missing else outcome
            for outcome, missing in zip(outcomes, lost, strict=True)
        ]


class IgnoresKeys(Third):
    """Hands out the events of a key side by side."""

    async def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> None:
        await super().declare(topics, [replace(group, ordered=False) for group in groups])


class FreesKeysEarly(_Tampering):
    """Lets the followers of a key go while its first event waits for its retry."""

    def unit(self, unit: Unit) -> Unit:
        retries = [each for each in unit.settles if isinstance(each.action, Release) and each.token.row.put.key]
        if not retries:
            return unit
        puts = [
            replace(
                each.token.row.put,
                target=Inbox(each.token.subscription.group),
                after_s=each.action.after_s,
                dedupe=None,
                entry="redriven",
            )
            for each in retries
        ]
        return Unit(puts=puts, settles=[Settle(each.token, Done("moved")) for each in retries])


class EarlyRetries(_Tampering):
    """Hands out retries at once, however long they were to wait."""

    def settle(self, settle: Settle) -> Settle:
        action = settle.action
        return Settle(settle.token, replace(action, after_s=0.0)) if isinstance(action, Release) else settle


class ForgetsNotes(_Tampering):
    """Claims notes and drops them."""

    def settle(self, settle: Settle) -> Settle:
        action = settle.action
        return Settle(settle.token, replace(action, note=None)) if isinstance(action, Release) else settle


class IgnoresLanes(_Tampering):
    """Claims lanes and has one."""

    def put(self, put: Put) -> Put:
        return replace(put, lane=0)


class IgnoresBounds(Third):
    """Claims bounded and takes everything."""

    async def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> None:
        await super().declare([replace(topic, max_events=None) for topic in topics], groups)


class RewritesEvents(_Tampering):
    """Decodes what it should carry untouched."""

    def put(self, put: Put) -> Put:
        text = put.envelope.body.decode("utf-8", "replace")
        return replace(put, envelope=Envelope(text.encode(), put.envelope.content_type, put.envelope.headers))


class CooksTheBooks(Third):
    """Counts an ack more than there was."""

    async def stats(self, group: str) -> Sequence[Figures]:
        return [replace(figures, acked=figures.acked + 1) for figures in await super().stats(group)]


class _Wrapped:
    """A feed around the memory backend's own."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.extend = feed.extend
        self.leave = feed.leave

    async def take(self, limit: int, lanes: Sequence[int]) -> Sequence[Delivery]:
        return await self.feed.take(limit, lanes)


class _Polling(_Wrapped):
    async def take(self, limit: int, lanes: Sequence[int]) -> Sequence[Delivery]:
        while True:
            try:
                return await asyncio.wait_for(self.feed.take(limit, lanes), 0.001)
            except TimeoutError:
                await asyncio.sleep(1.0)


class _OldGeneration(_Wrapped):
    async def take(self, limit: int, lanes: Sequence[int]) -> Sequence[Delivery]:
        return [replace(each, generation=0) for each in await super().take(limit, lanes)]


class Polls(Third):
    """Looks once a second instead of waiting for a push."""

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        return _Polling(super().attach(source, member, credit))


class ForgetsGenerations(Third):
    """Hands a replay out as if it were the first time."""

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        return _OldGeneration(super().attach(source, member, credit))


class IgnoresCredit(Third):
    """Lets a member hold as much as it asks for."""

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        return super().attach(source, member, 1_000_000)
