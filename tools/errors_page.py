"""Makes docs/errors.md from the classes of vagus.errors: name, code, exit code, and what to do."""

import inspect
from collections.abc import Iterator

from vagus import errors

PATH = "docs/errors.md"

HEAD = """\
# Errors

<!-- Made by `make docs` from the docstrings of src/vagus/errors.py. Do not edit. -->

Every error that vagus raises on purpose is a `VagusError`. It carries its facts as attributes, a stable `code`, and a
`hint`; a command that ends with it leaves with the exit code given here. The branches are named by what you must do.
"""


def tree(parent: type[errors.VagusError], depth: int = 0) -> Iterator[tuple[type[errors.VagusError], int]]:
    """Every error below `parent` with its depth, a class before its cases, in order of definition."""
    for child in parent.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child, depth
            yield from tree(child, depth + 1)


def render() -> str:
    """The page as it should be today."""
    lines = [HEAD]
    for error, depth in tree(errors.VagusError):
        text = " ".join((inspect.getdoc(error) or "").split())
        if depth == 0:
            lines += [
                "",
                f"## {error.__name__}",
                "",
                text,
                "",
                "| code | error | exit | raised when |",
                "|---|---|---|---|",
            ]
            lines.append(f"| {error.code} | `{error.__name__}` | {error.exit_code} | none of those below fits |")
        else:
            lines.append(f"| {error.code} | `{error.__name__}` | {error.exit_code} | {text} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"
