"""The seam through which events leave and enter: what every backend promises, in nine methods and three.

A backend is the code that carries events in and out of one outside system. It carries, it does not decide: the
order of lanes, the delay of a retry and the choice of what becomes a dead letter come to it as arguments. Durations
cross this seam, never instants: due times and leases use the backend's own clock.

The order that no crash may break is one sentence: *what is new is stored before what is old is let go*. All that
changes anything is one kind of `Unit`, and `Backend.commit` is the one place where it is carried out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from vagus.message import Envelope
from vagus.store import Append, Change, Store

Position: TypeAlias = int | str
"""A place in one topic: opaque, comparable with others of the same topic (a number where the backend is a log)."""

Token: TypeAlias = Any
"""What a member shows to settle a delivery: opaque, valid until the lease lapses, never reused."""

Lane: TypeAlias = int
"""A priority, 0 to 9; higher first. A topic without lanes has lane 0 alone."""

Mode: TypeAlias = Literal["once", "all"]
Entry: TypeAlias = Literal["new", "moved", "redriven", "replayed", "discarded"]
Ending: TypeAlias = Literal["acked", "dead", "expired", "cancelled", "skipped", "moved"]


# --- what there is -------------------------------------------------------------------------------------------------


class TopicSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it is declared; declaring it again with other values changes it in place.

    `lanes`: 1, or 10 where the topic has priorities. `keep_s`: how long settled events are kept, in seconds; None
    leaves it to the backend (7 days where it is a log). `archive`: kept also when no group was ever declared for it
    (the user named `keep=`). `max_events`: how many unsettled and scheduled events it holds before a publisher is
    refused with `TopicFull`; None means no limit of ours.
    """

    name: str
    lanes: int = 1
    keep_s: float | None = None
    archive: bool = False
    max_events: int | None = None


class GroupSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A durable subscription as it is declared.

    `mode` and `pick`: the first value of the group's `Steering`; a group that was switched since keeps what it was
    switched to.
    `patterns`: topics or patterns (`*` one word, `#` the rest). `start`: "now" hears what is published after the
    declaration, "first" also what is still kept. `lease_s`: how long a member may hold a delivery before it is
    given to another. `ordered`: events of one key one at a time and in order. `forget_after_s`: how long a named
    member of an `all` group may be away before what it missed is forgotten.
    """

    name: str
    patterns: tuple[str, ...]
    mode: Mode = "once"
    pick: str = ""
    start: Literal["now", "first"] = "now"
    lease_s: float = 30.0
    ordered: bool = True
    forget_after_s: float = 7 * 86_400.0


class Steering(msgspec.Struct, frozen=True):
    """How a group delivers: to one member or to every one, and who chooses that one.

    `pick`: "" leaves the choice to the backend (whoever has credit); any other text is kept for whoever dispatches,
    and not read. Only `once` has one. `epoch`: which steering of the group it is, counted from 1.
    """

    mode: Mode = "once"
    pick: str = ""
    epoch: int = 1


class Cut(msgspec.Struct, frozen=True):
    """Where a switch fell: the steering that begins there, and for each topic the end of what belongs to older ones.

    `ends`: by topic, for each of its lanes, the position up to which events belong to older epochs. A topic or a lane
    that is not named is newer than the cut.
    """

    mode: Mode
    pick: str
    epoch: int
    ends: dict[str, tuple[Position, ...]]


class Member(msgspec.Struct, frozen=True):
    """One running consumer of a group. In `all`, a named one (`named=True`) gets what it missed while away."""

    name: str
    named: bool = False


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend can promise, as read from the server and its configuration when it was opened.

    A flag cuts both ways: the conformance suite demands what it claims and shows that what it denies is refused.
    """

    system: str
    version: str
    durable: bool
    """What was published survives the death of every process of ours (and a restart of the server)."""
    shared: bool
    """Several processes can use it at once."""
    atomic: bool
    """A unit is stored all or nothing, the fence included; else puts are confirmed before the first settle."""
    fenced: bool
    """A settle by a holder whose lease has lapsed is refused."""
    notes: bool
    """A note given with `Release` comes back with the next delivery."""
    dedupe: bool
    """The same `dedupe` put twice within the window is stored once."""
    delay: bool
    """`after_s` is kept, also over a restart where durable."""
    lanes: bool
    """Topics can have ten priority lanes."""
    keyed_lanes: bool
    """Topics can have priority lanes and keys at once."""
    replay: bool
    """`read` and `steer` reach back to a position, a time, the beginning."""
    bounded: bool
    """`max_events` is kept, and a publisher over it refused."""
    exact_stats: bool
    """Every figure is exact; else `Figures.estimated` names those that are not."""
    switch: bool = False
    """Mode and pick of a group can be changed while it runs (`steer` with a `Switch`)."""
    inboxes: bool = False
    """Members of a `once` group have inboxes of their own, so that a pick can be carried out (`Ingress`)."""
    settings: dict[str, str] = msgspec.field(default_factory=dict)
    """Settings that were read back from the server, for `doctor`."""


