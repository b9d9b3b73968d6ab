"""What a transaction changed for those who wait: collected inside, told when it is committed."""

from __future__ import annotations

import msgspec


class News(msgspec.Struct):
    """Ids of logs that grew, of subscriptions that may be able to take more, names of streams that grew.

    `settled`: subscriptions whose members have credit again, which concerns this process alone.
    """

    logs: set[int] = msgspec.field(default_factory=set)
    subscriptions: set[int] = msgspec.field(default_factory=set)
    streams: set[str] = msgspec.field(default_factory=set)
    settled: set[int] = msgspec.field(default_factory=set)
    everybody: bool = False
