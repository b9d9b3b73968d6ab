"""Finds which tests carry which numbers, by reading the source: no test is run and nothing is imported."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOMES = ("tests", "src/vagus/testing")


@dataclass(frozen=True, order=True)
class Shown:
    """One test that shows one number: `test` is `path::name`, below the project's root."""

    number: str
    test: str


def collect(kind: str, root: Path = ROOT, homes: Sequence[str] = HOMES) -> list[Shown]:
    """Every test marked `@pytest.mark.KIND("number")`, on itself, its class or its module; sorted."""
    files = (path for home in homes for path in sorted((root / home).rglob("*.py")))
    return sorted({shown for path in files for shown in in_file(kind, path, path.relative_to(root).as_posix())})


def in_file(kind: str, path: Path, name: str) -> Iterator[Shown]:
    """The marked tests of one file, called `name` in what is returned."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=name)
    yield from in_body(kind, tree.body, name, set())


def in_body(kind: str, body: Iterable[ast.stmt], name: str, inherited: set[str]) -> Iterator[Shown]:
    """The marked tests of a module's or a class's body; `inherited` is what stands around it."""
    body = list(body)
    inherited = inherited | {number for node in body for number in module_marks(kind, node)}
    for node in body:
        if isinstance(node, ast.ClassDef):
            numbers = inherited | set(numbers_in(kind, node.decorator_list))
            yield from in_body(kind, node.body, f"{name}::{node.name}", numbers)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own = set(numbers_in(kind, node.decorator_list))
            is_test = node.name.startswith("test_")
            yield from (Shown(number, f"{name}::{node.name}") for number in own | (inherited if is_test else set()))


def module_marks(kind: str, node: ast.stmt) -> Iterator[str]:
    """The numbers in `pytestmark = …`, a mark or a list of them."""
    if isinstance(node, ast.Assign) and any(ast.unparse(target) == "pytestmark" for target in node.targets):
        marks = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
        yield from numbers_in(kind, marks)


def numbers_in(kind: str, marks: Iterable[ast.expr]) -> Iterator[str]:
    """The words in calls of `pytest.mark.KIND(…)` or of `KIND(…)` by itself."""
    for mark in marks:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func).rpartition(".")[2] == kind:
            yield from (
                word.value for word in mark.args if isinstance(word, ast.Constant) and isinstance(word.value, str)
            )


def links(shown: Iterable[Shown], most: int = 4) -> str:
    """The tests of one number as Markdown links from a page in docs/; what is over `most` is counted."""
    tests = [entry.test for entry in shown]
    if not tests:
        return "not there yet"
    named = [f"[`{test.rpartition('::')[2]}`](../{test.partition('::')[0]})" for test in tests[:most]]
    return ", ".join(named) + (f" and {len(tests) - most} more" if len(tests) > most else "")
