"""A group: its subscriptions, and the members that are there (rules 5 and 11 of the room)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from vagus.backend import GroupInfo, GroupSpec, Member, MemberInfo
from vagus.ledger.subscription import Subscription
from vagus.message import compile_pattern


class Attached(msgspec.Struct):
    """A member that is there, and when it was last heard of."""

    member: Member
    seen: float


class Group:
    """A group: its subscriptions by member (None in `once`) and the members that are there."""

    def __init__(self, spec: GroupSpec, now: float) -> None:
        self.spec = spec
        self.matches: list[Callable[[str], bool]] = [compile_pattern(pattern) for pattern in spec.patterns]
        self.subscriptions: dict[str | None, Subscription] = {}
        self.attached: dict[str, Attached] = {}
        self.away_since: dict[str, float] = {}
        self.idle_since: float | None = now

    def change(self, spec: GroupSpec, now: float) -> None:
        """Take a new declaration; its lease and order hold at once."""
        self.spec = spec
        self.matches = [compile_pattern(pattern) for pattern in spec.patterns]
        for subscription in self.subscriptions.values():
            subscription.lease_s = spec.lease_s
            subscription.set_ordered(spec.ordered, now)

    def hears(self, topic: str) -> bool:
        """Return whether one of the group's patterns matches `topic`."""
        return any(match(topic) for match in self.matches)

    def subscription(self, member: Member) -> Subscription | None:
        """Return the subscription that `member` takes from."""
        return self.subscriptions.get(member.name if self.spec.mode == "all" else None)

    def info(self, now: float) -> GroupInfo:
        """Return the group as it stands."""
        members = []
        for attached in self.attached.values():
            member, subscription = attached.member, self.subscription(attached.member)
            held = subscription.holding[member.name] if subscription else 0
            members.append(MemberInfo(name=member.name, named=member.named, seen_s=now - attached.seen, held=held))
        idle_s = None if self.idle_since is None else now - self.idle_since
        return GroupInfo(spec=self.spec, members=tuple(members), idle_s=idle_s)
