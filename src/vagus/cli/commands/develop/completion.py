"""`vagus completion`: a script that lets a shell complete what is typed after `vagus`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a script that lets a shell complete commands, options and their values.

    For bash, add to ~/.bashrc: eval "$(vagus completion bash)". For zsh, to ~/.zshrc: eval "$(vagus completion zsh)".
    For fish: vagus completion fish > ~/.config/fish/completions/vagus.fish. bash must be 4.4 or newer.
    """
    found = get_completion_class(shell)
    assert found is not None, "click knows these three"
    # Not by `source()`: it starts bash to ask for its version, and complains where that is not the shell in use.
    completion = found(ctx.find_root().command, {}, "vagus", "_VAGUS_COMPLETE")
    click.echo(completion.source_template % completion.source_vars())
