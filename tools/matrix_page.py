"""Makes docs/capabilities.md from what our own backends say of themselves when they are opened."""

import ast
import asyncio
import inspect
import tempfile
import tomllib
from collections.abc import Mapping

from tools.markers import ROOT
from vagus.backend import Capabilities
from vagus.registry import create_backend

PATH = "docs/capabilities.md"

# Where a backend is opened to be asked; the ones that need a server name the one that the project's CI starts.
URLS = {"memory": "memory://", "sqlite": "sqlite:///{folder}/capabilities.db"}

HEAD = """\
# Capabilities

<!-- Made by `make docs` from the flags that each backend returns when it is opened. Do not edit. -->

What each backend can promise. A flag cuts both ways: `vagus check URL` demands what a backend claims, and shows that
what it denies is refused at start-up with `UnsupportedCapability`.
"""


def own_schemes() -> list[str]:
    """The URL schemes of the backends in this package, in the order in which pyproject.toml names them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["entry-points"]["vagus.backends"])


async def ask(scheme: str, folder: str) -> Capabilities:
    """What the backend of that scheme says of itself."""
    backend = create_backend(URLS[scheme].format(folder=folder))
    try:
        return await backend.open()
    finally:
        await backend.close()


async def ask_all() -> dict[str, Capabilities]:
    """What each of our backends says of itself, by scheme."""
    with tempfile.TemporaryDirectory() as folder:
        return {scheme: await ask(scheme, folder) for scheme in own_schemes()}


def flags() -> dict[str, str]:
    """Each yes-or-no flag with the sentence that stands below it in the source."""
    body = ast.parse(inspect.getsource(Capabilities)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and ast.unparse(field.annotation) == "bool":
            said = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and text.value.value
            found[ast.unparse(field.target)] = " ".join(str(said or "").split())
    return found


def build(backends: Mapping[str, Capabilities]) -> str:
    """The page for these backends."""
    lines = [HEAD, f"| flag | {' | '.join(f'`{scheme}`' for scheme in backends)} | what it promises |"]
    lines.append("|---" * (len(backends) + 2) + "|")
    for flag, text in flags().items():
        answers = " | ".join("yes" if getattr(can, flag) else "no" for can in backends.values())
        lines.append(f"| `{flag}` | {answers} | {text} |")
    return "\n".join(lines) + "\n"


def render() -> str:
    """The page as it should be today."""
    return build(asyncio.run(ask_all()))
