"""`burnish doctor`: what this machine has of what the platform needs."""

import asyncio
from dataclasses import asdict

import typer

from burnish.cli.command import AsJson, reported
from burnish.cli.exits import ERROR
from burnish.cli.output import Output

COLUMNS = ("check", "status", "detail")


def doctor(as_json: AsJson = False) -> None:
    """Check this machine: Python, engines, disk, GPU, reward jail, database, broker, API. Exit code 1 where one fails."""
    # Loaded here only: it costs half a second, which no other command should pay.
    from burnish.cli import checkup

    out = Output(as_json)
    with reported(out):
        checks = asyncio.run(checkup.run())
        out.table([asdict(check) for check in checks], COLUMNS, "")
        failed = [check.check for check in checks if check.status == checkup.FAIL]
        if failed:
            out.say(f"Not in order: {', '.join(failed)}.", style="red")
            raise typer.Exit(ERROR)
