"""What a command works on: a backend by its URL, or an app by `module:app`."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from vagus.backend import Backend, Capabilities
from vagus.errors import DatabaseUnusable, InvalidArgument, UsageError, mask_url
from vagus.registry import DEFAULT_URL, create_backend


@asynccontextmanager
async def opened(url: str | None, command: str, *, make: bool = False) -> AsyncIterator[tuple[Backend, Capabilities]]:
    """Open the backend of `url` for the command of that name, and close it afterwards.

    Raises UsageError where no URL was given, or where the backend lives inside one process: this command is another
    process, and would look at an empty one. Raises ConnectFailed where it cannot be reached, or where there is no
    database file: to look at something must not make it, unless `make` says so.
    """
    backend_url = named(url, command)
    if not make:
        must_be_there(backend_url)
    backend = create_backend(backend_url)
    capabilities = await backend.open()
    try:
        must_be_shared(capabilities, backend_url, command)
        yield backend, capabilities
    finally:
        await backend.close()


def named(url: str | None, command: str) -> str:
    """Return `url`, else what an app without a URL uses here. Raises UsageError where there is no such file, either."""
    if url:
        return url
    file = database_file(DEFAULT_URL)
    if file is not None and file.is_file():
        return DEFAULT_URL
    hint = f"{command} --url sqlite:///FILE.db (or: export VAGUS_URL=sqlite:///FILE.db)"
    text = f"no backend was named, and there is no {file} here: expected --url or VAGUS_URL"
    raise UsageError(text, where=command, hint=hint)


def database_file(url: str) -> Path | None:
    """Return the file that a SQLite URL names; None for other backends."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or len(parts.path) < 2:
        return None
    return Path(unquote(parts.path[1:]))


def must_be_there(url: str) -> None:
    file = database_file(url)
    if file is None or file.exists() or not file.absolute().parent.is_dir():
        return
    hint = "look for a slip in the URL; the file is made when an app first uses it, such as: vagus worker app.py:app"
    raise DatabaseUnusable("there is no such database file", where=os.path.abspath(file), hint=hint)


def must_be_shared(capabilities: Capabilities, url: str, command: str) -> None:
    """Raise UsageError where the backend lives inside one process: the command is another, and would see nothing."""
    if capabilities.shared:
        return
    raise UsageError(
        f"{mask_url(url)} lives inside the process that opened it; {command!r} is another process and cannot see it",
        where=command,
        hint=f"give your app a URL that processes share, then: {command} --url sqlite:///vagus.db",
    )


def sure(question: str, command: str) -> None:
    """Ask on the terminal; go on only after a yes. Raises UsageError where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask on: expected --yes", hint=f"{command} --yes")
    click.confirm(question, abort=True, err=True)


async def known_group(backend: Backend, group: str) -> str:
    """Return `group` where the backend has it. Raises InvalidArgument that names those that there are."""
    names = [info.spec.name for info in (await backend.describe()).groups]
    if group not in names:
        there = ", ".join(names) or "it has none"
        raise InvalidArgument(f"there is no group {group!r}: expected one of {there}", hint="vagus groups ls")
    return group
