"""Installs the third party's package: a folder on the path with the metadata that pip would have written."""

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "package"
METADATA = "Metadata-Version: 2.1\nName: vagus-third\nVersion: 1.0\n"


def liars() -> dict[str, str]:
    """The lying backends by URL scheme: `IgnoresKeys` is `ignoreskeys://`."""
    lines = (PACKAGE / "vagus_third" / "liars.py").read_text(encoding="utf-8").splitlines()
    names = [line.removeprefix("class ").partition("(")[0] for line in lines if line.startswith("class ")]
    return {name.lower(): name for name in names if not name.startswith("_")}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like `site-packages`, with the package in it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE / "vagus_third", folder / "vagus_third", ignore=shutil.ignore_patterns("__pycache__"))
    backends = [
        "third = vagus_third:Third",
        *(f"{scheme} = vagus_third.liars:{name}" for scheme, name in liars().items()),
    ]
    subjects = [f"{scheme} = vagus_third:subject" for scheme in ("third", *liars())]
    points = ["[vagus.backends]", *backends, "", "[vagus.subjects]", *subjects, ""]
    metadata = folder / "vagus_third-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(METADATA, encoding="utf-8")
    (metadata / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package as if pip had installed it."""
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    yield site
    for name in [name for name in sys.modules if name.partition(".")[0] == "vagus_third"]:
        del sys.modules[name]
