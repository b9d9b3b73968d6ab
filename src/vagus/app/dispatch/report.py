"""How a dispatcher learns what members have settled: they say so on a stream of the store, a few times a second.

The stream is a page of a book: when it is full, the dispatcher begins another one, and what it moves says on which page
its settling is to be told. So a stream never grows for ever, and nobody has to be asked where to write.
"""

from __future__ import annotations

from vagus.app.work.committer import Committer
from vagus.backend import Outcome, Unit
from vagus.clock import Clock, Timer
from vagus.errors import VagusError
from vagus.store import Append

COALESCE_S = 0.05
"""How long a report may wait for more to tell, in seconds."""

KEEP_S = 86_400.0


def page_name(group: str, page: int) -> str:
    """Return the stream that is that page of a group's reports."""
    return f"settled/{group}/{page}"


class Reporter:
    """Tells what one member of a group has settled of what was dispatched to it."""

    def __init__(self, group: str, member: str, committer: Committer, clock: Clock) -> None:
        self._group = group
        self._member = member
        self._committer = committer
        self._clock = clock
        self._epoch = max(1, int(clock.now() * 1_000))  # a member of the same name counts its reports anew
        self._number = 0
        self._page = 0
        self._count = 0
        self._timer: Timer | None = None

    def settled(self, page: int) -> None:
        """Note that one event is done with; `page` is what came with it."""
        self._page = max(self._page, page)
        self._count += 1
        if self._timer is None:
            self._timer = self._clock.call_later(COALESCE_S, self.flush)

    def flush(self) -> None:
        """Tell now what there is to tell."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._count:
            return
        self._number += 1
        body = (str(self._count).encode(),)
        name = page_name(self._group, self._page)
        self._count = 0
        append = Append(name, self._member, self._epoch, self._number, body, KEEP_S)
        self._committer.submit(Unit(changes=(append,)), _told)


def _told(about: object, unit: Unit, outcome: Outcome | VagusError) -> None:
    """Nothing more to do: a report that is lost is made up for when the dispatcher looks at the books."""
