"""`burnish chat`: one question to a deployment."""

import sys
from typing import Annotated, Any

import typer

from burnish.cli.client import decoded
from burnish.cli.command import Cli, remote
from burnish.cli.exits import USAGE, CliError

PATH = "/v1/chat/completions"


@remote
def chat(
    cli: Cli,
    message: Annotated[str, typer.Argument(help="What to say; `-` reads it from standard input.")],
    deployment: Annotated[
        str | None,
        typer.Option("--deployment", "-d", metavar="DEPLOYMENT", help="Id or name; the only one that serves by default."),
    ] = None,
    system: Annotated[str | None, typer.Option("--system", help="A system message before it.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Cut the answer after this many tokens.")] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0.0, max=2.0, help="Sampling temperature; 1.0 by default.")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Print the answer as it comes, or whole.")] = True,
) -> None:
    """Ask a deployment, and print its answer as it comes. With --json: the chunks, one a line."""
    text = sys.stdin.read().removesuffix("\n") if message == "-" else message
    if not text.strip():
        raise CliError("There is nothing to say: MESSAGE is empty.", USAGE)
    messages = [{"role": "system", "content": system}] if system else []
    body: dict[str, Any] = {
        "model": deployment or _only_one(cli),
        "messages": [*messages, {"role": "user", "content": text}],
        "max_tokens": max_tokens,
        "temperature": temperature,
        "stream": stream,
    }
    body = {key: value for key, value in body.items() if value is not None}
    if stream:
        _stream(cli, body)
    else:
        answer = cli.api.post(PATH, body)
        cli.out.json(answer) if cli.out.as_json else cli.out.text(answer["choices"][0]["message"]["content"] or "")


def _stream(cli: Cli, body: dict[str, Any]) -> None:
    for event in cli.api.events("POST", PATH, json=body):
        if event.data == "[DONE]":
            break
        chunk = decoded(event)
        if cli.out.as_json:
            cli.out.json(chunk)
        elif chunk["choices"]:
            cli.out.text(chunk["choices"][0]["delta"].get("content") or "", end="")
    if not cli.out.as_json:
        cli.out.text()


def _only_one(cli: Cli) -> str:
    found = cli.api.all("/v1/deployments", 2, status="serving")
    if len(found) != 1:
        known = "No deployment serves" if not found else "Several deployments serve"
        raise CliError(f"{known}: name one with --deployment.", USAGE, hint="`burnish deploy list`")
    return str(found[0]["id"])
