"""Logs for programs: one JSON object a line, with the event that was in hand when the line was written.

    import logging
    from vagus.observe.log import JsonLines

    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level="INFO")

The loggers of vagus are `vagus.app` (opening, stopping), `vagus.worker` (connections, leases, settling) and
`vagus.handler` (every attempt that failed: a warning with its retry, an error with its dead letter). What a handler
logs itself, by whatever logger, in its coroutine, its thread or its tasks, has the same fields.
"""

from __future__ import annotations

import json
import logging
import os
from typing import Any

import msgspec

from vagus.app.work.attempt import facts_here
from vagus.app.work.ending import stack_of
from vagus.message import instant_text

_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line.

    `time`, `level`, `logger`, `message`, `pid`; in a handler `event` (its id), `type`, `group`, `attempt`, `topic`,
    `run`, `trace`, and for a batch `events` (their ids); what was given as `extra`; `error`, the traceback if any: the
    last 8,000 characters of it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line; to be called where it was written, as handlers of `logging` do."""
        line: dict[str, Any] = {
            "time": instant_text(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": os.getpid(),
        }
        line |= facts_here()
        line |= {name: value for name, value in vars(record).items() if name not in _KNOWN}
        if record.exc_info and record.exc_info[1]:
            line["error"] = stack_of(record.exc_info[1])
        try:
            return _ENCODER.encode(line).decode()
        except UnicodeEncodeError:  # half a character, as names of files may hold: escaped here
            return json.dumps(line, default=_shown)


def _shown(value: object) -> str:
    """Return anything as text: a line is never lost over a value in it."""
    try:
        return str(value)
    except Exception as fault:
        return f"(cannot be shown: {type(fault).__name__})"


_ENCODER = msgspec.json.Encoder(enc_hook=_shown, decimal_format="string")
