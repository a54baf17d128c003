"""``robobench completion``: the script with which a shell completes commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from robobench.cli import COMPLETING


@click.command(short_help="Print the script that lets a shell complete commands and names.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  eval "$(robobench completion bash)"      in ~/.bashrc
    zsh:   eval "$(robobench completion zsh)"       in ~/.zshrc
    fish:  robobench completion fish > ~/.config/fish/completions/robobench.fish
    """  # noqa: D301 - click reads this backslash as a character
    kind = get_completion_class(shell)
    assert kind is not None  # the three are click's own
    click.echo(kind(ctx.find_root().command, {}, "robobench", COMPLETING).source())
    if shell == "bash":  # which would complete what follows @ as a host
        click.echo("COMP_WORDBREAKS=${COMP_WORDBREAKS//@}")
