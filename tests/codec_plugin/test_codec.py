"""A codec that comes in a package of its own, or is registered by hand, writes and reads events like ours."""

from __future__ import annotations

import plistlib
import subprocess
import sys
from pathlib import Path

import pytest

from tools.markers import ROOT

PACKAGE = Path(__file__).parent / "package"

USE = """
import asyncio, plistlib
from vagus import App, Event, Wire
from vagus.backend import First

class Order(Event):
    number: int
    text: str

wire = Wire(mode={mode!r}, codec="plist")
app = App("sqlite:///plist.db", name="shop")
app.topic(Order, keep="7d", wire=wire)
got = []

@app.on(Order)
async def book(order: Order):
    got.append(order)

async def main():
    async with app.running():
        await app.publish(Order(7, "如何重置密码？"))
        while not got:
            await asyncio.sleep(0.01)
        (record,) = await app.backend.read("order", First(), 10)
    assert got == [Order(7, "如何重置密码？")], got
    envelope = record.envelope
    if {mode!r} == "binary":
        assert envelope.content_type == "application/x-plist", envelope
        assert plistlib.loads(envelope.body) == {{"number": 7, "text": "如何重置密码？"}}

asyncio.run(main())
"""

READ = """
import plistlib
from vagus import App, Event
from vagus.message import DEFAULT_WIRE, Envelope, decode, event_type

class Order(Event):
    number: int

headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "order"}
body = plistlib.dumps({"number": 7})
for media in ("application/x-plist; charset=binary", "application/x-bplist", "application/vnd.shop+plist"):
    event = decode(event_type(Order), Envelope(body, media, headers), DEFAULT_WIRE, "order")
    assert event.data == Order(7), event
    assert decode(None, Envelope(body, media, headers), DEFAULT_WIRE, "order").data == {"number": 7}
"""

BROKEN = """
import logging
logging.basicConfig(level="WARNING")
from vagus import App, Wire
from vagus.errors import InvalidArgument
try:
    Wire(codec="broken")
except InvalidArgument as error:
    print(error.what)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The package as pip would have installed it: a folder on the path, with its metadata."""
    (tmp_path / "vagus_plist").symlink_to(PACKAGE / "vagus_plist")
    metadata = tmp_path / "vagus_plist-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: vagus-plist\nVersion: 1.0\n", encoding="utf-8")
    points = "[vagus.codecs]\nbroken = vagus_plist:NOTHING\nplist = vagus_plist:CODEC\n"
    (metadata / "entry_points.txt").write_text(points, encoding="utf-8")
    return tmp_path


def run(code: str, site: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, where the package is installed and nothing was looked for yet."""
    environment = {"PYTHONPATH": f"{site}:{ROOT / 'src'}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=site, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.requirement("R48")
@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_codec_of_an_installed_package_carries_events(mode: str, site: Path) -> None:
    run(USE.format(mode=mode), site)


@pytest.mark.requirement("R48")
def test_content_type_of_an_event_finds_the_codec_of_a_package(site: Path) -> None:
    assert plistlib.loads(plistlib.dumps({"number": 7})) == {"number": 7}
    run(READ, site)


def test_package_that_cannot_be_loaded_is_told_and_harms_no_other(site: Path) -> None:
    done = run(BROKEN, site)

    assert "the codec broken of vagus_plist:NOTHING cannot be used" in done.stderr
    assert done.stdout == "codec 'broken' is not known: expected one of json, msgpack, plist\n"
