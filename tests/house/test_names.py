"""What is public is listed, sorted, and leads where it says; every module says its law; versions agree."""

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import vagus
from tools.markers import ROOT

PUBLIC = ("vagus", "vagus.history", "vagus.message", "vagus.testing", "vagus.testing.conformance")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CODE = [path for home in ("src", "tests", "tools") for path in sorted((ROOT / home).rglob("*.py"))]
MOST_PACKAGES = 15


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_sorted_and_there(name: str) -> None:
    module = importlib.import_module(name)

    assert module.__all__ == sorted(module.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_nothing_public_is_left_out_of_the_list(name: str) -> None:
    path = Path(importlib.import_module(name).__file__ or "")
    tree = ast.parse(path.read_text(encoding="utf-8"))

    late = [inner for node in tree.body if isinstance(node, ast.If) for inner in node.body]
    imported = {alias.asname or alias.name for node in [*tree.body, *late] for alias in names_of(node)}
    helpers = {"annotations", "import_module", "TYPE_CHECKING", "Any"}
    assert imported - helpers == set(importlib.import_module(name).__all__)


def names_of(node: ast.stmt) -> list[ast.alias]:
    return node.names if isinstance(node, ast.ImportFrom) else []


@pytest.mark.parametrize("name", vagus.__all__)
def test_public_name_says_what_it_is(name: str) -> None:
    assert (getattr(vagus, name).__doc__ or "").strip()


def test_every_file_says_its_law_in_its_first_line() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in CODE
        if (tree := ast.parse(path.read_text(encoding="utf-8"))).body and not (ast.get_docstring(tree) or "").strip()
    ]

    assert silent == []


def test_version_stands_the_same_in_project_package_and_changes() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    versions = re.findall(r"^## (\d+\.\d+\.\d+)", changes, re.MULTILINE)
    assert versions[0] == PROJECT["version"] == vagus.__version__
    assert versions == sorted(versions, key=lambda text: [int(part) for part in text.split(".")], reverse=True)


def closure(package: str, extra: str = "") -> set[str]:
    """The packages that an install of `package` brings on this machine, itself included."""
    found: set[str] = set()
    waiting = [(package, extra)]
    while waiting:
        name, wanted = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [(canonical(needed.name), "") for needed in needs(name, wanted)]
    return found


def needs(name: str, extra: str) -> Iterator[Requirement]:
    for text in requires(name) or ():
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            yield needed


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_core_install_stays_under_fifteen_packages() -> None:
    core = closure("vagus")

    assert len(core) < MOST_PACKAGES, core
    assert {"msgspec", "click", "rich", "apsw"} < core


def test_extras_are_not_counted_into_the_core() -> None:
    assert {"pytest", "pydantic"} & closure("vagus") == set()
    assert "pytest" in closure("vagus", "check")
