"""Holds a source tree to its shape budgets: how long, how deep, how wide, and who imports whom."""

import ast
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

FUNCTION_MEDIAN = 10  # lines, without decorators and docstring
FUNCTION_P95 = 40
FUNCTION_MOST = 80
MODULE_MEDIAN = 150
MODULE_SOFT = 400  # reported, not refused
MODULE_MOST = 700
FOLDER_MOST = 13  # files
NESTING_MOST = 3  # blocks inside blocks of one function
IMPORT_DEPTH_MOST = 24
HIDDEN_IMPORT_LINES = 1000  # at most one TYPE_CHECKING block in so many lines
LAZY_IMPORT_HOMES = ("registry.py", "cli/")
DRAWERS = frozenset({"utils", "util", "helpers", "base", "manager", "misc", "common"})

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match)


@dataclass(frozen=True)
class Module:
    """One parsed file: `name` is its path below the tree's root."""

    name: str
    dotted: str
    tree: ast.Module
    lines: int

    @property
    def functions(self) -> list[Function]:
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]


@dataclass(frozen=True)
class Report:
    """What was measured, what is worth a look, and what breaks a budget."""

    figures: tuple[str, ...]
    remarks: tuple[str, ...]
    problems: tuple[str, ...]


def read(root: Path) -> list[Module]:
    """Parse every Python file below the package folder `root`, in order of path."""
    modules = []
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(root).as_posix()
        dotted = ".".join((root.name, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        modules.append(Module(name, dotted, ast.parse(text, filename=name), text.count("\n")))
    return modules


def length(function: Function) -> int:
    """Lines from `def` to the end, without the docstring: a promise costs nothing."""
    whole = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return whole
    text = function.body[0]
    return whole - ((text.end_lineno or text.lineno) - text.lineno + 1)


def nesting(node: ast.AST) -> int:
    """How many blocks stand inside each other; a nested function starts anew, `elif` stands beside its `if`."""
    deepest = 0
    for field, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        for child in children:
            if not isinstance(child, ast.AST) or isinstance(child, (*Function.__args__, ast.Lambda)):
                continue
            beside = field == "orelse" and isinstance(node, ast.If) and isinstance(child, ast.If)
            opens = isinstance(child, BLOCKS) and not beside
            # An `elif` was counted with its `if`, and its own body is as deep as that of the `if`.
            deepest = max(deepest, nesting(child) + opens)
    return deepest


def percentile(values: Sequence[int], share: float) -> int:
    """The smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share * 100) // 100) - 1)]


def imports_of(module: Module, known: frozenset[str]) -> set[str]:
    """The tree's own modules that this one imports when it is loaded."""
    package = module.dotted if module.name.endswith("__init__.py") else module.dotted.rpartition(".")[0]
    found: set[str] = set()
    for node in module_level(module.tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (parent, node.module) if part)
            names = {f"{source}.{alias.name}" for alias in node.names}
            found.update(names & known or {source})
    return (found & known) - {module.dotted}


def module_level(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the module is loaded: functions' bodies and TYPE_CHECKING blocks do not."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, Function) or is_type_checking(child):
            continue
        yield child
        yield from module_level(child)


def is_type_checking(node: ast.AST) -> bool:
    """Whether the node is an `if TYPE_CHECKING:` block."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def function_problems(modules: Sequence[Module]) -> Iterator[str]:
    """Single functions that are too long, too deep, unannotated, or import inside their body."""
    for module in modules:
        lazy_home = module.name.startswith(LAZY_IMPORT_HOMES)
        for function in module.functions:
            where = f"{module.name}:{function.lineno} {function.name}"
            if length(function) > FUNCTION_MOST:
                yield f"{where}: {length(function)} lines, at most {FUNCTION_MOST}"
            if nesting(function) > NESTING_MOST:
                yield f"{where}: {nesting(function)} blocks inside each other, at most {NESTING_MOST}"
            if function.returns is None:
                yield f"{where}: no return annotation"
            inside = (node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom))
            if not lazy_home and (hidden := next(inside, None)):
                yield f"{module.name}:{hidden.lineno} {function.name}: imports inside its body"


def module_problems(modules: Sequence[Module]) -> Iterator[str]:
    """Single modules that are too long, nameless in purpose, or have no law in their first line."""
    for module in modules:
        if module.lines > MODULE_MOST:
            yield f"{module.name}: {module.lines} lines, at most {MODULE_MOST}"
        if DRAWERS & set(module.name.removesuffix(".py").split("/")):
            yield f"{module.name}: a drawer for anything; name it for the one thing that it holds"
        if module.tree.body and ast.get_docstring(module.tree) is None:
            yield f"{module.name}: its first line does not say its law"


def folder_problems(root: Path) -> Iterator[str]:
    """Folders that hold too many files."""
    folders = [root, *(path for path in root.rglob("*") if path.is_dir() and path.name != "__pycache__")]
    for folder in sorted(folders):
        files = [path for path in folder.iterdir() if path.is_file()]
        if len(files) > FOLDER_MOST:
            yield f"{folder.relative_to(root.parent).as_posix()}/: {len(files)} files, at most {FOLDER_MOST}"


def import_depth(graph: dict[str, set[str]]) -> int:
    """The longest chain of imports. Raises CycleError where modules import each other in a circle."""
    depth: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        depth[name] = 1 + max((depth[other] for other in graph.get(name, ())), default=0)
    return max(depth.values(), default=0)


def import_problems(modules: Sequence[Module]) -> Iterator[str]:
    """Circles, chains that are too long, and imports hidden from the running program."""
    known = frozenset(module.dotted for module in modules)
    try:
        depth = import_depth({module.dotted: imports_of(module, known) for module in modules})
    except CycleError as circle:
        yield "import circle: " + " <- ".join(circle.args[1])
    else:
        if depth > IMPORT_DEPTH_MOST:
            yield f"imports stand {depth} deep, at most {IMPORT_DEPTH_MOST}"
    hidden = sum(is_type_checking(node) for module in modules for node in ast.walk(module.tree))
    allowed = max(1, sum(module.lines for module in modules) // HIDDEN_IMPORT_LINES)
    if hidden > allowed:
        yield f"{hidden} TYPE_CHECKING blocks, at most {allowed}"


def measure(root: Path) -> Report:
    """Measure the package folder `root` against every budget."""
    modules = read(root)
    lengths = [length(function) for module in modules for function in module.functions] or [0]
    sizes = [module.lines for module in modules if module.lines] or [0]
    median, p95, module_median = statistics.median(lengths), percentile(lengths, 0.95), statistics.median(sizes)
    totals = {
        f"median function {median:g} lines, at most {FUNCTION_MEDIAN}": median > FUNCTION_MEDIAN,
        f"95 % of functions within {p95} lines, at most {FUNCTION_P95}": p95 > FUNCTION_P95,
        f"longest function {max(lengths)} lines, at most {FUNCTION_MOST}": False,
        f"median module {module_median:g} lines, at most {MODULE_MEDIAN}": module_median > MODULE_MEDIAN,
        f"{len(modules)} modules, {sum(sizes)} lines, {len(lengths)} functions": False,
    }
    problems = [figure for figure, broken in totals.items() if broken]
    problems += [*function_problems(modules), *module_problems(modules), *folder_problems(root)]
    problems += import_problems(modules)
    remarks = [f"{m.name}: {m.lines} lines; over {MODULE_SOFT}, look for two" for m in modules if m.lines > MODULE_SOFT]
    return Report(tuple(totals), tuple(remarks), tuple(problems))


def main(root: str) -> int:
    """Print the report on the package folder `root`; 1 where a budget is broken."""
    report = measure(Path(root))
    for line in report.figures:
        print(f"shape: {line}")
    for line in report.remarks:
        print(f"shape: note: {line}")
    for line in report.problems:
        print(f"shape: broken: {line}", file=sys.stderr)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
