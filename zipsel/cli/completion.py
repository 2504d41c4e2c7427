"""``zipsel completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from zipsel.cli.parameters import SectionCommand

_EPILOG = """\b
Example:
  zipsel completion bash > zipsel-completion.bash

\b
Then, in the file that the shell reads when it starts:
  bash  source PATH/zipsel-completion.bash
  zsh   source PATH/zipsel-completion.zsh   (after compinit)
  fish  or write it to ~/.config/fish/completions/zipsel.fish
"""


@click.command("completion", cls=SectionCommand, epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete commands and options."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of Click completes nothing in {shell}")
    script = kind(ctx.find_root().command, {}, "zipsel", "_ZIPSEL_COMPLETE")
    click.echo(script.source())
