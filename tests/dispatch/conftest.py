"""What tests over processes need of the backend that they share."""

from __future__ import annotations

from pathlib import Path

import pytest

from vagus import App


@pytest.fixture
async def shared(tmp_path: Path) -> None:
    """Leave a test out where the file cannot carry a pick out."""
    async with App(f"sqlite:///{tmp_path}/probe.db", name="probe") as app:
        if not app.capabilities.inboxes:
            pytest.skip("this backend has no inboxes of members yet")
