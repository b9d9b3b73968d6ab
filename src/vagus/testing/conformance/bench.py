"""The bench of one test: a fresh backend in a namespace of its own, and short words for what is done with it.

Everything here stands on the seam alone and waits with a deadline: what does not arrive fails with a sentence.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, TypeVar

import pytest

from vagus.backend import (
    Backend,
    Capabilities,
    Cut,
    Done,
    Ending,
    Feed,
    Figures,
    GroupInfo,
    GroupSpec,
    Inbox,
    Ingress,
    Lane,
    Member,
    Mode,
    Outcome,
    Position,
    Put,
    Release,
    Settle,
    SettleOutcome,
    Source,
    Start,
    Switch,
    Target,
    Topic,
    TopicInfo,
    TopicSpec,
    Unit,
)
from vagus.backend import Delivery as Delivery
from vagus.clock import Clock, ManualClock, SystemClock
from vagus.registry import create_backend
from vagus.store import Store
from vagus.testing.conformance.process import Process
from vagus.testing.conformance.words import envelope
from vagus.testing.conformance.words import word_of as word_of
from vagus.testing.subject import Subject, Witness

#: How long, in seconds, anything may take before the test fails; a hang is a failure with a sentence.
PATIENCE_S = 10.0
#: How long, in seconds, the suite listens to be sure that nothing comes.
SILENCE_S = 0.15

T = TypeVar("T")


@dataclass
class Bench:
    """One backend under test; `can` is what it declared when it was opened."""

    subject: Subject
    url: str
    clock: Clock
    backend: Backend
    can: Capabilities
    prefix: str
    remarks: list[str] = field(default_factory=list)
    _others: list[Backend] = field(default_factory=list)
    _processes: list[Process] = field(default_factory=list)

    # --- what there is ---

    def name(self, word: str) -> str:
        """Return `word` inside the namespace of this test; for topics, groups and keys of the store."""
        return f"{self.prefix}.{word}"

    async def topic(
        self,
        word: str = "orders",
        *,
        lanes: int = 1,
        keep_s: float | None = None,
        archive: bool = False,
        max_events: int | None = None,
    ) -> str:
        """Declare a topic and return its name."""
        name = self.name(word)
        spec = TopicSpec(name=name, lanes=lanes, keep_s=keep_s, archive=archive, max_events=max_events)
        await within(self.backend.declare([spec], []), "declare a topic")
        return name

    async def group(
        self,
        word: str,
        *patterns: str,
        mode: Mode = "once",
        pick: str = "",
        start: Literal["now", "first"] = "now",
        lease_s: float = 30.0,
        ordered: bool = True,
        forget_after_s: float = 7 * 86_400.0,
    ) -> str:
        """Declare a group on full names or patterns and return its name."""
        spec = GroupSpec(
            name=self.name(word),
            patterns=patterns,
            mode=mode,
            pick=pick,
            start=start,
            lease_s=lease_s,
            ordered=ordered,
            forget_after_s=forget_after_s,
        )
        await within(self.backend.declare([], [spec]), "declare a group")
        return spec.name

    async def line(
        self,
        *,
        mode: Mode = "once",
        pick: str = "",
        lease_s: float = 30.0,
        ordered: bool = True,
        lanes: int = 1,
        max_events: int | None = None,
        keep_s: float | None = None,
        forget_after_s: float = 7 * 86_400.0,
    ) -> Line:
        """Declare the topic `orders` and the group `desk` that listens to it: the usual start of a test."""
        topic = await self.topic(lanes=lanes, max_events=max_events, keep_s=keep_s)
        group = await self.group(
            "desk", topic, mode=mode, pick=pick, lease_s=lease_s, ordered=ordered, forget_after_s=forget_after_s
        )
        return Line(self, topic, group)

    def member(
        self, group: str, name: str = "ann", *, credit: int = 100, named: bool = False, backend: Backend | None = None
    ) -> Worker:
        """Attach a member to `group`."""
        return self.seat(Inbox(group), Member(name, named), credit, backend)

    def seat(self, source: Source, member: Member, credit: int = 100, backend: Backend | None = None) -> Worker:
        """Take any seat at a group."""
        home = backend or self.backend
        return Worker(self, home, home.attach(source, member, credit), member.name)

    async def second(self) -> Backend:
        """Return a second backend on the same URL, opened; the same one where the URL cannot be opened twice."""
        siblings = self.can.shared if self.subject.siblings is None else self.subject.siblings
        if not siblings:
            return self.backend
        other = create_backend(self.url, self.clock)
        self._others.append(other)
        await within(other.open(), "open a second backend")
        return other

    async def process(self) -> Process:
        """Start another process that has opened the same URL."""
        process = await Process.start(self.url)
        self._processes.append(process)
        return process

    async def reopen(self) -> None:
        """Close every backend of this test and open a new one on the same URL."""
        await self._close()
        self.backend = create_backend(self.url, self.clock)
        await within(self.backend.open(), "open again")

    @property
    def store(self) -> Store:
        """The store in the same place; a test that needs one where there is none is not witnessed."""
        if self.backend.store is None:
            self.not_witnessed("the backend has no store of its own")
        return self.backend.store

    @property
    def witness(self) -> Witness:
        """The raw hooks; without them the test is not witnessed."""
        if self.subject.witness is None:
            self.not_witnessed("its subject has no raw hooks")
        return self.subject.witness

    def not_witnessed(self, why: str) -> NoReturn:
        """End the test: nothing was shown, neither good nor bad."""
        pytest.skip(f"not witnessed: {why}")

    # --- what is done ---

    async def commit(self, *units: Unit) -> Sequence[Outcome]:
        """Commit units and return their outcomes."""
        return await within(self.backend.commit(units), "commit")

    async def offer(self, *puts: Put) -> Outcome:
        """Commit puts as one unit and return what became of it."""
        [outcome] = await self.commit(Unit(puts=puts))
        return outcome

    async def put(self, target: str | Target, *words: str, **options: Any) -> list[Position | None]:
        """Store one event per word, in order and in one unit, and return the positions; fails if one is not."""
        outcome = await self.offer(*(put(target, word, **options) for word in words))
        assert outcome.done, f"expected {words} to be stored in {target}, got {outcome}"
        assert [said.status for said in outcome.puts] == ["stored"] * len(words), f"{outcome}"
        return [said.position for said in outcome.puts]

    async def words_in(self, topic: str, start: Start, limit: int = 1000) -> list[str]:
        """Return the words of the events that `topic` keeps from `start` on."""
        records = await within(self.backend.read(topic, start, limit), "read")
        return [word_of(record.envelope) for record in records]

    async def figures(self, group: str, member: str | None = None) -> Figures:
        """Return the books of a once group, or of one member of an `all` group."""
        found = await within(self.backend.stats(group), "stats")
        fitting = [figures for figures in found if figures.member == member]
        assert len(fitting) == 1, f"expected books of member {member}, there are {[each.member for each in found]}"
        return fitting[0]

    async def group_info(self, group: str) -> GroupInfo:
        """Return what the catalogue says of a group."""
        catalogue = await within(self.backend.describe(), "describe")
        [info] = [info for info in catalogue.groups if info.spec.name == group]
        return info

    async def expect(self, group: str, member: str | None = None, **figures: int) -> Figures:
        """Compare figures with the books; those that the backend calls estimated are left out. The rest balances."""
        books = await self.figures(group, member)
        exact = {name: value for name, value in figures.items() if name not in books.estimated}
        assert {name: getattr(books, name) for name in exact} == exact, f"{books}"
        if not books.estimated:
            assert books.entered == books.accounted, f"the books do not balance: {books}"
        return books

    async def topic_info(self, topic: str) -> TopicInfo:
        """Return what the catalogue says of a topic."""
        catalogue = await within(self.backend.describe(), "describe")
        [info] = [info for info in catalogue.topics if info.spec.name == topic]
        return info

    async def pass_time(self, seconds: float) -> None:
        """Let time pass: at once on a clock that is turned by hand, else by waiting."""
        if isinstance(self.clock, ManualClock):
            await settle_down()
            self.clock.move(seconds)
            await settle_down()
        else:
            await asyncio.sleep(seconds)

    async def finish(self) -> None:
        """Remove what the test left behind, and close."""
        if not self._others and not self._processes:
            await self._sweep()
        await self._close()

    async def _sweep(self) -> None:
        catalogue = await within(self.backend.describe(), "describe")
        for group in catalogue.groups:
            if group.spec.name.startswith(self.prefix):
                await within(self.backend.drop(Inbox(group.spec.name)), "drop a group")
        for topic in catalogue.topics:
            if topic.spec.name.startswith(self.prefix):
                await within(self.backend.drop(Topic(topic.spec.name)), "drop a topic")

    async def _close(self) -> None:
        for process in self._processes:
            await process.kill()
        for backend in (*self._others, self.backend):
            await within(backend.close(), "close")
        self._processes.clear()
        self._others.clear()


@dataclass(frozen=True)
class Line:
    """A topic and one group that listens to it."""

    bench: Bench
    topic: str
    group: str

    async def put(self, *words: str, **options: Any) -> list[Position | None]:
        """Store one event per word in the topic, in order."""
        return await self.bench.put(self.topic, *words, **options)

    def member(self, name: str = "ann", **options: Any) -> Worker:
        """Attach a member to the group."""
        return self.bench.member(self.group, name, **options)

    def dispatcher(self, name: str = "dispatcher", credit: int = 100) -> Worker:
        """Take the dispatcher's seat of the group."""
        return self.bench.seat(Ingress(self.group), Member(name), credit)

    def emptier(self, member: str, name: str = "dispatcher", credit: int = 100) -> Worker:
        """Take the seat of whoever empties the inbox of a member that is gone."""
        return self.bench.seat(Inbox(self.group, member), Member(name), credit)

    async def switch(self, mode: Mode, pick: str = "") -> Cut:
        """Switch the group to `mode` and `pick`, whatever it was, and return the cut."""
        epoch = (await self.bench.group_info(self.group)).steering.epoch + 1
        cut = await within(self.bench.backend.steer(self.group, Switch(mode, pick, epoch)), "switch")
        assert cut is not None, "a switch returned no cut"
        return cut

    async def expect(self, member: str | None = None, **figures: int) -> Figures:
        """Compare figures with the books of the group."""
        return await self.bench.expect(self.group, member, **figures)

    async def balance(self) -> list[Figures]:
        """Return the books of the group, which balance when they are added up."""
        books = list(await within(self.bench.backend.stats(self.group), "stats"))
        if not any(each.estimated for each in books):
            entered, accounted = sum(each.entered for each in books), sum(each.accounted for each in books)
            assert entered == accounted, f"the books do not balance: {books}"
        return books


