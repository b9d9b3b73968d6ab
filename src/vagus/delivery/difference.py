"""Two copies of one topic, compared by the identity of events: what one lacks, what differs, what stands out of order.

What the first keeps from before the second had its first event is none of the comparison's, and what is so new that its
copy may still be on its way is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


class Seen(msgspec.Struct, frozen=True):
    """One event as it lies in a copy: `id` is its source and id, `content` its bytes or a digest of them."""

    id: str
    content: bytes
    key: str | None = None
    age_s: float = 0.0


class Difference(msgspec.Struct, frozen=True):
    """What was found. `compared`: how many events both have. `before`, `pending`: how many were not judged, as too
    old or too new. `disordered`: the keys whose events stand in another order.
    """

    topic: str
    compared: int
    before: int
    pending: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]
    disordered: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether nothing was found."""
        return not (self.missing or self.extra or self.changed or self.disordered)


def compare(topic: str, first: Sequence[Seen], second: Sequence[Seen], settle_s: float = 2.0) -> Difference:
    """Return how `second` differs from `first`, both oldest first; events of the last `settle_s` seconds may lack."""
    there = {seen.id: seen for seen in second}
    begin = next((index for index, seen in enumerate(first) if seen.id in there), len(first) if there else 0)
    judged = {seen.id: seen for seen in first[begin:]}
    lacking = [seen for seen in judged.values() if seen.id not in there]
    missing = tuple(seen.id for seen in lacking if seen.age_s > settle_s)
    both = [id for id in judged if id in there]
    known = {seen.id for seen in first}
    return Difference(
        topic=topic,
        compared=len(both),
        before=begin,
        pending=len(lacking) - len(missing),
        missing=missing,
        extra=tuple(id for id, seen in there.items() if id not in known and seen.age_s > settle_s),
        changed=tuple(id for id in both if judged[id].content != there[id].content),
        disordered=_disordered(judged, there, both),
    )


def _disordered(first: Mapping[str, Seen], second: Mapping[str, Seen], both: Sequence[str]) -> tuple[str, ...]:
    here, there = _by_key(first, both), _by_key(second, both)
    return tuple(sorted(key for key, ids in here.items() if ids != there.get(key)))


def _by_key(seen: Mapping[str, Seen], both: Sequence[str]) -> dict[str, list[str]]:
    wanted = set(both)
    found: dict[str, list[str]] = {}
    for id, one in seen.items():
        if id in wanted and one.key is not None:
            found.setdefault(one.key, []).append(id)
    return found
