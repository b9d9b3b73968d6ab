"""The tables of a ledger in SQL, and how one version of them becomes the next.

Where an event is
-----------------
An event lies in one lane of one log. Its *place* is one number that says all three: `(log * 10 + lane) << 40 |
position`, so a lane is a range of the primary key, reading a lane is a range scan, and appending to it is an append.
Its *number* counts the events that entered its lane before it, so that moving a cursor needs no counting.

    log           a topic, an inbox (`$inbox.GROUP`) or the dead letters of a group (`$dead.GROUP`), with its settings;
                  `heard`: a group was once declared for it, or it is an archive
    lane          how many events ever entered it (`count`), how many were removed at its front, the newest position
    event         what was stored; `extra` holds what few events have (content type, headers, entry, generation, note)
    seen          the dedupe values of a log within its window, with the position they brought (null: still scheduled)
    keyed         the keyed events of logs that have several lanes: lets a take look across lanes for an earlier one
    scheduled     events outside of their log until they are due

Who has it
----------
    team          a group as declared; `idle_since` is when its last member left; mode and pick are the first ones,
                  `steered_mode` and `steered_pick` the present ones (null: still the first)
    cut           the switches of a team: what it delivers by from there on, and where that begins in its topics
    subscription  what a team's members share, its ingress, one member's own or its inbox (`kind`; null: shared, or a
                  member's own), with its books and `turn`, the counter that orders its claims, its waiting and its
                  parked events
    reading       a subscription's cursor on one lane: `passed` events lie behind it, the newest of them at `position`;
                  it reads up to event number `until`, the last of them at `until_position` (null: for good), and then
                  the stretches `later`, as JSON; events up to `replayed` are handed out with `generation` added to
                  their own
    member        who is attached, and when it was last heard of
    claim         one handing out: its member, when the lease lapses, how many of its events are not settled yet
    held          events in a member's hands, under the claim that fences them
    waiting       events that were given back, until they are due
    busy          keys of which an event is held, waiting, freed or moved; more than one only where the team was not
                  ordered when they were handed out
    moving        keys of events that were moved from here into an inbox, and are not done there
    parked        events that were passed over because their key was busy, in the order in which they must follow
    freed         parked events whose turn has come, not handed out yet; their key is busy already

An event that a subscription is not done with lies behind its cursor in exactly one of held, waiting, parked and
freed, or before its cursor. Nothing that grows with a backlog is ever counted: the books are counters.

Small state
-----------
    value         keys of the store, with version and the time until which they live
    stream        streams: how many parts there are, until when it lives
    producer      the newest epoch and number of each producer of a stream
    part          the parts
    ledger        named numbers: `schema` (the version of these tables), `catalogue` (raised by whoever changes logs,
                  teams or subscriptions, so that others know when to look again)
"""

from __future__ import annotations

from typing import Final

