"""Who is there: joining, leaving, and being forgotten after a silence."""

from __future__ import annotations

from vagus.backend import Member
from vagus.backends.sqlite.database import Database
from vagus.backends.sqlite.engine.cache import Cache, Subscription, Team
from vagus.backends.sqlite.engine.declaring import Declaring
from vagus.backends.sqlite.engine.settling import Settling
from vagus.ledger.sql import text

#: A member that was not heard of for this many leases is gone.
MISSED_LEASES = 3


class Members:
    """Attached members, as rows that their processes refresh once a lease."""

    def __init__(self, db: Database, cache: Cache, declaring: Declaring, settling: Settling) -> None:
        self._db = db
        self._cache = cache
        self._declaring = declaring
        self._settling = settling

    def attach(self, group: str, member: Member, now: float) -> None:
        """Let `member` join; in `all` its subscription is made if it is new."""
        team = self._declaring.team(group)
        self._db.execute(text.SET_MEMBER, (team.id, member.name, member.named, now))
        self._db.execute(text.BUSY_TEAM, (team.id,))
        if team.spec.mode == "all":
            id = self._not_forgotten(team, member.name, now)
            if id is None:
                self._declaring.subscribe(team, member.name, now)
            else:
                self._set_away(id, None)

    def _not_forgotten(self, team: Team, member: str, now: float) -> int | None:
        """Return the subscription that waits for `member`; one that waited too long is forgotten now at the latest."""
        id = team.subscriptions.get(member)
        since = None if id is None else self._cache.subscription(id).away_since
        if since is not None and since + team.spec.forget_after_s <= now:
            self._declaring.unsubscribe(team, member)
            return None
        return id

    def _set_away(self, id: int, since: float | None) -> None:
        subscription = self._cache.subscription(id)
        if subscription.away_since != since:
            subscription.away_since = since
            subscription.dirty = True

    def subscription(self, group: str, member: str) -> Subscription | None:
        """Return the subscription that `member` takes from; None when there is none (any more)."""
        team = self._cache.teams.get(group)
        id = team.subscriptions.get(member if team.spec.mode == "all" else None) if team else None
        return None if id is None else self._cache.subscription(id)

    def is_there(self, group: str, member: str) -> bool:
        """Return whether `member` is on the list of a group that exists."""
        team = self._cache.teams.get(group)
        return team is not None and self._db.row(text.IS_MEMBER, (team.id, member)) is not None

    def seen(self, group: str, member: Member, now: float) -> None:
        """Note that `member` was heard of; one that was given up joins anew."""
        team = self._cache.teams.get(group)
        if team is None:
            return
        self._db.execute(text.SEE_MEMBER, (now, team.id, member.name))
        if not self._db.changes or self.subscription(group, member.name) is None:
            self.attach(group, member, now)

    def leave(self, group: str, member: Member, now: float) -> None:
        """End a membership: what it holds goes back; an anonymous member of `all` is forgotten."""
        team = self._cache.teams.get(group)
        if team is None:
            return
        self._db.execute(text.DROP_MEMBER, (team.id, member.name))
        if not self._db.changes:
            return
        self._db.execute(text.IDLE_TEAM, (now, team.id))
        subscription = self.subscription(group, member.name)
        if team.spec.mode == "all" and not member.named:
            self._declaring.unsubscribe(team, member.name)
        elif subscription is not None:
            self._settling.hand_back(subscription, member.name, now)
            if team.spec.mode == "all":
                self._set_away(subscription.id, now)

    def expire(self, now: float) -> None:
        """Give up members that were silent for too long, and forget those away for too long."""
        for id, name, named, seen in self._db.rows(text.SILENT_MEMBERS, (MISSED_LEASES, now)):
            team = self._cache.teams_by_id[id]
            self._db.execute(text.DROP_MEMBER, (id, name))
            self._db.execute(text.IDLE_TEAM, (now, id))
            if team.spec.mode == "all":
                self._give_up(team, name, named=bool(named), seen=seen)
        for (id,) in self._db.rows(text.FORGOTTEN, (now,)):
            gone = self._cache.subscription(id)
            self._declaring.unsubscribe(self._cache.teams_by_id[gone.team], gone.member)

    def _give_up(self, team: Team, member: str, *, named: bool, seen: float) -> None:
        id = team.subscriptions.get(member)
        if id is not None and named:
            self._set_away(id, seen)
        else:
            self._declaring.unsubscribe(team, member)

    def wants_expiry(self, now: float) -> bool:
        """Return whether there is anybody to give up or to forget; a look that writes nothing."""
        silent = self._db.row(text.SILENT_MEMBERS, (MISSED_LEASES, now))
        return silent is not None or self._db.row(text.FORGOTTEN, (now,)) is not None
