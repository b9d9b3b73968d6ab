"""Makes docs/errors.md: name, code and exit code from vagus.errors, what to do from tools/errors.toml."""

import inspect
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from vagus import errors

PATH = "docs/errors.md"
ADVICE = Path(__file__).with_name("errors.toml")

HEAD = """\
# Errors

<!-- Made by `make docs` from src/vagus/errors.py and tools/errors.toml. Do not edit. -->

Every error that vagus raises on purpose is a `VagusError`. It carries its facts as attributes, a stable `code`, and a
`hint`: what to do about it, with a command to copy where there is one. A command that ends with it leaves with the exit
code given here: 1 a problem, 2 wrong use, 3 cannot reach the backend. The branches are named by what you must do.
"""


def tree(parent: type[errors.VagusError], depth: int = 0) -> Iterator[tuple[type[errors.VagusError], int]]:
    """Every error below `parent` with its depth, a class before its cases, in order of definition."""
    for child in parent.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child, depth
            yield from tree(child, depth + 1)


def advice() -> dict[str, str]:
    """What to do, by code."""
    return tomllib.loads(ADVICE.read_text(encoding="utf-8"))


def row(error: type[errors.VagusError], told: Mapping[str, str], text: str) -> str:
    """One line of a branch's table."""
    return f"| {error.code} | `{error.__name__}` | {error.exit_code} | {text} | {told[error.code]} |"


def render() -> str:
    """The page as it should be today."""
    lines, told = [HEAD], advice()
    for error, depth in tree(errors.VagusError):
        text = " ".join((inspect.getdoc(error) or "").split())
        if depth == 0:
            lines += ["", f"## {error.__name__}", "", text, ""]
            lines += ["| code | error | exit | raised when | what to do |", "|---|---|---|---|---|"]
            text = "none of those below fits"
        lines.append(row(error, told, text))
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"
