"""The command line in this process: what it prints, and the code that it ends with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from vagus import App, Event, Retry
from vagus.cli import main


class Told(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


Say = Callable[..., Told]


class Click(Event):
    user: str


@pytest.fixture
def _logging() -> Iterator[None]:
    """Take back what a command sets up for the whole of its process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def say(_logging: None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Say:
    """Run a command line in a folder of the test's own, as in a pipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VAGUS_URL", raising=False)

    def run(*words: str) -> Told:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        out, err = capfd.readouterr()
        return Told(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with one event handled, one dead, one delayed."""
    url = f"sqlite:///{tmp_path}/events.db"
    asyncio.run(_fill(url))
    return url


async def _fill(url: str) -> None:
    app = App(url, name="shop")

    @app.on(Click, retry=Retry(attempts=1))
    async def count(click: Click) -> None:
        if click.user == "bad":
            raise ValueError("no such user")

    async with app.running():
        await app.publish([Click("ann"), Click("bad")])
        await app.publish(Click("later"), delay_s="1h")
        async with asyncio.timeout(20):
            while (figures := (await app.backend.stats("shop.count"))[0]).acked + figures.dead < 2:
                await asyncio.sleep(0.01)
