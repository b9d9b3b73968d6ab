"""A group: its subscriptions, how it is steered, and the members that are there (rules 5, 11 and 13 of the room)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from vagus.backend import Cut, Figures, GroupInfo, GroupSpec, Inbox, Ingress, Member, MemberInfo, Source, Steering
from vagus.ledger.log import Log
from vagus.ledger.steering import KEPT_CUTS, Kind, reader_of
from vagus.ledger.subscription import Subscription
from vagus.message import compile_pattern

_COUNTED = tuple(name for name in Figures.__struct_fields__ if name not in ("group", "member", "oldest_s", "estimated"))


class Attached(msgspec.Struct):
    """A member that is there, and when it was last heard of."""

    member: Member
    seen: float


class Group:
    """A group: what its members share, its ingress, what is each member's own, each one's inbox; and who is there."""

    def __init__(self, spec: GroupSpec, now: float) -> None:
        self.spec = spec
        self.steering = Steering(spec.mode, spec.pick)
        self.cuts: tuple[Cut, ...] = ()
        self.matches: list[Callable[[str], bool]] = [compile_pattern(pattern) for pattern in spec.patterns]
        self.shared: Subscription | None = None
        self.ingress: Subscription | None = None
        self.own: dict[str, Subscription] = {}
        self.inboxes: dict[str, Subscription] = {}
        self.attached: dict[str, Attached] = {}
        self.away_since: dict[str, float] = {}
        self.idle_since: float | None = now
        self._sources: dict[str, tuple[Subscription, ...]] = {}

    def change(self, spec: GroupSpec, now: float) -> None:
        """Take a new declaration; its lease and order hold at once, mode and pick stay as they first were."""
        self.spec = msgspec.structs.replace(spec, mode=self.spec.mode, pick=self.spec.pick)
        self.matches = [compile_pattern(pattern) for pattern in spec.patterns]
        for subscription in self.subscriptions():
            subscription.lease_s = spec.lease_s
            subscription.set_ordered(spec.ordered, now)

    def hears(self, topic: str) -> bool:
        """Return whether one of the group's patterns matches `topic`."""
        return any(match(topic) for match in self.matches)

    # --- subscriptions -----------------------------------------------------------------------------------------------

    @property
    def kind(self) -> Kind:
        """Which kind of subscription reads on now."""
        return reader_of(self.steering.mode, self.steering.pick)

    def subscriptions(self) -> Iterator[Subscription]:
        """Return all there are."""
        yield from (one for one in (self.shared, self.ingress) if one is not None)
        yield from self.own.values()
        yield from self.inboxes.values()

    def readers(self) -> list[Subscription]:
        """Return those that read the topics on, under the present steering."""
        if self.kind == "own":
            return list(self.own.values())
        one = self.ingress if self.kind == "ingress" else self.shared
        return [] if one is None else [one]

    def add(self, kind: Kind, member: str = "") -> Subscription:
        """Make a subscription that reads nothing yet; `member` for those that are a member's."""
        spec = self.spec
        whose = member if kind in ("own", "inbox") else None
        made = Subscription(kind, spec.name, whose, lease_s=spec.lease_s, ordered=spec.ordered, cuts=self.cuts)
        if kind == "shared":
            self.shared = made
        elif kind == "ingress":
            self.ingress = made
        else:
            (self.own if kind == "own" else self.inboxes)[member] = made
        self._sources.clear()
        return made

    def remove(self, kind: Kind, member: str) -> Subscription | None:
        """Take a member's own subscription, or its inbox, out of the group."""
        self._sources.clear()
        return (self.own if kind == "own" else self.inboxes).pop(member, None)

    def steer(self, steering: Steering, cut: Cut) -> None:
        """Deliver as `steering` says from `cut` on."""
        self.steering = steering
        self.cuts = (*self.cuts, cut)[-KEPT_CUTS:]
        for subscription in self.subscriptions():
            subscription.cuts = self.cuts
        self._sources.clear()

    def sources(self, source: Source, member: str) -> Sequence[Subscription]:
        """Return what `member` takes from on a seat, in that order: what is left of older epochs comes first."""
        if isinstance(source, Ingress):
            return () if self.ingress is None else (self.ingress,)
        if source.member is not None:
            return () if source.member not in self.inboxes else (self.inboxes[source.member],)
        found = self._sources.get(member)
        if found is None:
            all_of_them = (self.own.get(member), self.inboxes.get(member), self.shared)
            present = "inbox" if self.kind == "ingress" else self.kind
            found = tuple(sorted((one for one in all_of_them if one), key=lambda one: one.kind == present))
            self._sources[member] = found
        return found

    def let_place_go(self, key: str) -> Subscription | None:
        """Free the key of a moved event that is let go; return the subscription that has something to offer now."""
        for subscription in (self.ingress, self.shared):
            offered = None if subscription is None else subscription.let_place_go(key)
            if offered is not None:
                return subscription if offered else None
        return None

    # --- seeing ------------------------------------------------------------------------------------------------------

    @property
    def orphans(self) -> tuple[str, ...]:
        """The members that are not there and have something in their inboxes."""
        return tuple(sorted(m for m, inbox in self.inboxes.items() if m not in self.attached and not inbox.is_empty))

    def info(self, now: float) -> GroupInfo:
        """Return the group as it stands."""
        members = []
        for attached in self.attached.values():
            member = attached.member
            held = sum(one.holding[member.name] for one in self.sources(Inbox(self.spec.name), member.name))
            members.append(MemberInfo(name=member.name, named=member.named, seen_s=now - attached.seen, held=held))
        idle_s = None if self.idle_since is None else now - self.idle_since
        return GroupInfo(
            spec=self.spec,
            members=tuple(members),
            idle_s=idle_s,
            steering=self.steering,
            cuts=self.cuts,
            orphans=self.orphans,
        )

    def figures(self, logs: dict[str, Log], now: float) -> list[Figures]:
        """Return the books: of what is shared, and of each member (rule 12)."""
        rows = []
        name = f"$inbox.{self.spec.name}"
        together = [one for one in (self.shared, self.ingress) if one is not None]
        if together:
            rows.append(_book(together, logs.get(name), now))
        for member in {**self.own, **self.inboxes}:
            mine = [one for one in (self.own.get(member), self.inboxes.get(member)) if one is not None]
            rows.append(_book(mine, logs.get(f"{name}/{member}"), now))
        return rows


def _book(subscriptions: Sequence[Subscription], inbox: Log | None, now: float) -> Figures:
    """Return the books of subscriptions as one; what entered by the inbox was counted as matched."""
    entries = {} if inbox is None else inbox.entries
    found = [subscription.figures(now) for subscription in subscriptions]
    counts = {name: sum(getattr(one, name) for one in found) for name in _COUNTED}
    redriven, replayed = entries.get("redriven", 0), entries.get("replayed", 0)
    moved = entries.get("moved", 0) + sum(one.entered for one in subscriptions if one.kind == "inbox")
    counts["matched"] -= redriven + replayed + moved
    counts["waiting"] += sum(one.coming for one in subscriptions if one.kind == "inbox")
    counts["redriven"] += redriven
    counts["replayed"] += replayed
    oldest = max((one.oldest_s for one in found if one.oldest_s is not None), default=None)
    return Figures(group=found[0].group, member=found[0].member, oldest_s=oldest, **counts)
