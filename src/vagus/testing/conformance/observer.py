"""The suite's plugin for pytest: hands in the subject, sets a deadline for every scenario, writes verdicts down."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from vagus.testing.conformance.bench import within
from vagus.testing.conformance.themes import sentence_of, theme_of
from vagus.testing.conformance.verdict import Status, Verdict
from vagus.testing.subject import Subject

#: How long, in seconds, one scenario may take; a backend that hangs is broken, it does not stop the suite.
SCENARIO_S = 60.0


class Observer:
    """Runs with the suite; `tell` is called with each verdict when it is known."""

    def __init__(self, subject: Subject, tell: Callable[[Verdict], object]) -> None:
        self._subject = subject
        self._tell = tell
        self._pending: dict[str, Verdict] = {}

    @pytest.fixture
    def subject(self) -> Subject:
        """Give the subject of this run."""
        return self._subject

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Function]) -> None:
        """Give every scenario its deadline."""
        for item in items:
            item.obj = limited(item.obj)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Write down a suite that cannot even be imported."""
        if report.failed:
            self._tell(Verdict("suite", "can be collected", "broken", reason(report)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the verdict down once all three phases of a scenario are over."""
        verdict = self._verdict(report)
        before = self._pending.get(report.nodeid)
        if before is None or (before.status != "broken" and verdict.status != "held"):
            self._pending[report.nodeid] = verdict
        if report.when == "teardown":
            self._tell(self._pending.pop(report.nodeid))

    def _verdict(self, report: pytest.TestReport) -> Verdict:
        remarks = [str(value) for name, value in report.user_properties if name == "remark"]
        status: Status = "refused" if remarks else "held"
        if report.failed:
            status = "broken"
        elif report.skipped:
            status = "not witnessed"
        why = reason(report) if status in ("broken", "not witnessed") else ""
        return Verdict(
            theme_named(report), sentence_of(report.nodeid.rpartition("::")[2]), status, why, report.duration
        )


def theme_named(report: pytest.TestReport) -> str:
    """Return the theme that the scenario of a report belongs to."""
    modules = [str(value) for name, value in report.user_properties if name == "theme"]
    return theme_of(modules[0]) if modules else "suite"


def limited(scenario: Callable[..., Any]) -> Callable[..., Any]:
    """Return the scenario with a deadline."""

    @functools.wraps(scenario)
    async def in_time(**fixtures: Any) -> None:
        await within(scenario(**fixtures), "the whole scenario", SCENARIO_S)

    return in_time


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a report is not a good one, in one line."""
    text = report.longrepr
    if isinstance(text, tuple):
        return str(text[2]).removeprefix("Skipped: ").removeprefix("not witnessed: ")
    crash = getattr(text, "reprcrash", None)
    lines = str(crash.message if crash else text).splitlines() or ["no reason was given"]
    return lines[0].removeprefix("AssertionError: ")[:300]
