"""A process of the app under `vagus dev`: imports the code, opens, works when told to, and tells what it does.

Started as `python -m vagus.cli.dev.child SOCKET TARGET URL GRACE`; an empty URL or GRACE stands for the app's own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections import Counter
from contextlib import suppress

import msgspec

from vagus.app.app import App
from vagus.app.work.handling import Handling
from vagus.cli.dev.message import GO, Failed, Handled, Imported, Message, Missed, Stopped, Working
from vagus.cli.loading import load_app
from vagus.cli.log import start_logging
from vagus.errors import EventError, InvalidHandler, VagusError, mask_url
from vagus.message import decode

DATA_CHARS = 400
"""How much of an event's data is told."""

UNREAD_BYTES = 1_000_000
"""How much may be unread before attempts are only counted: the app must not wait for whoever watches it."""


def main(number: str, target: str, url: str, grace: str) -> int:
    """Import, then serve; the exit code is that of the error that kept it from working."""
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches all on the terminal; the one that started us decides
    start_logging("warning")
    line = socket.socket(fileno=int(number))
    try:
        app = load_app(target, url or None)
        if not app.handlers:
            raise InvalidHandler(f"{target} has no handlers", hint="declare some with @app.on(...)")
    except VagusError as error:
        line.sendall(_line(_failed(error, while_importing=True)))
        return error.exit_code
    if grace:
        app.grace_s = float(grace)
    groups = [app.topics.qualified(name) for name in app.handlers]
    line.sendall(_line(Imported(os.getpid(), app.name, mask_url(app.url), groups, app.grace_s, _in_turn(app))))
    return asyncio.run(_serve(app, groups, line))


def _in_turn(app: App) -> str:
    """Return why two processes of the app must not be open at once: what only one can have."""
    named = [name for name, handler in app.handlers.items() if handler.member is not None]
    if named:
        return f"{named[0]} has a member of its own name"
    return "it has a lifespan" if app.has_lifespan else ""


def _failed(error: VagusError, *, while_importing: bool) -> Failed:
    told = (error.what, error.where, error.hint, error.code, error.exit_code)
    return Failed(os.getpid(), *told, while_importing)


def _line(message: Message) -> bytes:
    return msgspec.json.encode(message) + b"\n"


async def _serve(app: App, groups: list[str], line: socket.socket) -> int:
    reader, writer = await asyncio.open_connection(sock=line)
    teller = _Teller(app, writer)
    app.watch(teller.handled)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    try:
        if await reader.readline() != GO:
            return 0
        async with app.running():
            teller.tell(Working(os.getpid(), app.name, mask_url(app.url), groups, app.capabilities.shared))
            await _until(reader, ended)
        teller.tell(teller.stopped())
    except VagusError as error:
        teller.tell(_failed(error, while_importing=False))
        return error.exit_code
    else:
        return 0
    finally:
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()


async def _until(reader: asyncio.StreamReader, ended: asyncio.Event) -> None:
    """Wait until we are told to stop, or whoever started us is gone."""
    tasks = [asyncio.create_task(reader.read()), asyncio.create_task(ended.wait())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


class _Teller:
    """Tells what is handled, as long as somebody reads it."""

    def __init__(self, app: App, writer: asyncio.StreamWriter) -> None:
        self._app = app
        self._writer = writer
        self._missed = 0
        self._counts: Counter[str] = Counter()

    def stopped(self) -> Stopped:
        """Return what was done since the start."""
        counts = self._counts
        return Stopped(os.getpid(), counts["acked"], counts["retry"] + counts["dead"], counts["handed back"])

    def tell(self, message: Message) -> None:
        """Send one message."""
        if not self._writer.is_closing():
            self._writer.write(_line(message))

    def handled(self, handling: Handling) -> None:
        """Tell of one attempt, or count it where nobody reads."""
        self._counts[handling.came] += 1
        if self._writer.transport.get_write_buffer_size() > UNREAD_BYTES:
            self._missed += 1
            return
        if self._missed:
            self.tell(Missed(self._missed))
            self._missed = 0
        event = handling.event
        self.tell(
            Handled(
                time.time(),
                os.getpid(),
                handling.topic,
                handling.key,
                self._data(handling),
                handling.group,
                handling.attempt,
                handling.came,
                round(handling.took_s * 1_000, 3),
                round(handling.after_s, 3),
                handling.error,
                handling.outputs,
                "" if event is None else event.correlationid or event.id,
                "" if event is None else event.id,
            )
        )

    def _data(self, handling: Handling) -> str:
        """Return the data as it travels: as plain JSON, whatever class the handler takes it as."""
        try:
            wire = self._app.topics.settings(handling.topic).wire
            data = decode(None, handling.envelope, wire, handling.topic, 0).data
        except EventError:
            return repr(handling.envelope.body[:DATA_CHARS])
        text = repr(data) if isinstance(data, bytes) else msgspec.json.encode(data, enc_hook=str).decode()
        return text if len(text) <= DATA_CHARS else text[: DATA_CHARS - 1] + "…"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
