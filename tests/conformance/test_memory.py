"""The memory backend keeps the contract."""

import pytest

from vagus.testing.conformance.suite import *  # noqa: F403
from vagus.testing.subject import Subject
from vagus.testing.subjects import memory_subject


@pytest.fixture
def subject() -> Subject:
    return memory_subject()
