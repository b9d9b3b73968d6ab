"""How does a log with groups behave? The one specification that memory, SQLite, PostgreSQL and Redis share.

This room decides and does not wait: no clock, no randomness, no files. `model.py` is the specification as a Python
model: it is the engine of the memory backend and the oracle that the others are tested against. `sql.py` is the same
as SQL text.

The rules
---------
1.  *Log.* Every topic is a log, and so is every inbox (`$inbox.GROUP`, `$inbox.GROUP/MEMBER`) and the dead letters
    of every group (`$dead.GROUP`). A log gives each event the next position of one sequence over all of its lanes,
    at the moment when the event enters it. An event put with a delay is *scheduled*: outside of the log, and enters
    it when due. Publishing costs the same for any number of groups.
2.  *Topic.* A topic exists from its declaration, or from the first put that some group's pattern matches. A put to
    a topic that no group was ever declared for, and that is no archive, is refused (`no group`), or counted as
    unheard where the put says so. `$dead.GROUP` needs no listener.
3.  *Dedupe.* A log remembers the `dedupe` of every put for a window, scheduled ones included; the same value again
    is a duplicate and changes nothing.
4.  *Bound.* With `max_events`, a put is refused (`full`) when the log holds that many events which some group has
    not settled (from the low-water mark to the end) or which are scheduled.
5.  *Subscription.* A `once` group is one subscription that its members share; in `all` each member is one. It has
    a cursor per log and lane (a count of events passed), a *held* set (leased to a member), a *waiting* set (given
    back, due later), a *parked* set (passed over because their key is busy), and counters. Its logs are the topics
    that the group's patterns match, and its inbox. A group that is there before a topic starts it at its beginning;
    otherwise `start` says where.
6.  *Take.* First what was lost (its lease lapsed), then what is due from the waiting set, then lane by lane in the
    order given: parked events whose key has become free, then the inbox, then the topics, least recently served
    first. What is taken gets a lease and a token that no other claim shares. A take never holds more than its
    member's credit.
7.  *Key.* In an ordered group, an event with a key may be handed out only when no event of that key is held or
    waiting, and none that entered the same log earlier is parked or still unread in another lane. An event that may
    not is parked, and the take goes on behind it. Keys are the group's: an inbox entry holds its key's place too.
8.  *Settle.* Valid while the token is the event's newest claim; a claim that lapsed and was taken by another is
    lost, and stores nothing of its unit. `Done` counts the event by its ending and frees its key. `Release` moves it
    to the waiting set, its key stays busy; the note is kept. Only a lapsed lease counts as a loss.
9.  *Unit.* Puts, settles and changes of one unit are carried out together or not at all.
10. *Keep.* An event that every subscription has settled (below every cursor, not held, waiting or parked) is
    removed when older than the topic's `keep_s`. An unsettled one never is.
11. *Member.* A member is there from `attach` to `leave`, or until it has not been heard of for three leases. An
    anonymous member's subscription in `all` ends with it; a named one's is kept for `forget_after_s`.
12. *Books.* Matched, redriven and replayed come from what the logs gave out positions for; acked, dead, discarded,
    expired, cancelled and skipped are counted when they happen; held, waiting and parked are what lies there; ready
    is what the cursors have not passed. Both sides are kept apart, so that their equality means something.
"""