# --- what is done --------------------------------------------------------------------------------------------------


class Topic(msgspec.Struct, frozen=True, gc=False):
    """A target: the topic of that name. Also names a topic to `drop`."""

    name: str


class Inbox(msgspec.Struct, frozen=True, gc=False):
    """A target: the private queue of a group, or of one of its members.

    A member of `all` finds its redrives there, a member of a `once` group with a pick what was dispatched to it
    (`entry="moved"`). As a source, `Inbox(group)` is a worker's seat, and `Inbox(group, member)` the seat of whoever
    empties what was dispatched to a member that is gone.
    """

    group: str
    member: str | None = None


class Ingress(msgspec.Struct, frozen=True, gc=False):
    """A source: the dispatcher's seat of a group with a pick, where its events wait to be dispatched."""

    group: str


class Dead(msgspec.Struct, frozen=True, gc=False):
    """A target: the dead letters of a group, the topic `$dead.GROUP`; `member` where an `all` group's member failed."""

    group: str
    member: str | None = None


Target: TypeAlias = Topic | Inbox | Dead
Source: TypeAlias = Inbox | Ingress


class Put(msgspec.Struct, frozen=True, gc=False):
    """One event to be stored.

    `after_s`: not before that many seconds from now. `dedupe`: stored once within the target's window per value.
    `heard`: True refuses a topic that nobody listens to and that is no archive (`no group`); False counts the event
    as unheard instead. `note` comes back with the delivery, `generation` too. `losses` and `epoch` travel with an
    event that is moved, so that it is still the same in whatever inbox; with an epoch of 0, where it lies tells.
    """

    target: Target
    envelope: Envelope
    key: str | None = None
    lane: Lane = 0
    after_s: float = 0.0
    dedupe: str | None = None
    entry: Entry = "new"
    generation: int = 0
    note: bytes = b""
    heard: bool = True
    losses: int = 0
    epoch: int = 0


class Done(msgspec.Struct, frozen=True, gc=False):
    """Let a delivery go for good, and count it as `ending`.

    A "moved" event whose unit puts it into an inbox of its group keeps the place of its key until it is let go there.
    """

    ending: Ending


class Release(msgspec.Struct, frozen=True, gc=False):
    """Give a delivery back: due again in `after_s` seconds; `note` replaces the kept note (None keeps it)."""

    after_s: float = 0.0
    note: bytes | None = None


class Settle(msgspec.Struct, frozen=True, gc=False):
    """What becomes of one delivery."""

    token: Token
    action: Done | Release


class Unit(msgspec.Struct, frozen=True, gc=False):
    """Puts, settles and changes of the store that belong together: all or nothing where the backend is atomic.

    The fence is included: a lost lease stores none of its puts. Elsewhere each of the puts is confirmed before the
    first settle. Units are independent: many travel in one commit, and one that is refused blocks no other.
    """

    puts: Sequence[Put] = ()
    settles: Sequence[Settle] = ()
    changes: Sequence[Change | Append] = ()


class PutOutcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one put.

    `stored` (with its position; None while it waits for its due time), `duplicate` (stored before, with that
    position where known), `unheard` (nobody listens; counted, not stored), `refused` (with `why`: "no group",
    "full", "disk", …), `unknown` (may or may not have arrived), `untried` (another part of its unit was refused).
    """

    status: Literal["stored", "duplicate", "unheard", "refused", "unknown", "untried"]
    position: Position | None = None
    why: str = ""


SettleOutcome: TypeAlias = Literal["done", "lost", "untried", "unknown"]


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one unit, each list parallel to the unit's own.

    `done` is True when everything of it was carried out (duplicates and unheard events count as carried out).
    `changes`: whether each change or append took effect.
    """

    done: bool
    puts: Sequence[PutOutcome] = ()
    settles: Sequence[SettleOutcome] = ()
    changes: Sequence[bool] = ()


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One handing of one event to one member.

    `losses`: how often a lease of it lapsed or its holder died; failures of the handler are not among them, they
    stand in `note`. `generation`: how often it was deliberately sent again. `member`: whose own it is, in `all`;
    None where the group shares it, and where it was dispatched. `epoch`: the steering under which it was first
    dispatched.
    """

    topic: str
    envelope: Envelope
    token: Token
    position: Position
    key: str | None = None
    lane: Lane = 0
    generation: int = 0
    losses: int = 0
    note: bytes = b""
    member: str | None = None
    epoch: int = 1


# --- what is seen --------------------------------------------------------------------------------------------------


class First(msgspec.Struct, frozen=True):
    """A place to start: the oldest event that is kept."""


class End(msgspec.Struct, frozen=True):
    """A place to start: after the newest event."""


class After(msgspec.Struct, frozen=True):
    """A place to start: after that position."""

    position: Position


class Ago(msgspec.Struct, frozen=True):
    """A place to start: what was stored in the last `seconds` seconds."""

    seconds: float


Start: TypeAlias = First | End | After | Ago


class SeekTo(msgspec.Struct, frozen=True):
    """Move a group's cursors (in `all`, those of `member`) on every topic of it, or on `topic` alone.

    Going back hands out again what lies between, with its generation raised by one, or to `generation` where that is
    more, and counts it as replayed; going forward counts what it passes over as skipped. With `skip=False` a cursor
    that has not come so far stays where it is. What is held, waiting or parked stays as it is.
    """

    start: Start
    member: str | None = None
    topic: str | None = None
    generation: int = 1
    skip: bool = True


class Switch(msgspec.Struct, frozen=True):
    """Change how a group delivers, while it runs; see `Steering`. `epoch`: the present one plus one."""

    mode: Mode
    pick: str
    epoch: int


class Record(msgspec.Struct, frozen=True):
    """One stored event as `read` sees it; `age_s` is how long ago it was stored, by the backend's clock."""

    position: Position
    envelope: Envelope
    age_s: float
    key: str | None = None
    lane: Lane = 0
    entry: Entry = "new"
    generation: int = 0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The books of what a group shares, or of one member (`member`): its own in `all`, and what was dispatched to it.

    They balance: matched + redriven + replayed = acked + dead + discarded + expired + cancelled + skipped +
    trimmed + held + waiting + parked + ready. Events that moved between inboxes are on neither side: where a group
    is dispatched, it balances as a whole, all of its books added up. What was moved with a delay counts as waiting.
    `lost` counts lapsed leases and dead holders, `oldest_s` is the age of the oldest ready event in seconds.
    """

    group: str
    member: str | None = None
    matched: int = 0
    redriven: int = 0
    replayed: int = 0
    acked: int = 0
    dead: int = 0
    discarded: int = 0
    expired: int = 0
    cancelled: int = 0
    skipped: int = 0
    trimmed: int = 0
    held: int = 0
    waiting: int = 0
    parked: int = 0
    ready: int = 0
    lost: int = 0
    oldest_s: float | None = None
    estimated: frozenset[str] = frozenset()

    @property
    def entered(self) -> int:
        """All that ever came in: the left side of the balance."""
        return self.matched + self.redriven + self.replayed

    @property
    def accounted(self) -> int:
        """All that is settled or still there: the right side of the balance."""
        settled = self.acked + self.dead + self.discarded + self.expired + self.cancelled + self.skipped + self.trimmed
        return settled + self.held + self.waiting + self.parked + self.ready


class TopicInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it stands: how many events it keeps, how many wait for their due time, how many nobody heard."""

    spec: TopicSpec
    kept: int
    scheduled: int
    stored: int
    duplicates: int
    unheard: int
    groups: tuple[str, ...]


class MemberInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A member as it stands; `seen_s` is how long ago it was last heard of."""

    name: str
    named: bool
    seen_s: float
    held: int


class GroupInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A group as it stands, and its members; `idle_s` is how long it has had none (None while it has some).

    `spec` has the first value of mode and pick, `steering` the present one, `cuts` the switches up to it, oldest
    first, 100 at most. `orphans`: members that are not there, to whom something was dispatched that is not settled.
    """

    spec: GroupSpec
    members: tuple[MemberInfo, ...]
    idle_s: float | None
    steering: Steering = Steering()
    cuts: tuple[Cut, ...] = ()
    orphans: tuple[str, ...] = ()


