"""How a long-running command tells what it does, on stderr: JSON lines for programs, short lines on a terminal."""

from __future__ import annotations

import logging
import sys
import time

from vagus.app.work.ending import stack_of
from vagus.observe.log import JsonLines


class ShortLines(logging.Formatter):
    """Time and message, and the level where it is worth a look."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line, with the traceback if it has one."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        text = f"{clock}  {level}{record.getMessage()}"
        if record.exc_info and record.exc_info[1]:
            text += "\n" + stack_of(record.exc_info[1]).rstrip()
        return text


def start_logging(level: str = "info") -> None:
    """Send what is logged to stderr; handlers that were set up before stay as they are."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ShortLines() if sys.stderr.isatty() else JsonLines())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())
