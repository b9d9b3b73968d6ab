"""What a command works on: a backend by its URL, or an app by `module:app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vagus.backend import Backend, Capabilities
from vagus.errors import InvalidArgument, UsageError, mask_url
from vagus.registry import create_backend


@asynccontextmanager
async def opened(url: str | None, command: str) -> AsyncIterator[tuple[Backend, Capabilities]]:
    """Open the backend of `url` for the command of that name, and close it afterwards.

    Raises UsageError where no URL was given, or where the backend lives inside one process: this command is another
    process, and would look at an empty one. Raises ConnectFailed where it cannot be reached.
    """
    backend_url = named(url, command)
    backend = create_backend(backend_url)
    capabilities = await backend.open()
    try:
        must_be_shared(capabilities, backend_url, command)
        yield backend, capabilities
    finally:
        await backend.close()


def named(url: str | None, command: str) -> str:
    """Return `url`. Raises UsageError where there is none."""
    if not url:
        hint = f"{command} --url sqlite:///vagus.db (or: export VAGUS_URL=sqlite:///vagus.db)"
        raise UsageError("no backend was named: expected --url or VAGUS_URL", where=command, hint=hint)
    return url


def must_be_shared(capabilities: Capabilities, url: str, command: str) -> None:
    """Raise UsageError where the backend lives inside one process: the command is another, and would see nothing."""
    if capabilities.shared:
        return
    raise UsageError(
        f"{mask_url(url)} lives inside the process that opened it; {command!r} is another process and cannot see it",
        where=command,
        hint=f"give your app a URL that processes share, then: {command} --url sqlite:///vagus.db",
    )


async def known_group(backend: Backend, group: str) -> str:
    """Return `group` where the backend has it. Raises InvalidArgument that names those that there are."""
    names = [info.spec.name for info in (await backend.describe()).groups]
    if group not in names:
        there = ", ".join(names) or "it has none"
        raise InvalidArgument(f"there is no group {group!r}: expected one of {there}", hint="vagus groups ls")
    return group
