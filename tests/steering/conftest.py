"""What the tests of steering share: a place to work in, in memory and in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vagus import App


@pytest.fixture(params=["memory", "sqlite"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A place of this test alone; memory of a name lives as long as somebody has it open."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/a.db"
        return
    name = f"memory://{tmp_path.name}"
    async with App(name, name="keeper"):
        yield name
