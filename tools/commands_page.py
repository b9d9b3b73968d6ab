"""Makes docs/commands.md from what `vagus COMMAND --help` says: every command with its arguments and options."""

from collections.abc import Iterator

import click

from vagus.cli import main

PATH = "docs/commands.md"

HEAD = """\
# Commands

<!-- Made by `make docs` from the commands' own help. Do not edit. -->

`vagus COMMAND --help` says the same. Commands that look at a backend take `--url`, else `VAGUS_URL` from the
environment, else `sqlite:///vagus.db` where that file is. `vagus groups` and `vagus dead` alone list. Every list has
`--json`. Durations are a number and a unit: `500ms`, `90s`, `10m`, `3h`, `2d`. A command ends with 0 (ok),
1 (a problem), 2 (wrong use) or 3 (cannot reach the backend). An error is one line what, one line
where, and a hint with a command to copy; see [errors](errors.md).
"""


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below `group` that does something, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def usage(path: str, command: click.Command) -> str:
    """How the command is called, without its options."""
    return " ".join([path, *map(shown, arguments(command))])


def arguments(command: click.Command) -> list[click.Argument]:
    """The command's arguments, in order."""
    return [parameter for parameter in command.params if isinstance(parameter, click.Argument)]


def shown(argument: click.Argument) -> str:
    """An argument as usage shows it: in brackets where it can be left out, with dots where it repeats."""
    name = argument.metavar or (argument.name or "").upper()
    dots = "..." if argument.nargs == -1 else ""
    bare = name.strip("[]").removesuffix("...")
    return f"{bare}{dots}" if argument.required else f"[{bare}{dots}]"


def option_row(option: click.Option) -> str:
    """One line of a command's table."""
    value = option.metavar or ""
    if isinstance(option.type, click.Choice):
        value = " or ".join(f"`{choice}`" for choice in option.type.choices)
    elif value:
        value = f"`{value}`"
    elif not option.is_flag:
        value = option.type.name
    names = ", ".join(f"`{name}`" for name in option.opts)
    repeat = " Can be repeated." if option.multiple and "repeat" not in (option.help or "").lower() else ""
    default = f" Default: `{option.default}`." if option.show_default else ""
    return f"| {names} | {value} | {option.help or ''}{repeat}{default} |"


def section(path: str, command: click.Command) -> Iterator[str]:
    """The lines about one command."""
    yield f"## {path}\n"
    yield f"    {usage(path, command)}\n"
    for paragraph in (command.help or "").split("\n\n"):
        yield " ".join(paragraph.split()) + "\n"
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if options:
        yield "| option | value | what it does |\n|---|---|---|"
        yield from map(option_row, options)
        yield ""


def render() -> str:
    """The page as it should be today."""
    lines = [line for path, command in commands(main, "vagus") for line in section(path, command)]
    return "\n".join([HEAD, *lines]).rstrip() + "\n"
