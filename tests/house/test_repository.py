"""What is committed names no registry, no machine, and leaves nothing for later."""

import re
import subprocess

import pytest

from tools.markers import ROOT

FORBIDDEN = {
    "a registry's address": r"index-url|extra-index|https?://[^ \"]*(/simple/|/packages/)",
    "a path of some machine": r"(^|[^A-Za-z0-9_.-])/(work|root|home/\w+)/",
    "work left for later": r"\b(TODO|FIXME)\b|raise NotImplementedError",
}
OWN = "tests/house/test_repository.py"


def texts() -> dict[str, str]:
    """Every text file that git knows, by path."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = (name for name in listed.split("\0") if name and name != OWN and (ROOT / name).is_file())
    return {name: (ROOT / name).read_text(encoding="utf-8", errors="ignore") for name in paths}


@pytest.mark.parametrize("pattern", FORBIDDEN.values(), ids=FORBIDDEN)
def test_no_file_names_what_must_not_be_named(pattern: str) -> None:
    found = [
        f"{name}: {hit[0]!r}" for name, text in texts().items() for hit in re.finditer(pattern, text, re.MULTILINE)
    ]

    assert found == []


def test_no_lock_file_is_kept() -> None:
    # A lock file names the registry that it was made with; versions in pyproject.toml say what is needed.
    names = {name.rpartition("/")[2] for name in texts()}

    assert {
        name for name in names if re.search(r"\.lock$|-lock\.|^Pipfile|^pip\.conf$|^requirements.*\.txt$", name)
    } == set()
