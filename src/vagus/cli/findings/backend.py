"""Settings of a backend that promise less than its users may think."""

from __future__ import annotations

from collections.abc import Iterator

from vagus.cli.findings.examined import Examined, Finding

SHORT_LEASE_S = 1.0
"""A lease under this many seconds lapses when a machine only pauses for a moment."""


def weak_settings(seen: Examined) -> Iterator[Finding]:
    """Look at durability and at who can read the file."""
    able = seen.capabilities
    if not able.durable:
        text = "events, retries and dead letters do not survive the end of its process"
        yield Finding("remark", able.system, text, "for work that must not be lost: sqlite:///vagus.db")
    if able.settings.get("synchronous", "full").lower() == "normal":
        text = "synchronous=normal: a power cut may take the last moments of what was published"
        yield Finding("remark", able.system, text, "leave out ?synchronous=normal for the safe default")
    mode = able.settings.get("mode", "0600")
    if mode.isdigit() and int(mode, 8) & 0o077:
        file = able.settings.get("file", "vagus.db")
        yield Finding("problem", able.system, f"others can read the file (mode {mode})", f"chmod 600 {file}")
