"""`burnish rewards`: Python files that score completions."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.client import open_file
from burnish.cli.command import Cli, Limit, group, naming, remote
from burnish.cli.output import counted

FIELDS = ("id", "name", "format", "sha256", "created_at")
COLUMNS = ("id", "name", "format", "created_at")

app = group("Reward functions: Python files that score completions. They run in a jail.")


@app.command("upload")
@remote
def upload(
    cli: Cli,
    file: Annotated[Path, typer.Argument(help="A Python file that defines `reward(prompts, completions, **columns)`.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call it; the file's name by default.")] = None,
    format_: Annotated[str, typer.Option("--format", help="How the function is called: trl.")] = "trl",
) -> None:
    """Upload a reward function. A file that cannot be used is refused with the line."""
    flags = {"name": "--name", "file": str(file), "format": "--format"}
    with naming(flags), open_file(file) as opened, counted(cli.out, file, opened) as shown:
        made = cli.api.upload("/v1/reward_functions", {"name": name or file.stem, "format": format_}, file.name, shown)
    cli.out.show(made, FIELDS)


@app.command("list")
@remote
def list_(cli: Cli, limit: Limit = 20) -> None:
    """List reward functions, the newest first."""
    found = cli.api.all("/v1/reward_functions", limit)
    cli.out.table(found, COLUMNS, "No reward functions yet: `burnish rewards upload FILE`.")
