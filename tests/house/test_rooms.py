"""Deciding rooms read no clock, roll no dice, open no file and wait for nothing: the law that lint alone cannot see."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.markers import ROOT

ROOMS = ("message", "delivery", "reliability", "ledger")
CALLS = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "uuid6", "uuid7", "urandom", "getrandbits", "monotonic"})
BUILT_IN = frozenset({"open", "input", "print", "breakpoint", "exec", "eval", "compile"})
WAITING = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)

FILES = [path for room in ROOMS for path in sorted((ROOT / "src/vagus" / room).rglob("*.py"))]


def breaches(source: str) -> Iterator[str]:
    """Each place where deciding code would wait, or learn something that nobody gave it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, WAITING):
            yield f"{type(node).__name__} in line {node.lineno}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
            yield f"{ast.unparse(node.func)} in line {node.lineno}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS | BUILT_IN:
            yield f"{node.func.id} in line {node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "src/vagus")))
def test_deciding_module_takes_time_and_chance_as_arguments(path: Path) -> None:
    assert list(breaches(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "datetime.now(UTC)",
        "uuid.uuid4()",
        "uuid4()",
        "open('x')",
        "async def f(): ...",
        "clock.monotonic()",
    ],
)
def test_planted_breach_in_a_deciding_module_is_seen(source: str) -> None:
    assert len(list(breaches(source))) == 1


def test_deciding_rooms_are_all_there() -> None:
    assert {path.relative_to(ROOT / "src/vagus").parts[0] for path in FILES} == set(ROOMS)
