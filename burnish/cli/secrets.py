"""`burnish secrets`: the encryption key. Works on the database and the key of this machine."""

import asyncio

import typer

from burnish.cli import operator
from burnish.cli.command import AsJson, group, reported
from burnish.cli.exits import ERROR
from burnish.cli.output import Output

COLUMNS = ("key", "state", "sealed", "needed_until")
FIELDS = ("current", "made", "resealed", "dropped", "may_be_dropped")

app = group("The key that encrypts secrets at rest (operator: works on this machine's database).")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the encryption keys by their ids, and how many secrets each has sealed."""
    out = Output(as_json)
    with reported(out):
        out.table(asyncio.run(operator.list_secrets()), COLUMNS, "")


@app.command("rotate")
def rotate(as_json: AsJson = False) -> None:
    """Encrypt every secret anew with a fresh key. Running processes take it at once; what was interrupted goes on.

    Where BURNISH_ENCRYPTION_KEY names the keys, everything is encrypted anew with the first of them.
    """
    out = Output(as_json)
    with reported(out):
        done = asyncio.run(operator.rotate_secrets())
        out.show(done, FIELDS)
        for line in done["notes"]:
            out.say(line)
        if done["unopened"]:
            raise typer.Exit(ERROR)
