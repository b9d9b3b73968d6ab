"""Help and import are quick because of what they leave out: that is what is tested, not how long they take."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"rich", "apsw", "sqlite3", "pydantic", "pytest", "hypothesis", "multiprocessing", "unittest", "http"}
ROOMS = {"vagus.backends.memory", "vagus.backends.sqlite", "vagus.testing", "vagus.demo", "vagus.observe"}

HELP = """
import runpy
sys.argv = ["vagus", {words}]
try:
    runpy.run_module("vagus", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""


def loaded_by(code: str) -> set[str]:
    """Return the modules that are there after `code` has run in a process of its own."""
    script = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    ["import vagus", HELP.format(words="'--help'"), HELP.format(words="'--version'")],
    ids=["import", "help", "version"],
)
def test_start_loads_no_heavy_library_and_no_backend(code: str) -> None:
    loaded = loaded_by(code)

    assert "vagus" in loaded
    assert not {name for name in loaded if name.split(".")[0] in HEAVY}
    assert not {name for name in loaded if any(name == room or name.startswith(f"{room}.") for room in ROOMS)}


def test_import_leaves_the_command_line_out() -> None:
    assert not {name for name in loaded_by("import vagus") if name.split(".")[0] == "click" or "vagus.cli" in name}


def test_help_of_one_command_loads_no_other() -> None:
    loaded = loaded_by(HELP.format(words="'topics', '--help'"))

    assert {name for name in loaded if name.startswith("vagus.cli.commands.")} == {"vagus.cli.commands.topics"}


def test_backend_brings_its_library_only_when_its_url_is_used() -> None:
    made = loaded_by("from vagus.registry import create_backend\ncreate_backend('memory://')")

    assert "vagus.backends.memory" in made
    assert not {"apsw", "vagus.backends.sqlite"} & made
