"""Who is there: joining, leaving, and being forgotten after a silence."""

from __future__ import annotations

from vagus.backend import Inbox, Ingress, Member, Source
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
        """Let `member` join; what it takes from under the present steering is made if it is new."""
        team = self._declaring.team(group)
        self._db.execute(text.SET_MEMBER, (team.id, member.name, member.named, now))
        self._db.execute(text.BUSY_TEAM, (team.id,))
        id = self._not_forgotten(team, member.name, now)
        if id is not None:
            self._set_away(id, None)
        self._declaring.seat(team, member.name, now, joins=True)

    def _not_forgotten(self, team: Team, member: str, now: float) -> int | None:
        """Return the subscription that waits for `member`; one that waited too long is forgotten now at the latest."""
        id = team.subscriptions.get(("own", member))
        since = None if id is None else self._cache.subscription(id).away_since
        if since is not None and since + team.spec.forget_after_s <= now:
            self._declaring.unsubscribe(team, "own", member)
            return None
        return id

    def _set_away(self, id: int, since: float | None) -> None:
        subscription = self._cache.subscription(id)
        if subscription.away_since != since:
            subscription.away_since = since
            subscription.dirty = True

    def sources(self, source: Source, member: str) -> list[Subscription]:
        """Return the subscriptions that `member` takes from on a seat; none when there is none (any more)."""
        team = self._cache.teams.get(source.group)
        return [self._cache.subscription(id) for id in team.sources(source, member)] if team else []

    def is_seated(self, source: Source, member: str) -> bool:
        """Return whether a seat has what it takes from; without, its member has to join anew, or the group is gone."""
        team = self._cache.teams.get(source.group)
        return team is not None and team.is_seated(source, member)

    def is_emptied(self, source: Source) -> bool:
        """Return whether this is the seat of whoever empties an inbox, its member is gone, and nothing is left."""
        team = self._cache.teams.get(source.group)
        if team is None or isinstance(source, Ingress) or source.member is None:
            return False
        id = team.subscriptions.get(("inbox", source.member))
        if self.is_there(source.group, source.member):
            return False
        return id is None or self._declaring.is_empty(self._cache.subscription(id))

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
        if not self._db.changes or not team.is_seated(Inbox(group), member.name):
            self.attach(group, member, now)

    def leave(self, source: Source, member: Member, now: float) -> None:
        """Give up a seat: what it holds goes back; an anonymous member's own subscription is forgotten."""
        team = self._cache.teams.get(source.group)
        if team is None:
            return
        if source == Inbox(source.group):
            self._db.execute(text.DROP_MEMBER, (team.id, member.name))
            if not self._db.changes:
                return
            self._db.execute(text.IDLE_TEAM, (now, team.id))
            self._give_up(team, member.name, named=member.named, seen=now)
        for subscription in self.sources(source, member.name):
            self._settling.hand_back(subscription, member.name, now)
        if source == Inbox(source.group):
            self._declaring.clear_inbox(team, member.name)

    def expire(self, now: float) -> None:
        """Give up members that were silent for too long, forget those away for too long, and inboxes left empty."""
        for id, name, named, seen in self._db.rows(text.SILENT_MEMBERS, (MISSED_LEASES, now)):
            self._db.execute(text.DROP_MEMBER, (id, name))
            self._db.execute(text.IDLE_TEAM, (now, id))
            self._give_up(self._cache.teams_by_id[id], name, named=bool(named), seen=seen)
        for (id,) in self._db.rows(text.FORGOTTEN, (now,)):
            gone = self._cache.subscription(id)
            self._declaring.unsubscribe(self._cache.teams_by_id[gone.team], "own", gone.member)
        for inbox in self._left_empty():
            self._declaring.clear_inbox(self._cache.teams_by_id[inbox.team], inbox.member or "")

    def _left_empty(self) -> list[Subscription]:
        inboxes = [self._cache.subscription(id) for (id,) in self._db.rows(text.LONELY)]
        return [inbox for inbox in inboxes if self._declaring.is_empty(inbox)]

    def _give_up(self, team: Team, member: str, *, named: bool, seen: float) -> None:
        id = team.subscriptions.get(("own", member))
        if id is not None and named:
            self._set_away(id, seen)
        else:
            self._declaring.unsubscribe(team, "own", member)

    def wants_expiry(self, now: float) -> bool:
        """Return whether there is anybody to give up or to forget; a look that writes nothing."""
        silent = self._db.row(text.SILENT_MEMBERS, (MISSED_LEASES, now))
        if silent is not None or self._db.row(text.FORGOTTEN, (now,)) is not None:
            return True
        return bool(self._left_empty())
