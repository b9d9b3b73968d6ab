"""What the members of a group say of themselves, kept in the store: labels, weight, credit.

Whether a member is there is not told here: that is known by the backend (`GroupInfo.members`). An entry of a member
that died is forgotten after an hour, and counts for nothing before.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from vagus.store import Change, Store

KEEP_S = 3_600.0
"""How long an entry is kept unless it is written again, in seconds; it is, three times within."""

_PAGE = 500


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member's own words. `credit`: how many events it may be given ahead. `picks`: what it can find by name."""

    labels: dict[str, str] = msgspec.field(default_factory=dict)
    weight: int = 1
    credit: int = 1_000
    picks: tuple[str, ...] = ()


def entry_change(group: str, member: str, entry: Entry | None) -> Change:
    """Return the change that writes a member's entry, or takes it out (None)."""
    body = None if entry is None else msgspec.json.encode(entry)
    return Change(_key(group, member), body, ttl_s=KEEP_S)


async def read_roster(store: Store, group: str) -> Mapping[str, Entry]:
    """Return the entries of a group's members by name, also of some that are gone."""
    found: dict[str, Entry] = {}
    prefix, after = _key(group, ""), ""
    while True:
        page = await store.scan(prefix, after, _PAGE)
        for key, value in page:
            found[key.removeprefix(prefix)] = msgspec.json.decode(value.body, type=Entry)
        if len(page) < _PAGE:
            return found
        after = page[-1][0]


def _key(group: str, member: str) -> str:
    return f"roster/{group}/{member}"
