"""`vagus init`: a small app to begin with, written into a folder of its own."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import click

from vagus.cli.option import json_option
from vagus.cli.output import print_json, style
from vagus.errors import InvalidArgument

TEMPLATES = {
    "minimal": "One event, one handler.",
    "rag": "Questions answered from local pages, cited, word by word.",
    "tools": "An agent that uses tools and asks a person before it does what costs money.",
}
"""The folders of `vagus/cli/templates`, with what each one is."""

LEFT_OUT = frozenset({"__pycache__"})


@click.command("init")
@click.argument("template", metavar="[TEMPLATE]", required=False, type=click.Choice(list(TEMPLATES)))
@click.argument("folder", metavar="[FOLDER]", required=False, type=click.Path(path_type=Path))
@json_option
def command(template: str | None, folder: Path | None, as_json: bool) -> None:
    """Write a small app to begin with into FOLDER, a new or an empty one; default: the template's name.

    Without TEMPLATE, lists those that there are. Each is an app that works at once, with its test and a README, and
    needs nothing but vagus. Nothing that is there is ever overwritten.
    """
    if template is None:
        _list(as_json)
        return
    target = folder or Path(template)
    files = dict(_files(template))
    _refuse_what_is_there(target, template)
    try:
        for name, body in files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            with (target / name).open("xb") as file:  # never over a file that came meanwhile
                file.write(body)
    except OSError as error:
        raise _not_written(target, template, error) from error
    if as_json:
        print_json({"template": template, "folder": str(target), "files": list(files)})
    else:
        _tell(target, files)


def _list(as_json: bool) -> None:
    if as_json:
        print_json([{"template": name, "what": what} for name, what in TEMPLATES.items()])
        return
    for name, what in TEMPLATES.items():
        click.echo(f"{style(f'{name:<8}', bold=True)} {what}")
    click.echo("\nvagus init rag my-app && cd my-app && vagus dev app:app")


def _files(template: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a template, by their names below its folder."""
    root = Path(__file__).parents[2] / "templates" / template
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and not LEFT_OUT & set(name.parts):
            yield PurePosixPath(name).as_posix(), path.read_bytes()


def _refuse_what_is_there(target: Path, template: str) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir():
        raise _taken(target, template, "is a file")
    if there := sorted(one.name for one in target.iterdir()):
        more = ", …" if len(there) > 3 else ""
        raise _taken(target, template, f"is not empty (it has {', '.join(there[:3])}{more})")


def _taken(target: Path, template: str, why: str) -> InvalidArgument:
    text = f"{str(target)!r} {why}: expected a new or an empty folder, since nothing is overwritten"
    names = (f"{template}-{number}" for number in itertools.count(2))
    free = next(name for name in names if not Path(name).exists())
    return InvalidArgument(text, where="vagus init", hint=f"vagus init {template} {free}")


def _not_written(target: Path, template: str, error: OSError) -> InvalidArgument:
    text = f"cannot write {error.filename or target}: {error.strerror or error}"
    return InvalidArgument(
        text, where="vagus init", hint=f"name a folder that you may write to: vagus init {template} FOLDER"
    )


def _tell(target: Path, files: dict[str, bytes]) -> None:
    for name in files:
        click.echo(f"wrote {target / name}")
    into = "" if target.resolve() == Path.cwd() else f"cd {shlex.quote(str(target))} && "
    click.echo(f"\n{into}vagus dev app:app")
