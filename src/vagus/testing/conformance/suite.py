"""All scenarios under one roof: `from vagus.testing.conformance.suite import *`, a `subject` fixture, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import import_module

import pytest
import pytest_asyncio

from vagus.testing.conformance.themes import THEMES, scenarios_of
from vagus.testing.subject import Subject

# Failures are to show what was compared; this must be said before the themes are imported.
pytest.register_assert_rewrite(*THEMES)

from vagus.testing.conformance.bench import Bench, open_bench  # noqa: E402


@pytest_asyncio.fixture
async def bench(subject: Subject, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Give a fresh backend of the subject, in a namespace of its own, and clean up after the test."""
    request.node.user_properties.append(("theme", request.function.__module__))
    turned = getattr(request.function, "turned_clock", False)
    if turned and not subject.turns_clock:
        pytest.skip("not witnessed: its clock cannot be turned")
    bench = await open_bench(subject, turned=turned)
    yield bench
    request.node.user_properties.extend(("remark", remark) for remark in bench.remarks)
    await bench.finish()


SCENARIOS = {name: test for theme in THEMES for name, test in scenarios_of(import_module(theme)).items()}
if len(SCENARIOS) != sum(len(scenarios_of(import_module(theme))) for theme in THEMES):
    raise ImportError("two scenarios of the conformance suite have one name")

globals().update(SCENARIOS)

__all__ = ["bench", *SCENARIOS]