@dataclass(frozen=True)
class Worker:
    """A member with its feed."""

    bench: Bench
    backend: Backend
    feed: Feed
    name: str

    async def take(
        self, count: int = 1, *, lanes: Sequence[Lane] = (), within_s: float | None = None
    ) -> list[Delivery]:
        """Take exactly `count` deliveries, in as many calls as it needs."""
        patience_s = within_s or self.bench.subject.patience_s
        got: list[Delivery] = []
        try:
            async with asyncio.timeout(patience_s):
                while len(got) < count:
                    got += await self.feed.take(count - len(got), lanes)
        except TimeoutError:
            words = [word_of(delivery.envelope) for delivery in got]
            raise AssertionError(
                f"{self.name} waited {patience_s:g} s for {count} deliveries and got {len(got)}: {words}"
            ) from None
        assert len(got) == count, f"asked for {count}, was handed {len(got)}"
        return got

    async def one(self, *, lanes: Sequence[Lane] = (), within_s: float | None = None) -> Delivery:
        """Take one delivery."""
        return (await self.take(lanes=lanes, within_s=within_s))[0]

    async def some(self, limit: int = 100) -> list[Delivery]:
        """Take what is there now, and at least one."""
        return list(await within(self.feed.take(limit, ()), "take", self.bench.subject.patience_s))

    async def none(self, for_s: float = SILENCE_S, *, lanes: Sequence[Lane] = ()) -> None:
        """Listen for a moment and fail if anything is handed out."""
        try:
            async with asyncio.timeout(for_s):
                got = await self.feed.take(100, lanes)
        except TimeoutError:
            return
        words = [word_of(delivery.envelope) for delivery in got]
        raise AssertionError(f"{self.name} should be handed nothing, got {words}")

    async def ack(self, *deliveries: Delivery) -> None:
        """Settle deliveries as done; fails if one is lost."""
        await self.end("acked", *deliveries)

    async def end(self, ending: Ending, *deliveries: Delivery) -> None:
        """Settle deliveries with that ending; fails if one is lost."""
        said = await self.settle(*(Settle(delivery.token, Done(ending)) for delivery in deliveries))
        assert list(said) == ["done"] * len(deliveries), f"{said}"

    async def release(self, delivery: Delivery, after_s: float = 0.0, note: bytes | None = None) -> None:
        """Give a delivery back; fails if it is lost."""
        said = await self.settle(Settle(delivery.token, Release(after_s, note)))
        assert list(said) == ["done"], f"{said}"

    async def settle(self, *settles: Settle) -> list[SettleOutcome]:
        """Commit settles, each in a unit of its own, and return what became of them."""
        outcomes = await within(self.backend.commit([Unit(settles=[settle]) for settle in settles]), "settle")
        return [outcome.settles[0] for outcome in outcomes]

    async def move(self, delivery: Delivery, group: str, member: str, **options: Any) -> None:
        """Move a delivery to the inbox of a member, as a dispatcher does; fails if it is refused."""
        facts: dict[str, Any] = {"key": delivery.key, "note": delivery.note, "generation": delivery.generation}
        facts |= {"losses": delivery.losses, "epoch": delivery.epoch, "entry": "moved"} | options
        moved = put(Inbox(group, member), "", envelope=delivery.envelope, **facts)
        outcome = await self.commit(Unit(puts=[moved], settles=[Settle(delivery.token, Done("moved"))]))
        assert outcome.done, f"{outcome}"

    async def commit(self, unit: Unit) -> Outcome:
        """Commit one unit and return what became of it."""
        [outcome] = await within(self.backend.commit([unit]), "commit")
        return outcome

    async def take_and_ack(self, count: int) -> list[str]:
        """Take exactly `count` deliveries, settling each batch, and return their words in order of handing out."""
        words: list[str] = []
        while len(words) < count:
            batch = await self.some(count - len(words))
            words += [word_of(delivery.envelope) for delivery in batch]
            await self.ack(*batch)
        return words

    async def leave(self) -> None:
        """End the membership."""
        await within(self.feed.leave(), "leave")


