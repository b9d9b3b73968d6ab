"""Which member dispatches a group: whoever holds its key in the store, until it lapses or is given up.

The key lapses within half a lease of the group, and is looked at by the others six times within one, so that a
dispatcher that was killed is replaced within one lease. Two at once for a moment do no harm: each event is moved by
whoever holds its delivery, and a move by one who lost it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vagus.store import Change, Store

FORGET_S = 30 * 86_400.0


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one dispatcher leaves to the next, and shows to everybody.

    `member`: who it is, "" where it gave up. `page`: the number of the stream that members report on. `marks`: how far
    the pick of each epoch has come. `team`: the members that can be chosen. `unmatched`: events that nobody matches.
    `blocked`: events that wait for credit. `why`: the last error of a pick.
    """

    member: str = ""
    page: int = 0
    marks: dict[str, str] = msgspec.field(default_factory=dict)
    team: tuple[str, ...] = ()
    unmatched: int = 0
    blocked: int = 0
    why: str = ""


class Terms:
    """A member's claim to dispatch one group; `lease_s` is the group's."""

    def __init__(self, store: Store, group: str, member: str, lease_s: float) -> None:
        self._store = store
        self._key = holder_key(group)
        self._state_key = state_key(group)
        self._member = member
        self._version = 0
        self.ttl_s = lease_s / 2
        self.look_s = lease_s / 6

    async def begin(self) -> State | None:
        """Become the dispatcher if nobody is; return what the last one left, None where there is one already."""
        held, left = await self._store.get([self._key, self._state_key])
        if held is not None:
            return None
        took = await self._store.swap([Change(self._key, self._member.encode(), expect=0, ttl_s=self.ttl_s)])
        if not took[0]:
            return None
        self._version = 1
        return State() if left is None else read_state(left.body)

    async def keep(self, state: State) -> bool:
        """Hold on for another term, and show `state`; False where it had lapsed and the key is not ours any more."""
        body = self._member.encode()
        if await self._write(body, state):
            return True
        # Whoever was interrupted in the middle of the last time cannot know whether it took effect.
        (held,) = await self._store.get([self._key])
        if held is None or held.body != body or held.version == self._version:
            return False
        self._version = held.version
        return await self._write(body, state)

    async def _write(self, body: bytes | None, state: State) -> bool:
        done = await self._store.swap(
            [
                Change(self._key, body, expect=self._version, ttl_s=self.ttl_s),
                Change(self._state_key, msgspec.json.encode(state), ttl_s=FORGET_S),
            ]
        )
        self._version += all(done)
        return all(done)

    async def end(self, state: State) -> None:
        """Give up, so that another one can begin at once; where it had lapsed, nothing happens."""
        (held,) = await self._store.get([self._key])
        if held is not None and held.body == self._member.encode():
            self._version = held.version
            await self._write(None, state)


async def read_states(store: Store, groups: Sequence[str]) -> dict[str, State]:
    """Return what the dispatchers of these groups show; groups that never had one are left out."""
    keys = [key for group in groups for key in (holder_key(group), state_key(group))]
    found = iter(await store.get(keys))
    states = {}
    for group in groups:
        holder, shown = next(found), next(found)
        if shown is not None:
            member = "" if holder is None else holder.body.decode()
            states[group] = msgspec.structs.replace(read_state(shown.body), member=member)
    return states


def holder_key(group: str) -> str:
    """Return where the name of the member that dispatches a group stands."""
    return f"dispatcher/{group}"


def state_key(group: str) -> str:
    """Return where the state of a group's dispatcher stands."""
    return f"dispatch/{group}"


def read_state(body: bytes) -> State:
    """Return a state as it was kept."""
    return msgspec.json.decode(body, type=State)
