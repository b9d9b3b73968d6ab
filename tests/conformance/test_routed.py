"""A backend behind the routes of an app keeps the contract whole: what stands between changes nothing."""

from __future__ import annotations

import pytest

from vagus.app.routing.assembly import assemble
from vagus.app.topics import Topics
from vagus.backend import Backend
from vagus.clock import Clock
from vagus.registry import create_backend
from vagus.testing.conformance import bench as bench_module
from vagus.testing.conformance.suite import *  # noqa: F403
from vagus.testing.subject import Subject
from vagus.testing.subjects import memory_subject


def routed(url: str, clock: Clock | None = None) -> Backend:
    return assemble(None, url, "default", Topics(None), lambda one: create_backend(one, clock))


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setattr(bench_module, "create_backend", routed)
    return memory_subject()
