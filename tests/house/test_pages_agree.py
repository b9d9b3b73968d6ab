"""What pages say of settings, commands, promises and files is what the code says; links lead somewhere."""

import inspect
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from tools import commands_page, contract_page, errors_page
from tools.markers import ROOT
from vagus import App, Retry, Wire, errors
from vagus.app import handler, publisher
from vagus.backends.sqlite import options as sqlite_options
from vagus.cli import main
from vagus.errors import InvalidArgument

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
HAND_WRITTEN = [path for path in PAGES if "<!-- Made by" not in path.read_text(encoding="utf-8")]
SETTINGS = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
OURS = re.compile(r"[\"'](VAGUS_[A-Z_]+|OPENAI_[A-Z_]+|NO_COLOR)[\"']")
#: Between the demo's own processes, and between a suite and its runner.
PRIVATE = re.compile(r"VAGUS_DEMO_\w+|VAGUS_SUBJECT\w*")
README_LINES = 120


# --- settings ------------------------------------------------------------------------------------------------------


def table(heading: str) -> dict[str, str]:
    """The first two columns of the table below a heading of docs/configuration.md, without their backticks."""
    _, _, rest = SETTINGS.partition(f"\n## {heading}\n")
    rows = [line.split("|") for line in rest.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    return {row[1].strip(" `"): row[2].strip(" `") for row in rows}


def fields(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The settings that a struct has, with their defaults as Python writes them."""
    return {field.name: written(field.default) for field in msgspec.structs.fields(struct)}


def parameters(function: Callable[..., Any]) -> dict[str, str]:
    """The same of a function's parameters, those without a default left out."""
    named = inspect.signature(function).parameters.values()
    return {one.name: written(one.default) for one in named if one.default is not inspect.Parameter.empty}


def written(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, msgspec.Struct):
        return f"{type(value).__name__}()"
    return repr(value).replace("<class 'Exception'>", "Exception")


TABLES: Mapping[str, Callable[[], dict[str, str]]] = {
    "App": lambda: parameters(App.__init__),
    "Handlers": lambda: fields(handler.Options),
    "Retry": lambda: fields(Retry),
    "Publishing": lambda: fields(publisher.PublishOptions),
    "Topics": lambda: parameters(App.topic),
    "Wire": lambda: fields(Wire),
}


@pytest.mark.parametrize("heading", TABLES)
def test_settings_and_defaults_stand_on_their_page(heading: str) -> None:
    assert table(heading) == TABLES[heading]()


def test_url_options_on_the_page_are_those_that_are_taken() -> None:
    documented = table("URLs")

    assert sqlite_options.parse("sqlite:///x.db?" + "&".join(f"{name}={value}" for name, value in documented.items()))
    with pytest.raises(InvalidArgument) as refused:
        sqlite_options.parse("sqlite:///x.db?nothing=1")
    assert set(re.findall(r"(\w+)=", refused.value.hint)) == set(documented)


def test_environment_on_the_page_is_what_the_code_reads() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    read = {name for text in texts for name in OURS.findall(text) if not PRIVATE.fullmatch(name)}

    assert set(table("Environment")) == read


# --- commands, errors, promises --------------------------------------------------------------------------------------


def test_every_command_and_option_stands_on_its_page() -> None:
    page = commands_page.render()

    for path, command in commands_page.commands(main, "vagus"):
        _, _, rest = page.partition(f"\n## {path}\n")
        section = rest.partition("\n## ")[0]
        names = [name for option in command.params if isinstance(option, click.Option) for name in option.opts]
        assert section, path
        assert [name for name in names if f"`{name}`" not in section] == [], path


def test_every_error_says_what_to_do() -> None:
    codes = {error.code for error, _ in errors_page.tree(errors.VagusError)}

    assert set(errors_page.advice()) == codes


def test_every_promise_is_told_in_words() -> None:
    page = (ROOT / contract_page.PATH).read_text(encoding="utf-8").partition(contract_page.BEGIN)[0]

    told = {int(number) for number in re.findall(r"^- \*\*G(\d+), ", page, re.MULTILINE)}
    assert told == set(range(1, len(contract_page.PROMISES) + 1))


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=lambda path: path.name)
def test_commands_in_the_prose_exist(path: Path) -> None:
    paths = {command for command, _ in commands_page.commands(main, "vagus")}
    groups = {command.rpartition(" ")[0] for command in paths} - {"vagus"}
    said = re.findall(r"`(vagus [a-z]+)( [a-z]+)?", path.read_text(encoding="utf-8"))

    meant = {first + second if first in groups else first for first, second in said}
    assert meant - paths - groups == set()


# --- links, files, targets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith(("http://", "https://"))]

    assert [link for link in inside if not (path.parent / link).exists()] == []


def test_every_page_is_named_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")

    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in pages if f"]({name})" not in index} == set()


def test_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


@pytest.mark.parametrize("name", ["__init__.py", "honest.py"])
def test_example_backend_of_the_page_is_the_tested_one(name: str) -> None:
    page = (ROOT / "docs/write-a-backend.md").read_text(encoding="utf-8")
    package = ROOT / "tests/backends_plugin/package/vagus_third"

    assert f"```python file=vagus_third/{name}\n{(package / name).read_text(encoding='utf-8')}```" in page


def test_make_help_lists_every_target_that_is_for_people() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None

    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    listed = re.findall(r"^ +make (\w+) +\S", told, re.MULTILINE)
    assert sorted(listed) == sorted(phony[1].split())
    assert {"help", "demo", "test", "check", "docs"} <= set(listed)


def test_continuous_integration_runs_targets_that_exist() -> None:
    script, makefile = (ROOT / ".ci/run").read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")

    steps = re.findall(r"^step (\w+) ", script, re.MULTILINE)
    assert {"check", "test"} <= set(steps)
    assert [step for step in steps if not re.search(rf"^{step}:", makefile, re.MULTILINE)] == []