FIRST: Final = """
CREATE TABLE log (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, lanes INTEGER NOT NULL, keep_s REAL,
    archive INTEGER NOT NULL, max_events INTEGER, heard INTEGER NOT NULL,
    scheduled INTEGER NOT NULL DEFAULT 0, duplicates INTEGER NOT NULL DEFAULT 0, unheard INTEGER NOT NULL DEFAULT 0,
    moved INTEGER NOT NULL DEFAULT 0, redriven INTEGER NOT NULL DEFAULT 0, replayed INTEGER NOT NULL DEFAULT 0,
    swept TEXT NOT NULL DEFAULT '');
CREATE TABLE lane (
    id INTEGER PRIMARY KEY, count INTEGER NOT NULL, removed INTEGER NOT NULL, newest INTEGER NOT NULL);
CREATE TABLE event (
    place INTEGER PRIMARY KEY, number INTEGER NOT NULL, at REAL NOT NULL, key TEXT, extra BLOB, body BLOB NOT NULL);
CREATE TABLE seen (
    log INTEGER NOT NULL, dedupe TEXT NOT NULL, position INTEGER, at INTEGER NOT NULL,
    PRIMARY KEY (log, dedupe)) WITHOUT ROWID;
CREATE TABLE keyed (
    lane INTEGER NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (lane, key, position)) WITHOUT ROWID;
CREATE TABLE scheduled (
    id INTEGER PRIMARY KEY AUTOINCREMENT, due REAL NOT NULL, log INTEGER NOT NULL, lane INTEGER NOT NULL,
    key TEXT, dedupe TEXT, extra BLOB, body BLOB NOT NULL);
CREATE INDEX scheduled_due ON scheduled (due, id);
CREATE TABLE team (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, patterns TEXT NOT NULL, mode TEXT NOT NULL,
    start TEXT NOT NULL, lease_s REAL NOT NULL, ordered INTEGER NOT NULL, forget_after_s REAL NOT NULL,
    idle_since REAL);
CREATE TABLE subscription (
    id INTEGER PRIMARY KEY AUTOINCREMENT, team INTEGER NOT NULL, member TEXT, away_since REAL,
    turn INTEGER NOT NULL DEFAULT 0, matched INTEGER NOT NULL DEFAULT 0, replayed INTEGER NOT NULL DEFAULT 0,
    acked INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0, discarded INTEGER NOT NULL DEFAULT 0,
    expired INTEGER NOT NULL DEFAULT 0, cancelled INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,
    moved INTEGER NOT NULL DEFAULT 0, trimmed INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0, parked INTEGER NOT NULL DEFAULT 0, freed INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX subscription_member ON subscription (team, coalesce(member, ''));
CREATE TABLE reading (
    subscription INTEGER NOT NULL, lane INTEGER NOT NULL, start INTEGER NOT NULL, passed INTEGER NOT NULL,
    position INTEGER NOT NULL, replayed INTEGER NOT NULL, generation INTEGER NOT NULL,
    PRIMARY KEY (subscription, lane)) WITHOUT ROWID;
CREATE INDEX reading_lane ON reading (lane);
CREATE TABLE member (
    team INTEGER NOT NULL, name TEXT NOT NULL, named INTEGER NOT NULL, seen REAL NOT NULL,
    PRIMARY KEY (team, name)) WITHOUT ROWID;
CREATE TABLE claim (
    subscription INTEGER NOT NULL, id INTEGER NOT NULL, member TEXT NOT NULL, until REAL NOT NULL,
    remaining INTEGER NOT NULL,
    PRIMARY KEY (subscription, id)) WITHOUT ROWID;
CREATE TABLE held (
    subscription INTEGER NOT NULL, place INTEGER NOT NULL, claim INTEGER NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0, losses INTEGER NOT NULL DEFAULT 0, note BLOB,
    PRIMARY KEY (subscription, place)) WITHOUT ROWID;
CREATE TABLE waiting (
    subscription INTEGER NOT NULL, place INTEGER NOT NULL, due REAL NOT NULL, turn INTEGER NOT NULL,
    generation INTEGER NOT NULL, losses INTEGER NOT NULL, note BLOB,
    PRIMARY KEY (subscription, place)) WITHOUT ROWID;
CREATE INDEX waiting_due ON waiting (subscription, due, turn);
CREATE TABLE busy (
    subscription INTEGER NOT NULL, key TEXT NOT NULL, events INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (subscription, key)) WITHOUT ROWID;
CREATE TABLE parked (
    subscription INTEGER NOT NULL, key TEXT NOT NULL, turn INTEGER NOT NULL, position INTEGER NOT NULL,
    place INTEGER NOT NULL, generation INTEGER NOT NULL,
    PRIMARY KEY (subscription, key, turn, position)) WITHOUT ROWID;
CREATE INDEX parked_place ON parked (subscription, place);
CREATE TABLE freed (
    subscription INTEGER NOT NULL, lane INTEGER NOT NULL, turn INTEGER NOT NULL, place INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (subscription, lane, turn)) WITHOUT ROWID;
CREATE TABLE value (
    key TEXT PRIMARY KEY, version INTEGER NOT NULL, body BLOB NOT NULL, until REAL) WITHOUT ROWID;
CREATE INDEX value_until ON value (until) WHERE until IS NOT NULL;
CREATE TABLE stream (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, parts INTEGER NOT NULL, until REAL);
CREATE INDEX stream_until ON stream (until) WHERE until IS NOT NULL;
CREATE TABLE producer (
    stream INTEGER NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (stream, name)) WITHOUT ROWID;
CREATE TABLE part (
    stream INTEGER NOT NULL, position INTEGER NOT NULL, producer TEXT NOT NULL, epoch INTEGER NOT NULL,
    number INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (stream, position)) WITHOUT ROWID;
INSERT INTO ledger (name, value) VALUES ('catalogue', 0);
"""
"""Version 1. The table `ledger` itself is made before any migration, since it says which ones are still to come."""

LEDGER: Final = "CREATE TABLE IF NOT EXISTS ledger (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"

SECOND: Final = """
ALTER TABLE team ADD COLUMN pick TEXT NOT NULL DEFAULT '';
ALTER TABLE team ADD COLUMN steered_mode TEXT;
ALTER TABLE team ADD COLUMN steered_pick TEXT;
ALTER TABLE team ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1;
CREATE TABLE cut (
    team INTEGER NOT NULL, epoch INTEGER NOT NULL, mode TEXT NOT NULL, pick TEXT NOT NULL, ends TEXT NOT NULL,
    PRIMARY KEY (team, epoch)) WITHOUT ROWID;
ALTER TABLE subscription ADD COLUMN kind TEXT;
DROP INDEX subscription_member;
CREATE UNIQUE INDEX subscription_member ON subscription (
    team, coalesce(kind, CASE WHEN member IS NULL THEN 'shared' ELSE 'own' END), coalesce(member, ''));
ALTER TABLE reading ADD COLUMN until INTEGER;
ALTER TABLE reading ADD COLUMN until_position INTEGER;
ALTER TABLE reading ADD COLUMN later TEXT;
CREATE TABLE moving (
    subscription INTEGER NOT NULL, key TEXT NOT NULL, events INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (subscription, key)) WITHOUT ROWID;
UPDATE log SET heard = 0 WHERE name IN (SELECT '$inbox.' || name FROM team WHERE mode = 'all');
UPDATE ledger SET value = value + 1 WHERE name = 'catalogue';
"""
"""Version 2: groups that are switched and dispatched. A row without what is new means what it meant before."""

MIGRATIONS: Final[tuple[str, ...]] = (FIRST, SECOND)
"""Migration number n (from 1) makes version n out of version n - 1; a released one is never changed."""
