"""How does a log with groups behave? The one specification that memory, SQLite, PostgreSQL and Redis share.

This room decides and does not wait: no clock, no randomness, no files. `model.py` is the specification as a Python
model: it is the engine of the memory backend and the oracle that the others are tested against. `sql.py` is the same
as SQL text.

The rules
---------
1.  *Log.* Every topic is a log, and so is every inbox (`$inbox.GROUP`, `$inbox.GROUP/MEMBER` with a member's redrives,
    `$inbox.GROUP/MEMBER/moved` with what was dispatched to it) and the dead letters of every group (`$dead.GROUP`). A
    log gives each event the next position of one sequence over all of its lanes, at the moment when the event enters
    it. An event put with a delay is *scheduled*: outside of the log, and enters it when due. Publishing costs the
    same for any number of groups.
2.  *Topic.* A topic exists from its declaration, or from the first put that some group's pattern matches. A put to
    a topic that no group was ever declared for, and that is no archive, is refused (`no group`), or counted as
    unheard where the put says so. `$dead.GROUP` needs no listener.
3.  *Dedupe.* A log remembers the `dedupe` of every put for a window, scheduled ones included; the same value again
    is a duplicate and changes nothing.
4.  *Bound.* With `max_events`, a put is refused (`full`) when the log holds that many events which some group has
    not settled (from the low-water mark to the end) or which are scheduled.
5.  *Subscription.* A group has what its members *share*, an *ingress* that a dispatcher takes from, and for each member
    its *own* and an *inbox*; each is made when it is first needed. A subscription has a cursor per log and lane (a
    count of events passed, and the stretches that it reads), a *held* set (leased to a member), a *waiting* set (given
    back, due later), a *parked* set (passed over because their key is busy), and counters. Of the first three kinds,
    one reads on the topics that the group's patterns match: the shared one in `once`, the ingress in `once` with a
    pick, each member's own in `all`. The group's inbox is read by the ingress where there is a pick, else by the shared
    one. A group that is there before a topic starts it at its beginning; otherwise `start` says where.
6.  *Take.* A member takes from its own, from its inbox and from what is shared, what is left of older epochs first. Of
    each, first what was lost (its lease lapsed), then what is due from the waiting set, then lane by lane in the
    order given: parked events whose key has become free, then the inbox, then the topics, least recently served
    first. What is taken gets a lease and a token that no other claim shares. A take never holds more than its
    member's credit, counted over all that it takes from.
7.  *Key.* In an ordered group, an event with a key may be handed out only when no event of that key is held or
    waiting, and none that entered the same log earlier is parked or still unread in another lane. An event that may
    not is parked, and the take goes on behind it. An inbox entry holds its key's place too: an event that is moved
    into an inbox of its group in the same unit keeps its key busy where it came from, through all further moves, until
    the entry is done; it is handed out without asking for its key. The order of keys holds within an epoch.
8.  *Settle.* Valid while the token is the event's newest claim; a claim that lapsed and was taken by another is
    lost, and stores nothing of its unit. `Done` counts the event by its ending and frees its key. `Release` moves it
    to the waiting set, its key stays busy; the note is kept. Only a lapsed lease counts as a loss.
9.  *Unit.* Puts, settles and changes of one unit are carried out together or not at all.
10. *Keep.* An event that every subscription has settled (below every cursor, not held, waiting or parked) is
    removed when older than the topic's `keep_s`. An unsettled one never is; one between the stretches of a cursor is
    settled there.
11. *Member.* A member is there from `attach` to `leave`, or until it has not been heard of for three leases; the seats
    of dispatchers, and of those who empty inboxes, make nobody a member. An anonymous member's own subscription ends
    with it; a named one's is kept for `forget_after_s`. An inbox is kept while something lies in it, its member is an
    *orphan* then; once it is empty, it is forgotten, and what it counted is added to the ingress.
12. *Books.* Matched, redriven and replayed come from what the logs gave out positions for; acked, dead, discarded,
    expired, cancelled and skipped are counted when they happen; held, waiting and parked are what lies there; ready
    is what the cursors have not passed. Both sides are kept apart, so that their equality means something. The shared
    one and the ingress have one book, and so have a member's own and its inbox. What moves is on neither side.
13. *Steering.* A switch is one step: what reads on is closed at the cut, and what the new steering reads by is opened
    there. In `once` the cut is the place of the cursor, so that what is unread goes the new way; in `all` it is the
    furthest place of any member, and the others read up to it; where nobody was or will be there to read, it is the
    end of the log. What lies in a subscription stays there and is handed out there. A replay that is under way goes
    on. The members that are there get their subscriptions in the same step, later ones when they attach. An event's
    epoch is told by where it lies between the cuts, or by the put that moved it.
"""
