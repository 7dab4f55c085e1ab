"""`burnish completion`: what makes a shell complete commands, options and ids."""

from enum import StrEnum
from typing import Annotated

import typer
from typer._completion_shared import get_completion_script

VARIABLE = "_BURNISH_COMPLETE"


class Shell(StrEnum):
    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell that is to complete.")]) -> None:
    """Print a shell's completion script, for its start-up file or a package. `--install-completion` puts it in place instead."""
    typer.echo(get_completion_script(prog_name="burnish", complete_var=VARIABLE, shell=shell.value))
