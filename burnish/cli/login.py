"""`burnish login`: keep a platform and a key for the commands to come."""

import sys
from typing import Annotated

import typer

from burnish.cli import connection
from burnish.cli.client import Api
from burnish.cli.command import AsJson, reported
from burnish.cli.connection import Target
from burnish.cli.exits import USAGE, CliError
from burnish.cli.output import Output


def login(
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="URL of the platform; this machine's by default.")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option("--api-key", metavar="KEY", help="The key; asked for, or read from standard input, where it is not given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a key against a platform and keep both in your settings file, readable by you only."""
    out = Output(as_json)
    with reported(out):
        places = connection.all_places(base_url, None)
        url = connection.clean_url(next((p.values["base_url"] for p in places if "base_url" in p.values), connection.DEFAULT_URL))
        key = api_key or _ask(out, url)
        with Api(Target(url, key, "login")) as api:
            me = api.get("/v1/me")
        path = connection.write_user_file(url, key)
        if as_json:
            out.json({"base_url": url, "file": str(path), **me})
        else:
            out.say(f"Logged in to {url}; kept in {path}.")


def _ask(out: Output, url: str) -> str:
    asked = f"API key for {url}: "
    key = out.err.input(asked, password=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not key.strip():
        raise CliError("No key was given.", USAGE)
    return key.strip()
