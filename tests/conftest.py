"""What every test stands on: hypothesis settings that repeat themselves in CI, reports that travel."""

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports it, so that failures of the shipped scenarios show what was compared.
pytest.register_assert_rewrite("vagus.testing.conformance")

# Two slow cores shared with other work make any single example slow now and then; that says nothing about the code.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a report travel between processes: what a test printed or logged may hold what no encoder takes."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report
