"""Makes docs/reference.md from the docstrings of what `import vagus` offers: each class with its public methods."""

import inspect
from collections.abc import Iterator

import vagus

PATH = "docs/reference.md"

HEAD = """\
# Reference

<!-- Made by `make docs` from the docstrings of what `import vagus` offers. Do not edit. -->

All that `from vagus import …` offers. Options and their defaults stand in [configuration](configuration.md), errors in
[errors](errors.md) (`from vagus.errors import …`). What is not named here may change without notice; the seams for
backends are in [write a backend](write-a-backend.md).
"""


def members(cls: type) -> Iterator[tuple[str, str]]:
    """The public methods and properties that a class itself or its own bases define, with the text of each."""
    bases = [base for base in cls.__mro__ if base.__module__.startswith("vagus.")]
    found = {name: value for base in reversed(bases) for name, value in vars(base).items()}
    for name, value in found.items():
        text = inspect.getdoc(value)
        if not name.startswith("_") and text and (callable(value) or isinstance(value, property)):
            yield name, text


def section(name: str) -> Iterator[str]:
    """The lines about one public name."""
    cls = getattr(vagus, name)
    yield f"\n## {name}\n"
    yield inspect.getdoc(cls) or ""
    rows = list(members(cls))
    if rows:
        yield "\n| name | what it does |\n|---|---|"
        yield from (f"| `{member}` | {cell(text)} |" for member, text in rows)


def cell(text: str) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join(text.split("\n\n")[0].split()).replace("|", "\\|")


def render() -> str:
    """The page as it should be today."""
    return "\n".join([HEAD.rstrip(), *(line for name in vagus.__all__ for line in section(name))]) + "\n"
