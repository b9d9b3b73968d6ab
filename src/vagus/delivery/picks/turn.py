"""In turn: one after the other, by weight, or whoever has least to do."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from vagus.delivery.pick import Candidate, PickEvent


class RoundRobin:
    """One member after the other, in the order of their names; who has no credit left is passed over."""

    text = "round_robin"

    def __init__(self) -> None:
        self._at = -1
        self.mark = ""

    def recall(self, mark: str) -> None:
        """Go on after the member of that name."""
        self.mark = mark

    def choose(self, event: PickEvent, members: Sequence[Candidate]) -> Candidate:
        """Return the next member in turn with credit; where none has any, the next in turn."""
        count, at = len(members), self._at
        if not (0 <= at < count and members[at].name == self.mark):  # others came or went
            at = bisect_right(members, self.mark, key=_name) - 1
        for step in range(1, count + 1):
            found = members[(at + step) % count]
            if found.free > 0:
                self._at, self.mark = (at + step) % count, found.name
                return found
        return members[(at + 1) % count]


class Weighted:
    """In turn by weight: a member of weight 3 gets three events where one of weight 1 gets one, well mixed."""

    text = "weighted"
    mark = ""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def recall(self, mark: str) -> None:
        """Begin anew: nobody is owed more than one event."""

    def choose(self, event: PickEvent, members: Sequence[Candidate]) -> Candidate:
        """Return the member that is owed most: each is owed its weight per event, and pays with what it gets."""
        free = [member for member in members if member.free > 0]
        if not free:
            return members[0]
        due = self._due
        if len(due) != len(members) or not all(member.name in due for member in members):
            due = self._due = {member.name: due.get(member.name, 0.0) for member in members}
        total = 0
        found = free[0]
        for member in free:
            due[member.name] += member.weight
            total += member.weight
            if due[member.name] > due[found.name]:
                found = member
        due[found.name] -= total
        return found


class LeastBusy:
    """Whoever has least to do by its weight, counting what it was given and has not settled; ties go in turn."""

    text = "least_busy"
    mark = ""

    def __init__(self) -> None:
        self._at = 0

    def recall(self, mark: str) -> None:
        """Begin anew: load is seen, not remembered."""

    def choose(self, event: PickEvent, members: Sequence[Candidate]) -> Candidate:
        """Return the least loaded member with credit; where none has any, the least loaded."""
        count = len(members)
        best, best_load, best_free = members[0], float("inf"), False
        place = 0
        for step in range(count):
            index = (self._at + step) % count
            member = members[index]
            load, free = member.outstanding / member.weight, member.credit > member.outstanding
            if (free, -load) > (best_free, -best_load):
                best, best_load, best_free, place = member, load, free, index
        self._at = place + 1
        return best


def _name(member: Candidate) -> str:
    return member.name
