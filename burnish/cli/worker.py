"""`burnish worker`: this machine as a host of an installation, and how a host is left."""

import asyncio
from typing import Annotated, Any

import typer

from burnish.cli import operator
from burnish.cli.command import AsJson, reported
from burnish.cli.exits import USAGE, CliError
from burnish.cli.output import Output

FIELDS = ("id", "name", "draining", "working")

app = typer.Typer(
    help="Run this machine's jobs and replicas for an installation whose database and broker the environment names.",
    invoke_without_command=True,
)


@app.callback()
def worker(context: typer.Context) -> None:
    """Run this machine's jobs and replicas for an installation whose database and broker the environment names."""
    if context.invoked_subcommand is not None:
        return
    with reported(Output()):
        settings = operator.read_settings()
    from burnish import host

    raise typer.Exit(host.run(settings))


@app.command("drain")
def drain(
    host: Annotated[
        str | None, typer.Option("--host", metavar="NAME", help="The host's name or id; this machine's by default.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the host works on nothing any more.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Let the host take work again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Move the work away from a host before it is stopped: replicas are replaced elsewhere first, jobs save a checkpoint.

    For the operator: it works on the database of this machine.
    """
    out = Output(as_json)
    with reported(out):
        if wait and undo:
            raise CliError("--wait: a host that takes work again is not waited for.", USAGE)
        rows: list[dict[str, Any]] = asyncio.run(operator.drain_host(host, undo=undo, wait=wait))
        out.table(rows, FIELDS, "No hosts.")