def put(target: str | Target, word: str, **options: Any) -> Put:
    """Return the put of an event that carries `word`; a plain text names a topic."""
    content = options.pop("envelope", None) or envelope(word)
    return Put(Topic(target) if isinstance(target, str) else target, content, **options)


def words(deliveries: Iterable[Delivery]) -> list[str]:
    """Return the words of deliveries, in order."""
    return [word_of(delivery.envelope) for delivery in deliveries]


def numbered(count: int, stem: str = "e") -> list[str]:
    """Return `count` words that differ and sort in their order."""
    return [f"{stem}{number:04}" for number in range(count)]


async def within(work: Awaitable[T], what: str, seconds: float = PATIENCE_S) -> T:
    """Await `work`; fail with a sentence when it takes longer than `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise AssertionError(f"{what}: no answer within {seconds:g} s") from None


async def settle_down() -> None:
    """Give every task and thread that is ready the time to do what it is about to do."""
    for _ in range(3):
        await asyncio.sleep(0.005)


_numbers = itertools.count(1)


async def open_bench(subject: Subject, *, turned: bool = False) -> Bench:
    """Open the subject's backend for one test; with `turned`, on a clock that is turned by hand."""
    url = subject.url()
    clock: Clock = ManualClock(time.time()) if turned else SystemClock()
    backend = create_backend(url, clock)
    can = await within(backend.open(), "open")
    prefix = f"check{next(_numbers)}-{secrets.token_hex(3)}"
    return Bench(subject, url, clock, backend, can, prefix)
