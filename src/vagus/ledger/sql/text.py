"""The statements of a ledger in SQL: one constant each, named for what it does, and the shapes with many rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

# --- catalogue -----------------------------------------------------------------------------------------------------

CATALOGUE: Final = "SELECT value FROM ledger WHERE name = 'catalogue'"
RAISE_CATALOGUE: Final = "UPDATE ledger SET value = value + 1 WHERE name = 'catalogue'"
LOGS: Final = "SELECT id, name, lanes, keep_s, archive, max_events, heard FROM log"
TEAMS: Final = (
    "SELECT id, name, patterns, mode, pick, start, lease_s, ordered, forget_after_s,"
    " coalesce(steered_mode, mode), coalesce(steered_pick, pick), epoch FROM team"
)
CUTS: Final = "SELECT team, mode, pick, epoch, ends FROM cut ORDER BY team, epoch"
SUBSCRIPTIONS: Final = (
    "SELECT id, team, coalesce(kind, CASE WHEN member IS NULL THEN 'shared' ELSE 'own' END), member FROM subscription"
)
READERS: Final = "SELECT subscription, lane / 10 FROM reading GROUP BY subscription, lane / 10"

ADD_LOG: Final = "INSERT INTO log (name, lanes, keep_s, archive, max_events, heard) VALUES (?, ?, ?, ?, ?, ?)"
SET_LOG: Final = "UPDATE log SET lanes = ?, keep_s = ?, archive = ?, max_events = ?, heard = ? WHERE id = ?"
DROP_LOG: Final = "DELETE FROM log WHERE id = ?"
ADD_TEAM: Final = (
    "INSERT INTO team (name, patterns, mode, pick, start, lease_s, ordered, forget_after_s, idle_since)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
SET_TEAM: Final = "UPDATE team SET patterns = ?, start = ?, lease_s = ?, ordered = ?, forget_after_s = ? WHERE id = ?"
DROP_TEAM: Final = ("DELETE FROM cut WHERE team = ?", "DELETE FROM team WHERE id = ?")
STEER_TEAM: Final = "UPDATE team SET steered_mode = ?, steered_pick = ?, epoch = ? WHERE id = ?"
ADD_CUT: Final = "INSERT INTO cut (team, mode, pick, epoch, ends) VALUES (?, ?, ?, ?, ?)"
DROP_CUTS: Final = "DELETE FROM cut WHERE team = ? AND epoch <= ?"
ADD_SUBSCRIPTION: Final = "INSERT INTO subscription (team, kind, member) VALUES (?, ?, ?)"

# --- what changes with every transaction ---------------------------------------------------------------------------

LANE: Final = "SELECT count, removed, newest FROM lane WHERE id = ?"
SET_LANE: Final = (
    "INSERT INTO lane (id, count, removed, newest) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
    " SET count = excluded.count, removed = excluded.removed, newest = excluded.newest"
)
COUNTERS: Final = (
    "turn", "matched", "replayed", "acked", "dead", "discarded", "expired", "cancelled", "skipped", "moved",
    "trimmed", "held", "waiting", "parked", "freed", "lost",
)  # fmt: skip
SUBSCRIPTION: Final = (
    "SELECT team, coalesce(kind, CASE WHEN member IS NULL THEN 'shared' ELSE 'own' END), member, away_since,"
    f" {', '.join(COUNTERS)} FROM subscription WHERE id = ?"
)
SET_SUBSCRIPTION: Final = (
    f"UPDATE subscription SET away_since = ?, {', '.join(f'{name} = ?' for name in COUNTERS)} WHERE id = ?"
)
READINGS: Final = (
    "SELECT r.lane, r.start, r.passed, r.position, r.replayed, r.generation, r.until, r.until_position, r.later,"
    " l.count, l.removed, l.newest"
    " FROM reading r JOIN lane l ON l.id = r.lane WHERE r.subscription = ? ORDER BY r.lane"
)
SET_READING: Final = (
    "INSERT INTO reading (subscription, lane, start, passed, position, replayed, generation, until, until_position,"
    " later) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (subscription, lane) DO UPDATE SET"
    " start = excluded.start, passed = excluded.passed, position = excluded.position, replayed = excluded.replayed,"
    " generation = excluded.generation, until = excluded.until, until_position = excluded.until_position,"
    " later = excluded.later"
)
DROP_READING: Final = "DELETE FROM reading WHERE subscription = ? AND lane = ?"
CLAIMS: Final = "SELECT id, member, until, remaining FROM claim WHERE subscription = ?"
SET_CLAIM: Final = (
    "INSERT INTO claim (subscription, id, member, until, remaining) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (subscription, id) DO UPDATE SET until = excluded.until, remaining = excluded.remaining"
)
DROP_CLAIM: Final = "DELETE FROM claim WHERE subscription = ? AND id = ?"

# --- putting -------------------------------------------------------------------------------------------------------

SEEN: Final = "SELECT position FROM seen WHERE log = ? AND dedupe = ?"
ADD_SEEN: Final = "INSERT INTO seen (log, dedupe, position, at) VALUES (?, ?, ?, ?)"
SET_SEEN: Final = "UPDATE seen SET position = ? WHERE log = ? AND dedupe = ?"
ADD_SCHEDULED: Final = "INSERT INTO scheduled (due, log, lane, key, dedupe, extra, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
NEXT_SCHEDULED: Final = "SELECT min(due) FROM scheduled"
DUE_SCHEDULED: Final = (
    "SELECT id, log, lane, key, dedupe, extra, body FROM scheduled WHERE due <= ? ORDER BY due, id LIMIT ?"
)
DROP_SCHEDULED: Final = "DELETE FROM scheduled WHERE id = ?"
DROP_SCHEDULED_OF: Final = "DELETE FROM scheduled WHERE log = ?"
ADD_EVENT: Final = "INSERT INTO event (place, number, at, key, extra, body) VALUES (?, ?, ?, ?, ?, ?)"
ADD_KEYED: Final = "INSERT INTO keyed (lane, key, position) VALUES (?, ?, ?)"
COUNT_LOG: Final = (
    "UPDATE log SET scheduled = scheduled + ?, duplicates = duplicates + ?, unheard = unheard + ?,"
    " moved = moved + ?, redriven = redriven + ?, replayed = replayed + ? WHERE id = ?"
)
SCHEDULED_IN: Final = "SELECT scheduled FROM log WHERE id = ?"

# --- taking --------------------------------------------------------------------------------------------------------

NEXT_DUE: Final = "SELECT min(due) FROM waiting WHERE subscription = ?"
EVENTS: Final = "SELECT place, key, extra, body FROM event WHERE place > ? AND place < ? ORDER BY place LIMIT ?"
HOLD_RUN: Final = (
    "INSERT INTO held (subscription, place, claim) SELECT ?, place, ? FROM event WHERE place BETWEEN ? AND ?"
)
LAPSED: Final = (
    "SELECT e.place, e.key, e.extra, e.body, h.generation, h.losses, h.note"
    " FROM held h JOIN event e ON e.place = h.place WHERE h.subscription = ? AND h.claim = ? ORDER BY h.place LIMIT ?"
)
TAKE_OVER: Final = "UPDATE held SET claim = ?, losses = losses + 1 WHERE subscription = ? AND claim = ? AND place <= ?"
DUE: Final = (
    "SELECT e.place, e.key, e.extra, e.body, w.generation, w.losses, w.note"
    " FROM waiting w JOIN event e ON e.place = w.place WHERE w.subscription = ? AND w.due <= ?"
    " ORDER BY w.due, w.turn LIMIT ?"
)
HOLD_WAITING: Final = (
    "INSERT INTO held (subscription, place, claim, generation, losses, note)"
    " SELECT subscription, place, ?, generation, losses, note FROM waiting WHERE subscription = ? AND place = ?"
)
DROP_WAITING: Final = "DELETE FROM waiting WHERE subscription = ? AND place = ?"
FREED: Final = (
    "SELECT e.place, e.key, e.extra, e.body, f.generation, f.turn"
    " FROM freed f JOIN event e ON e.place = f.place WHERE f.subscription = ? AND f.lane = ? ORDER BY f.turn LIMIT ?"
)
DROP_FREED: Final = "DELETE FROM freed WHERE subscription = ? AND lane = ? AND turn <= ?"
FREED_LANES: Final = "SELECT DISTINCT lane FROM freed WHERE subscription = ?"
HAS_FREED: Final = "SELECT 1 FROM freed WHERE subscription = ? AND lane = ? LIMIT 1"
ASIDE: Final = (
    "SELECT place FROM held WHERE subscription = ?1 AND place BETWEEN ?2 AND ?3"
    " UNION ALL SELECT place FROM waiting WHERE subscription = ?1 AND place BETWEEN ?2 AND ?3"
    " UNION ALL SELECT place FROM parked WHERE subscription = ?1 AND place BETWEEN ?2 AND ?3"
    " UNION ALL SELECT place FROM freed WHERE subscription = ?1 AND place BETWEEN ?2 AND ?3"
)
PARKED_HEAD: Final = (
    "SELECT turn, position, place, generation FROM parked WHERE subscription = ? AND key = ?"
    " ORDER BY turn, position LIMIT 1"
)
PARKED_AFTER: Final = (
    "SELECT turn FROM parked WHERE subscription = ? AND key = ? AND position > ? AND place / 10995116277760 = ?"
    " ORDER BY turn, position LIMIT 1"
)
EARLIER_UNREAD: Final = "SELECT 1 FROM keyed WHERE lane = ? AND key = ? AND position > ? AND position < ? LIMIT 1"

# --- settling ------------------------------------------------------------------------------------------------------

HELD_BETWEEN: Final = "SELECT place, claim FROM held WHERE subscription = ? AND place BETWEEN ? AND ? ORDER BY place"
DROP_HELD: Final = "DELETE FROM held WHERE subscription = ? AND place BETWEEN ? AND ?"
WAIT: Final = (
    "INSERT INTO waiting (subscription, place, due, turn, generation, losses, note)"
    " SELECT subscription, place, ?, ?, generation, losses, coalesce(?, note) FROM held"
    " WHERE subscription = ? AND place = ?"
)
WAIT_CLAIM: Final = (
    "INSERT INTO waiting (subscription, place, due, turn, generation, losses, note)"
    " SELECT subscription, place, ?, ?, generation, losses, note FROM held WHERE subscription = ? AND claim = ?"
)
DROP_HELD_CLAIM: Final = "DELETE FROM held WHERE subscription = ? AND claim = ?"
HELD_UNDER: Final = "SELECT 1 FROM held WHERE subscription = ? AND place = ? AND claim = ?"
MOVE_CLAIM: Final = "UPDATE held SET claim = ? WHERE subscription = ? AND place = ?"
DROP_PARKED: Final = "DELETE FROM parked WHERE subscription = ? AND key = ? AND turn = ? AND position = ?"
ADD_FREED: Final = "INSERT INTO freed (subscription, lane, turn, place, generation) VALUES (?, ?, ?, ?, ?)"
DROP_BUSY: Final = "DELETE FROM busy WHERE subscription = ? AND key = ?"
KEEP_BUSY: Final = "INSERT INTO busy (subscription, key) VALUES (?, ?) ON CONFLICT DO NOTHING"
OUT: Final = (
    "SELECT e.place, e.key, e.extra FROM held h JOIN event e ON e.place = h.place"
    " WHERE h.subscription = ?1 AND e.key IS NOT NULL"
    " UNION ALL SELECT e.place, e.key, e.extra FROM waiting w JOIN event e ON e.place = w.place"
    " WHERE w.subscription = ?1 AND e.key IS NOT NULL"
)
MOVING: Final = "SELECT key, events FROM moving WHERE subscription = ?"
SET_BUSY: Final = "INSERT INTO busy (subscription, key, events) VALUES (?, ?, ?)"
ADD_MOVING: Final = "INSERT INTO moving (subscription, key) VALUES (?, ?) ON CONFLICT DO UPDATE SET events = events + 1"
LESS_MOVING: Final = "UPDATE moving SET events = events - 1 WHERE subscription = ? AND key = ? AND events > 1"
DROP_MOVING: Final = "DELETE FROM moving WHERE subscription = ? AND key = ?"
LESS_BUSY: Final = "UPDATE busy SET events = events - 1 WHERE subscription = ? AND key = ? AND events > 1"
WAIT_ALL_PARKED: Final = (
    "INSERT INTO waiting (subscription, place, due, turn, generation, losses)"
    " SELECT ?1, p.place, ?2, ?3 + row_number() OVER (ORDER BY e.at, l.name, p.place & 1099511627775), p.generation, 0"
    " FROM (SELECT place, generation FROM freed WHERE subscription = ?1"
    " UNION ALL SELECT place, generation FROM parked WHERE subscription = ?1) p"
    " JOIN event e ON e.place = p.place JOIN log l ON l.id = p.place / 10995116277760"
)
NO_KEYS: Final = tuple(f"DELETE FROM {table} WHERE subscription = ?" for table in ("busy", "parked", "freed"))
FREED_KEYS: Final = (
    "SELECT e.key, f.place, f.generation FROM freed f JOIN event e ON e.place = f.place WHERE f.subscription = ?"
)
DROP_ALL_FREED: Final = "DELETE FROM freed WHERE subscription = ?"
ADD_PARKED: Final = (
    "INSERT INTO parked (subscription, key, turn, position, place, generation) VALUES (?, ?, ?, ?, ?, ?)"
)
STRANDED: Final = (
    "SELECT DISTINCT p.key FROM parked p LEFT JOIN busy b ON b.subscription = p.subscription AND b.key = p.key"
    " WHERE p.subscription = ? AND b.key IS NULL"
)

# --- members -------------------------------------------------------------------------------------------------------

SET_MEMBER: Final = (
    "INSERT INTO member (team, name, named, seen) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (team, name) DO UPDATE SET named = excluded.named, seen = excluded.seen"
)
IS_MEMBER: Final = "SELECT 1 FROM member WHERE team = ? AND name = ?"
SEE_MEMBER: Final = "UPDATE member SET seen = ? WHERE team = ? AND name = ?"
DROP_MEMBER: Final = "DELETE FROM member WHERE team = ? AND name = ?"
MEMBERS: Final = "SELECT name, named, seen FROM member WHERE team = ? ORDER BY name"
SILENT_MEMBERS: Final = (
    "SELECT m.team, m.name, m.named, m.seen FROM member m JOIN team t ON t.id = m.team"
    " WHERE m.seen + ? * t.lease_s <= ?"
)
FORGOTTEN: Final = (
    "SELECT s.id FROM subscription s JOIN team t ON t.id = s.team WHERE s.away_since + t.forget_after_s <= ?"
)
LONELY: Final = (
    "SELECT s.id FROM subscription s WHERE s.kind = 'inbox' AND NOT EXISTS"
    " (SELECT 1 FROM member m WHERE m.team = s.team AND m.name = s.member)"
)
BUSY_TEAM: Final = "UPDATE team SET idle_since = NULL WHERE id = ? AND idle_since IS NOT NULL"
IDLE_TEAM: Final = (
    "UPDATE team SET idle_since = ?1 WHERE id = ?2 AND idle_since IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM member WHERE team = ?2)"
)
IDLE_SINCE: Final = "SELECT idle_since FROM team WHERE id = ?"

# --- keeping and seeing --------------------------------------------------------------------------------------------

LOWEST: Final = {
    "held": "SELECT min(place) FROM held WHERE subscription = ? AND place BETWEEN ? AND ?",
    "waiting": "SELECT min(place) FROM waiting WHERE subscription = ? AND place BETWEEN ? AND ?",
    "parked": "SELECT min(place) FROM parked WHERE subscription = ? AND place BETWEEN ? AND ?",
    "freed": "SELECT min(place) FROM freed WHERE subscription = ? AND place BETWEEN ? AND ?",
}
PLACE_AFTER: Final = "SELECT min(place) FROM event WHERE place > ? AND place < ?"
NUMBER_AT: Final = "SELECT number FROM event WHERE place >= ? AND place < ? ORDER BY place LIMIT 1"
EVENT_AT: Final = "SELECT place, at, number FROM event WHERE place >= ? AND place < ? ORDER BY place LIMIT 1"
NTH_EVENT: Final = "SELECT place, at FROM event WHERE place >= ? AND place < ? ORDER BY place LIMIT 1 OFFSET ?"
DROP_EVENTS: Final = "DELETE FROM event WHERE place >= ? AND place < ?"
KEYS_BETWEEN: Final = "SELECT key, place FROM event WHERE place >= ? AND place < ? AND key IS NOT NULL"
INDEX_KEYS: Final = (
    "INSERT INTO keyed (lane, key, position) SELECT place >> 40, key, place & 1099511627775 FROM event"
    " WHERE place > ? AND place < ? AND key IS NOT NULL ON CONFLICT DO NOTHING"
)
DROP_KEYED: Final = "DELETE FROM keyed WHERE lane = ? AND key = ? AND position = ?"
SWEPT: Final = "SELECT swept FROM log WHERE id = ?"
SET_SWEPT: Final = "UPDATE log SET swept = ? WHERE id = ?"
OLD_SEEN: Final = "SELECT dedupe, position, at FROM seen WHERE log = ? AND dedupe > ? ORDER BY dedupe LIMIT ?"
DROP_SEEN: Final = "DELETE FROM seen WHERE log = ? AND dedupe = ?"
ORPHANS: Final = "SELECT id FROM lane WHERE id / 10 NOT IN (SELECT id FROM log)"
DROP_LANE: Final = "DELETE FROM lane WHERE id = ?"
ORPHAN_SEEN: Final = "SELECT dedupe FROM seen WHERE log = ? LIMIT ?"
ORPHAN_KEYED: Final = "SELECT key, position FROM keyed WHERE lane = ? LIMIT ?"
RECORDS: Final = "SELECT place, at, key, extra, body FROM event WHERE place > ? AND place < ? ORDER BY place LIMIT ?"
LOG_COUNTS: Final = "SELECT scheduled, duplicates, unheard FROM log WHERE id = ?"
ENTRIES: Final = "SELECT moved, redriven, replayed FROM log WHERE id = ?"
FIRST_AT: Final = "SELECT at FROM event WHERE place > ? AND place < ? ORDER BY place LIMIT 1"
ASIDE_OF_LOG: Final = (
    "SELECT e.key FROM held h JOIN event e ON e.place = h.place"
    " WHERE h.subscription = ?1 AND h.place BETWEEN ?2 AND ?3 AND e.key IS NOT NULL"
    " UNION ALL SELECT e.key FROM waiting w JOIN event e ON e.place = w.place"
    " WHERE w.subscription = ?1 AND w.place BETWEEN ?2 AND ?3 AND e.key IS NOT NULL"
    " UNION ALL SELECT e.key FROM freed f JOIN event e ON e.place = f.place"
    " WHERE f.subscription = ?1 AND f.place BETWEEN ?2 AND ?3 AND e.key IS NOT NULL"
)
CLAIMS_BETWEEN: Final = (
    "SELECT claim, count(*) FROM held WHERE subscription = ? AND place BETWEEN ? AND ? GROUP BY claim"
)
DROP_ASIDE: Final = {
    "held": "DELETE FROM held WHERE subscription = ? AND place BETWEEN ? AND ?",
    "waiting": "DELETE FROM waiting WHERE subscription = ? AND place BETWEEN ? AND ?",
    "parked": "DELETE FROM parked WHERE subscription = ? AND place BETWEEN ? AND ?",
    "freed": "DELETE FROM freed WHERE subscription = ? AND place BETWEEN ? AND ?",
}
OWNED: Final = ("reading", "claim", "held", "waiting", "busy", "moving", "parked", "freed")
DROP_OWNED: Final = tuple(f"DELETE FROM {table} WHERE subscription = ?" for table in OWNED)
DROP_SUBSCRIPTION: Final = "DELETE FROM subscription WHERE id = ?"

# --- small state ---------------------------------------------------------------------------------------------------

VALUE: Final = "SELECT version, body, until FROM value WHERE key = ?"
SET_VALUE: Final = (
    "INSERT INTO value (key, version, body, until) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE"
    " SET version = excluded.version, body = excluded.body, until = excluded.until"
)
DROP_VALUE: Final = "DELETE FROM value WHERE key = ?"
VALUES_FROM: Final = (
    "SELECT key, version, body FROM value WHERE key > ? AND key >= ? AND (until IS NULL OR until > ?)"
    " ORDER BY key LIMIT ?"
)
FORGET_VALUES: Final = "DELETE FROM value WHERE until <= ?"
STREAM: Final = "SELECT id, parts, until FROM stream WHERE name = ?"
ADD_STREAM: Final = "INSERT INTO stream (name, parts, until) VALUES (?, 0, ?)"
OLD_VALUE: Final = "SELECT 1 FROM value WHERE until <= ? LIMIT 1"
SET_STREAM: Final = "UPDATE stream SET parts = ?, until = ? WHERE id = ?"
PRODUCERS: Final = "SELECT name, epoch, number FROM producer WHERE stream = ?"
SET_PRODUCER: Final = (
    "INSERT INTO producer (stream, name, epoch, number) VALUES (?, ?, ?, ?) ON CONFLICT (stream, name) DO UPDATE"
    " SET epoch = excluded.epoch, number = excluded.number"
)
ADD_PART: Final = "INSERT INTO part (stream, position, producer, epoch, number, body) VALUES (?, ?, ?, ?, ?, ?)"
PARTS: Final = (
    "SELECT position, producer, epoch, number, body FROM part WHERE stream = ? AND position > ?"
    " ORDER BY position LIMIT ?"
)
OLD_STREAMS: Final = "SELECT id FROM stream WHERE until <= ? LIMIT ?"
DROP_STREAM: Final = (
    "DELETE FROM part WHERE stream = ?", "DELETE FROM producer WHERE stream = ?", "DELETE FROM stream WHERE id = ?",
)  # fmt: skip

# --- many rows in one statement ------------------------------------------------------------------------------------

#: Rows in one statement at most: enough that its fixed cost vanishes, short enough that drivers keep it prepared.
MANY: Final = 512

SEEN_ROWS: Final = "INSERT OR IGNORE INTO seen (log, dedupe, position, at) VALUES "
EVENT_ROWS: Final = "INSERT INTO event (place, number, at, key, extra, body) VALUES "
HELD_ROWS: Final = "INSERT INTO held (subscription, place, claim, generation) VALUES "
BUSY_ROWS: Final = "INSERT INTO busy (subscription, key) VALUES "
PARKED_ROWS: Final = "INSERT INTO parked (subscription, key, turn, position, place, generation) VALUES "
BUSY_KEYS: Final = "SELECT key FROM busy WHERE subscription = ? AND key IN "
PARKED_KEYS: Final = "SELECT DISTINCT key FROM parked WHERE subscription = ? AND key IN "
FREE_KEYS: Final = "DELETE FROM busy WHERE subscription = ? AND events = 1 AND key IN "
PARKED_HEADS: Final = (
    "SELECT p.key, p.place, p.generation FROM busy b JOIN parked p"
    " ON p.subscription = b.subscription AND p.key = b.key AND (p.turn, p.position) ="
    " (SELECT turn, position FROM parked WHERE subscription = b.subscription AND key = b.key"
    " ORDER BY turn, position LIMIT 1) WHERE b.subscription = ? AND b.key IN "
)
SHARED_KEYS: Final = "SELECT 1 FROM busy WHERE subscription = ? AND events > 1 AND key IN "
# Left alone, the planner walks through all that is parked.
DROP_PARKED_PLACES: Final = "DELETE FROM parked INDEXED BY parked_place WHERE subscription = ? AND place IN "
FREED_ROWS: Final = "INSERT INTO freed (subscription, lane, turn, place, generation) VALUES "


@cache
def rows_of(head: str, width: int, count: int) -> str:
    """Return the statement that begins with `head` and lists `count` rows of `width` values."""
    row = f"({', '.join('?' * width)})"
    return head + ", ".join([row] * count)


@cache
def list_of(head: str, count: int) -> str:
    """Return the statement that begins with `head` and ends with a list of `count` values."""
    return f"{head}({', '.join('?' * count)})"


def portions(count: int) -> Iterator[tuple[int, int]]:
    """Cut `count` rows into (first, rows) with powers of two for rows, so that few statements serve every count."""
    first = 0
    size = MANY
    while first < count:
        while size > count - first:
            size >>= 1
        yield first, size
        first += size


def row_statements(head: str, width: int, values: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Return the statements, each with its values, that carry all rows of `values`, which lie one after another."""
    for first, rows in portions(len(values) // width):
        yield rows_of(head, width, rows), values[first * width : (first + rows) * width]


def list_statements(head: str, before: int, values: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Return the statements, each with its values, that ask `head` for all of `values`; `before` is its first one."""
    for first, rows in portions(len(values)):
        yield list_of(head, rows), [before, *values[first : first + rows]]