class Catalogue(msgspec.Struct, frozen=True):
    """Everything that was declared on a backend, ours or adopted, sorted by name."""

    topics: tuple[TopicInfo, ...]
    groups: tuple[GroupInfo, ...]


# --- the seam ------------------------------------------------------------------------------------------------------


class Feed(Protocol):
    """A member's end of a subscription. Not to be used by two tasks at once, `extend` apart."""

    async def take(self, limit: int, lanes: Sequence[Lane]) -> Sequence[Delivery]:
        """Wait until at least one event can be handed out, then return at most `limit` of them, leased.

        First what was lost by others, then what is due, then the log in the order of `lanes` (lanes not named are
        not looked at, all of them when `lanes` is empty). It waits for a push and never polls. Cancellation safe:
        what a cancelled take had claimed goes back uncounted. Raises `ConnectionLost` when the backend is gone.

        On the seat of whoever empties the inbox of a member that is gone, it returns nothing once nothing is left.
        """

    async def extend(self, tokens: Sequence[Token], by_s: float) -> Sequence[Token]:
        """Keep the leases of `tokens` for another `by_s` seconds from now; return those that were lost already."""

    async def leave(self) -> None:
        """End the membership: what it still holds goes back uncounted; an anonymous member of `all` is forgotten."""


class Backend(Protocol):
    """The code that carries events in and out of one outside system."""

    @property
    def store(self) -> Store | None:
        """The store in the same place, whose changes join a unit; None where the system has none."""

    async def open(self) -> Capabilities:
        """Connect, read version and settings back, and say what can be promised. Idempotent.

        Raises `ConnectFailed` (or a child of it) when that cannot be, with the masked URL and what to do.
        """

    async def declare(self, topics: Sequence[TopicSpec], groups: Sequence[GroupSpec]) -> None:
        """Make sure that topics and groups exist. Idempotent; adopts what is there already.

        A group starts at its first declaration. A changed list of patterns, lease, order or forgetting takes effect
        at once. Mode and pick of a group that is there are left alone; `GroupConflict` is raised where they are
        neither as it was first declared nor as it was ever switched to.
        """

    async def commit(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """Carry the units out and return, in their order, what became of each.

        When it returns, what is stored survives as `Capabilities.durable` says. It raises only when nothing at all
        can be said or done: `PublishUnconfirmed` when the outcome of all is unknown, `ConnectionLost` when nothing
        was sent. Cancelling it leaves the outcome unknown.
        """

    def attach(self, source: Source, member: Member, credit: int) -> Feed:
        """Take a seat at a group; `credit` bounds what is held on it.

        `Inbox(group)` joins as a member that takes from what the group shares, from its own subscription (in `all`,
        made if it is new, it starts now) and from its inbox. `Ingress(group)` is the dispatcher's seat, and
        `Inbox(group, member)` that of whoever empties the inbox of `member`; neither makes anybody a member.
        Raises `UnsupportedCapability` for these two where members have no inboxes.
        """

    async def steer(self, group: str, change: SeekTo | Switch) -> Cut | None:
        """Move a group's cursors (`SeekTo`), or change how it delivers (`Switch`), in one step; return where it fell.

        A switch loses nothing: what was there stays with those whose it was, what comes after goes the new way. From
        `all`, it falls at the furthest place of any member, and the others catch up to it. Raises `GroupConflict` for
        a switch that is not the next one, `InvalidArgument` for a pick in `all`, and `UnsupportedCapability` where
        there is no replay, no switch, or no inboxes for a pick.
        """

    async def read(self, topic: str, start: Start, limit: int, wait_s: float = 0.0) -> Sequence[Record]:
        """Look at stored events, oldest first, without consuming; at most `limit`.

        With `wait_s`, waits that long for the first one. Dead letters are read as `$dead.GROUP`.
        """

    async def stats(self, group: str) -> Sequence[Figures]:
        """Return the books of a group: one `Figures` for what it shares, if it does, and one for each member's own."""

    async def describe(self) -> Catalogue:
        """Return all topics and groups that there are."""

    async def drop(self, target: Topic | Inbox) -> None:
        """Remove a topic, a group (`Inbox(group)`) or a member with all that is its own. Idempotent.

        What was dispatched to a member is the group's: it stays, for whoever empties the inbox.
        """

    async def close(self) -> None:
        """Let go of everything; feeds that still wait raise `ConnectionLost`. Idempotent."""
