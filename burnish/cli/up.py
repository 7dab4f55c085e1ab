"""`burnish up`: this machine's platform."""

from typing import Annotated

import typer

from burnish.cli.command import reported
from burnish.cli.operator import read_settings
from burnish.cli.output import Output


def up(
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; 127.0.0.1 by default.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Port to listen on; 8400 by default.")] = None,
) -> None:
    """Start this machine's platform and keep it running: broker, API and host process together. Ctrl-C stops all of it."""
    with reported(Output()):
        settings = read_settings(host=host, port=port)
    from burnish import local

    raise typer.Exit(local.run(settings))
