"""Failures of the shipped scenarios show what was compared."""

import pytest

pytest.register_assert_rewrite("vagus.testing.conformance")
