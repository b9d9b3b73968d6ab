"""Several backends behind the seam of one: events, groups and dead letters go where their topic's route says."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec

from vagus.app.routing.crossing import Crossing
from vagus.app.routing.feed import RoutedFeed
from vagus.app.routing.placement import Placement
from vagus.app.routing.shadow import Shadow, ShadowStats
from vagus.backend import (
    Backend,
    Capabilities,
    Catalogue,
    Cut,
    Feed,
    Figures,
    GroupInfo,
    GroupSpec,
    Inbox,
    Member,
    Outcome,
    Put,
    Record,
    SeekTo,
    Source,
    Start,
    Switch,
    Topic,
    TopicInfo,
    TopicSpec,
    Unit,
)
from vagus.errors import UnsupportedCapability, VagusError
from vagus.store import Change, Store

_log = logging.getLogger("vagus.routing")
_DEAD = "$dead."
_INBOX = "$inbox."


class Routed:
    """The backends of one app as one; see `vagus.backend.Backend`. `named`: the state was asked for by name."""

    def __init__(
        self, backends: Mapping[str, Backend], placement: Placement, shadows: Mapping[str, Shadow], *, named: bool
    ) -> None:
        self._backends = backends
        self._placement = placement
        self._state = backends[placement.state]
        self._shadows = shadows
        self._named = named
        self._able: dict[str, Capabilities] = {}

    # --- where -------------------------------------------------------------------------------------------------------

    def lane(self, unit: Unit) -> str:
        """Return a name for the backends that a unit concerns: what concerns others need not wait for it."""
        return "+".join(sorted(self._crossing(unit).places))

    def _crossing(self, unit: Unit) -> Crossing:
        return Crossing(unit, self._place_of, self._placement.state)

    def _place_of(self, put: Put) -> str:
        if isinstance(put.target, Topic):
            return self._placement.route(put.target.name).place
        return self._placement.home(put.target.group) or self._placement.policy.default

    async def _find(self, group: str) -> str:
        """Return where a group lies, also one that this app did not declare; the default where it is nowhere."""
        known = self._placement.home(group)
        if known is not None:
            return known
        for name, backend in self._backends.items():
            if any(info.spec.name == group for info in (await backend.describe()).groups):
                self._placement.learn(group, name)
                return name
        return self._placement.policy.default

    async def _find_all(self, units: Sequence[Unit]) -> None:
        groups = {put.target.group for unit in units for put in unit.puts if not isinstance(put.target, Topic)}
        for group in groups:
            await self._find(group)

    async def _where(self, topic: str) -> Backend:
        for prefix in (_DEAD, _INBOX):
            if topic.startswith(prefix):
                return self._backends[await self._find(topic.removeprefix(prefix))]
        return self._backends[self._placement.route(topic).place]

    # --- coming and going --------------------------------------------------------------------------------------------

    @property
    def store(self) -> Store | None:
        """The store of the backend that keeps the state."""
        return self._state.store

    async def open(self) -> Capabilities:
        """Open all of them; what one of them cannot promise, an app on all of them cannot count on.

        Lanes are the exception: `declare` looks at each topic's own backend.
        """
        for name, backend in self._backends.items():
            self._able[name] = await backend.open()
        if self._named and self._state.store is None:
            system = self._able[self._placement.state].system
            raise UnsupportedCapability(
                f"state= names {system}, which keeps no state", hint='state="sqlite:///state.db"'
            )
        return _together(self._able)

    async def close(self) -> None:
        """Close all of them, the state last."""
        await asyncio.gather(*(shadow.close() for shadow in self._shadows.values()))
        for backend in [*(b for b in self._backends.values() if b is not self._state), self._state]:
            with suppress(VagusError):
                await backend.close()

    async def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> None:
        """Declare each topic and group where it lies."""
        self._placement.settle(topics, groups)
        for spec in topics:
            place = self._placement.route(spec.name).place
            if spec.lanes > 1 and not self._able[place].lanes:
                raise UnsupportedCapability(
                    f"topic {spec.name!r} lies on {place!r}, and {self._able[place].system} has no priority lanes",
                    hint="leave out priorities=, or route the topic to another backend",
                )
        for name, backend in self._backends.items():
            mine = [spec for spec in topics if self._placement.route(spec.name).place == name]
            ours = [spec for spec in groups if self._placement.home(spec.name) == name]
            if mine or ours:
                await backend.declare(mine, ours)
        for name, shadow in self._shadows.items():
            shadow.declare([spec for spec in topics if self._placement.route(spec.name).shadow == name])
        await self._warn_of_backlogs(groups)

    async def _warn_of_backlogs(self, groups: Sequence[GroupSpec]) -> None:
        """Tell of groups whose topics were routed elsewhere before, and that still have events there."""
        ours = {spec.name for spec in groups}
        for name, backend in self._backends.items():
            for info in (await backend.describe()).groups:
                group = info.spec.name
                if group not in ours or self._placement.home(group) == name:
                    continue
                left = sum(one.ready + one.held + one.waiting + one.parked for one in await backend.stats(group))
                if left:
                    text = "%s has %d events left on %r: let a worker with the old routes finish them"
                    _log.warning(text, group, left, name)

    # --- what is done ------------------------------------------------------------------------------------------------

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """Carry the units out, each in the steps that `Crossing` says; what can be said of none of them is raised."""
        await self._find_all(units)
        crossings = [self._crossing(unit) for unit in units]
        away = [(crossing, crossing.away()) for crossing in crossings]
        await self._refuse_outdated([crossing for crossing, step in away if step])
        await self._step((c, step) for c, step in away if not c.failed)
        await self._step((c, c.kept()) for c in crossings if not c.failed)
        await self._step((c, c.last()) for c in crossings if not c.failed)
        outcomes = [crossing.outcome() for crossing in crossings]
        if self._shadows:
            for unit, outcome in zip(units, outcomes, strict=True):
                self._copy(unit, outcome)
        return outcomes

    def _copy(self, unit: Unit, outcome: Outcome) -> None:
        """Copy what was stored and has a shadow; on which way it came makes no difference."""
        for put, told in zip(unit.puts, outcome.puts, strict=True):
            if isinstance(put.target, Topic) and told.status == "stored":
                shadow = self._placement.route(put.target.name).shadow
                if shadow is not None:
                    self._shadows[shadow].copy(put)

    @property
    def shadow_stats(self) -> tuple[ShadowStats, ...]:
        """How the copies of each shadow stand."""
        return tuple(shadow.stats for shadow in self._shadows.values())

    async def _refuse_outdated(self, crossings: Sequence[Crossing]) -> None:
        """Refuse units whose changes cannot be made any more before anything of them is stored."""
        for crossing in crossings:
            wanted = [c for c in crossing.unit.changes if isinstance(c, Change) and c.required and c.expect is not None]
            store = self._state.store
            if not wanted or store is None:
                continue
            there = await store.get([change.key for change in wanted])
            versions = [0 if value is None else value.version for value in there]
            crossing.failed = versions != [change.expect for change in wanted]

    async def _step(self, parts: Iterable[tuple[Crossing, Mapping[str, Unit]]]) -> None:
        """Carry out one step of several units: one commit for each backend, all at once."""
        by_place: dict[str, list[tuple[Crossing, Unit]]] = {}
        for crossing, step in parts:
            for place, unit in step.items():
                by_place.setdefault(place, []).append((crossing, unit))
        commits = [self._backends[place].commit([unit for _, unit in mine]) for place, mine in by_place.items()]
        answers = await asyncio.gather(*commits, return_exceptions=True)
        for (place, mine), answer in zip(by_place.items(), answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            for (crossing, unit), outcome in zip(mine, answer, strict=True):
                crossing.told(place, unit, outcome)

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        """Join a group where it lies."""
        place = self._placement.home(source.group) or self._placement.policy.default
        return RoutedFeed(self._backends[place].attach(source, member, credit), place)

    async def steer(self, group: str, change: SeekTo | Switch) -> Cut | None:
        """Steer a group where it lies."""
        return await self._backends[await self._find(group)].steer(group, change)

    # --- what is seen ------------------------------------------------------------------------------------------------

    async def read(self, topic: str, start: Start, limit: int, wait_s: float = 0.0) -> Sequence[Record]:
        """Read a topic where it lies."""
        return await (await self._where(topic)).read(topic, start, limit, wait_s)

    async def stats(self, group: str) -> Sequence[Figures]:
        """Return a group's books."""
        return await self._backends[await self._find(group)].stats(group)

    async def describe(self) -> Catalogue:
        """Return what all of them have; of a name that several have, what lies where it is routed to."""
        catalogues = await asyncio.gather(*(backend.describe() for backend in self._backends.values()))
        topics: dict[str, TopicInfo] = {}
        groups: dict[str, GroupInfo] = {}
        for name, catalogue in zip(self._backends, catalogues, strict=True):
            for topic in catalogue.topics:
                if topic.spec.name not in topics or self._placement.route(topic.spec.name).place == name:
                    topics[topic.spec.name] = topic
            for group in catalogue.groups:
                if group.spec.name not in groups or self._placement.home(group.spec.name) == name:
                    groups[group.spec.name] = group
        return Catalogue(tuple(topics[name] for name in sorted(topics)), tuple(groups[name] for name in sorted(groups)))

    async def drop(self, target: Topic | Inbox) -> None:
        """Drop a topic, a group or a member where it lies."""
        if isinstance(target, Topic):
            await (await self._where(target.name)).drop(target)
        else:
            await self._backends[await self._find(target.group)].drop(target)


def _together(able: Mapping[str, Capabilities]) -> Capabilities:
    """Return what backends can promise together."""
    one = next(iter(able.values()))
    flags = [field for field in Capabilities.__struct_fields__ if isinstance(getattr(one, field), bool)]
    shared = {field: all(getattr(each, field) for each in able.values()) for field in flags}
    shared["lanes"] = any(each.lanes for each in able.values())
    shared["atomic"] = shared["atomic"] and len(able) == 1
    return msgspec.structs.replace(
        one,
        system=" + ".join(dict.fromkeys(each.system for each in able.values())),
        version=", ".join(dict.fromkeys(each.version for each in able.values())),
        settings={name: f"{each.system} {each.version}" for name, each in able.items()} | _files(able),
        **shared,
    )


def _files(able: Mapping[str, Capabilities]) -> dict[str, str]:
    """Return the setting that names the files of all backends: nobody else in this process may open those."""
    files = [each.settings["database"] for each in able.values() if "database" in each.settings]
    return {"database": os.pathsep.join(files)} if files else {}
