"""`completion`: what a shell needs to complete `tidings …`."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what a shell needs to complete verbs and options.

    \b
    Examples:
      tidings completion bash > ~/.local/share/bash-completion/completions/tidings
      tidings completion zsh > ~/.zfunc/_tidings
      tidings completion fish > ~/.config/fish/completions/tidings.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(context.find_root().command, {}, "tidings", "_TIDINGS_COMPLETE")
    click.echo(made.source_template % made.source_vars())
