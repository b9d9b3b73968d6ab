"""The SQLite backend keeps the contract."""

from pathlib import Path

import pytest

from vagus.testing.conformance.suite import *  # noqa: F403
from vagus.testing.subject import Subject
from vagus.testing.subjects import sqlite_subject


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return sqlite_subject(f"sqlite:///{tmp_path}/check.db")
