"""`burnish models`: base models by name. Works on the database of this machine, whose folders they are."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import operator
from burnish.cli.command import AsJson, group, reported
from burnish.cli.output import Output

FIELDS = ("name", "path", "created_at")

app = group("Base models by name (operator: works on this machine's database).")


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The name by which jobs and deployments ask for it.")],
    path: Annotated[Path, typer.Argument(help="A folder of this machine with config.json and *.safetensors, or a pipeline of diffusers.")],
    as_json: AsJson = False,
) -> None:
    """Register a folder as a base model. Doing it again for the same folder changes nothing."""
    out = Output(as_json)
    with reported(out):
        out.show(asyncio.run(operator.add_model(name, path)), FIELDS)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the registered base models. Ids of Hugging Face need no registration."""
    out = Output(as_json)
    with reported(out):
        out.table(asyncio.run(operator.list_models()), FIELDS, "No models registered: `burnish models add NAME PATH`.")
