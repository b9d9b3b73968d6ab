"""The subjects that ship with vagus, and how those of third parties are found."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import cast

from vagus.testing.subject import Subject, SubjectFactory
from vagus.testing.subjects.memory import memory_subject
from vagus.testing.subjects.sqlite import sqlite_subject

__all__ = ["ENTRY_POINTS", "find_subject", "memory_subject", "sqlite_subject"]

ENTRY_POINTS = "vagus.subjects"

_OURS: dict[str, SubjectFactory] = {"memory": memory_subject, "sqlite": sqlite_subject}


def find_subject(url: str) -> Subject:
    """Return the subject for `url`: ours, that of an entry point of the scheme, or a plain one without raw hooks."""
    scheme = url.partition(":")[0]
    if scheme in _OURS:
        return _OURS[scheme](url)
    for point in entry_points(group=ENTRY_POINTS, name=scheme):
        return cast(SubjectFactory, point.load())(url)
    return Subject(url=lambda: url)
