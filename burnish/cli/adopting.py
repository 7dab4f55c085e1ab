"""`burnish deploy adopt`: a server that runs already, with the platform's keys, metering and logs in front."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import asking, serving_watch
from burnish.cli.command import Cli, naming, remote
from burnish.cli.deployments import FIELDS, Timeout, bounds_of_waiting

STDIN = Path("-")
FLAGS = {"url": "URL", "name": "--name", "model": "--model", "api_key": "--api-key-stdin"}


@remote
def adopt(
    cli: Cli,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the server answers, with or without `/v1`.")],
    name: Annotated[str, typer.Option("--name", "-n", help="What calls name it by.")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="What the server calls the model; found out where it has only one.")
    ] = None,
    api_key_stdin: Annotated[
        bool, typer.Option("--api-key-stdin", help="Read the key that the server wants from standard input.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until it serves. Ctrl-C detaches.")] = False,
    timeout: Timeout = None,
) -> None:
    """Adopt an OpenAI-compatible server that runs already. Only the operator's account may; it costs nothing."""
    bounds_of_waiting(wait, timeout)
    body = {"url": url, "name": name}
    if model is not None:
        body["model"] = model
    if api_key_stdin:
        body["api_key"] = asking.secret(cli.out, "API key of the server", STDIN)
    with naming(FLAGS):
        made = cli.api.post("/v1/deployments/adopt", body)
    if wait:
        made = serving_watch.ready(cli.api, cli.out, made["id"], timeout)
    cli.out.show(made, FIELDS)
    cli.out.say(f'Ask it with `burnish chat -d {name} "hi"`; let go of it with `burnish deploy stop {made["id"]}`.')
