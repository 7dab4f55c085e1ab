"""`burnish worker`: this machine as a host of an installation."""

import typer

from burnish.cli.command import reported
from burnish.cli.operator import read_settings
from burnish.cli.output import Output


def worker() -> None:
    """Run this machine's jobs and replicas for an installation whose database and broker the environment names."""
    with reported(Output()):
        settings = read_settings()
    from burnish import host

    raise typer.Exit(host.run(settings))
