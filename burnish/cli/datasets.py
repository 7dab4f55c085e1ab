"""`burnish datasets`: JSONL files of prompts."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import completing
from burnish.cli.client import open_file
from burnish.cli.command import Cli, Limit, group, naming, remote
from burnish.cli.output import counted

FIELDS = ("id", "name", "source_type", "num_rows", "sha256", "created_at")
COLUMNS = ("id", "name", "num_rows", "created_at")

app = group("Datasets: JSONL files of prompts, with whatever columns the reward function wants.")


@app.command("upload")
@remote
def upload(
    cli: Cli,
    file: Annotated[Path, typer.Argument(help="A JSONL file: one JSON object a line, each with a `prompt`.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call it; the file's name by default.")] = None,
) -> None:
    """Upload a dataset. Every problem of the file is told with its line, and then nothing is kept of it."""
    flags = {"name": "--name", "file": str(file)}
    with naming(flags), open_file(file) as opened, counted(cli.out, file, opened) as shown:
        made = cli.api.upload("/v1/datasets", {"name": name or file.stem}, file.name, shown)
    cli.out.show(made, FIELDS)


@app.command("list")
@remote
def list_(cli: Cli, limit: Limit = 20) -> None:
    """List datasets, the newest first."""
    cli.out.table(cli.api.all("/v1/datasets", limit), COLUMNS, "No datasets yet: `burnish datasets upload FILE`.")


@app.command("show")
@remote
def show(
    cli: Cli,
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="Id of the dataset (ds_…).", autocompletion=completing.datasets)
    ],
) -> None:
    """Show one dataset."""
    cli.out.show(cli.api.get(f"/v1/datasets/{dataset}"), FIELDS)
