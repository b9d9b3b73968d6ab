"""By lot, and by key: where a number decides. No chance is in here: a lot is a function of its seed and its number."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from vagus.delivery.expression import compile_path
from vagus.delivery.pick import Candidate, PickEvent
from vagus.delivery.picks.turn import RoundRobin
from vagus.errors import InvalidArgument

_MASK = (1 << 64) - 1
_REMEMBERED = 10_000


class Random:
    """By lot, each member as likely as any other. The same `seed` draws the same members in the same order.

    Without a seed, the app draws one. The lot of a member that has no credit left goes to another one, and changes
    nothing of what is drawn next.
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise InvalidArgument(f"seed of pick random: expected a whole number, got {seed!r}")
        self.seed = seed
        self._base = 0 if seed is None else seed
        self._drawn = 0

    @property
    def text(self) -> str:
        """The pick in writing."""
        return "random" if self.seed is None else f"random({self.seed})"

    @property
    def mark(self) -> str:
        """How many lots were drawn, and the seed that the app gave."""
        return f"{self._drawn} {self._base}"

    def recall(self, mark: str) -> None:
        """Go on with the lot of that number."""
        drawn, _, base = mark.partition(" ")
        if drawn.isdecimal() and base.removeprefix("-").isdecimal():
            self._drawn = int(drawn)
            self._base = int(base) if self.seed is None else self.seed

    def seeded(self, seed: int) -> None:
        """Draw by that seed where the user gave none."""
        if self.seed is None:
            self._base = seed

    def choose(self, event: PickEvent, members: Sequence[Candidate]) -> Candidate:
        """Return the member that the next lot falls on, or another one with credit."""
        lot = mixed(self._base + (self._drawn + 1) * 0x9E3779B97F4A7C15)
        found = members[lot * len(members) >> 64]
        if found.free <= 0:
            free = [member for member in members if member.free > 0]
            if not free:
                return found
            found = free[mixed(lot) * len(free) >> 64]
        self._drawn += 1
        return found


class ByKey:
    """Sticky: the events of one key go to one member, for as long as it is there.

    The key is that of the event, or what lies at `field` (such as "data.session_id"). When members come or go, only the
    keys move that must (rendezvous hashing). Events without a key go in turn.
    """

    mark = ""

    def __init__(self, field: str | None = None) -> None:
        self._field = field
        self._find = None if field is None else compile_path(field)
        self._others = RoundRobin()
        self._members: Sequence[Candidate] = ()
        self._places: list[int] = []
        self._known: dict[str, Candidate] = {}

    @property
    def text(self) -> str:
        """The pick in writing."""
        return "by_key" if self._field is None else f"by_key({self._field!r})"

    def recall(self, mark: str) -> None:
        """Nothing to go on from: a key finds its member again by itself."""

    def choose(self, event: PickEvent, members: Sequence[Candidate]) -> Candidate:
        """Return the member of the event's key, whether it has credit or not."""
        found = event.key if self._find is None else self._find(event.get)
        if found is None or found == "":
            return self._others.choose(event, members)
        if members is not self._members:
            self._members, self._known = members, {}
            self._places = [_hash(member.name) for member in members]
        key = found if isinstance(found, str) else repr(found)
        member = self._known.get(key)
        if member is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            member = self._known[key] = self._home(key)
        return member

    def _home(self, key: str) -> Candidate:
        at = _hash(key)
        best, home = -1, 0
        for index, place in enumerate(self._places):
            score = (at ^ place) * 0xBF58476D1CE4E5B9 & _MASK
            score = (score ^ score >> 32) * 0x94D049BB133111EB & _MASK
            if score > best:
                best, home = score, index
        return self._members[home]


def mixed(number: int) -> int:
    """Return 64 bits in which those of `number` are well mixed (splitmix64)."""
    number &= _MASK
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _MASK
    return number ^ number >> 31


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
