"""`burnish integrations`: credentials at other services."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import asking, completing
from burnish.cli.command import Cli, group, naming, remote

PATH = "/v1/settings/integrations"
FIELDS = ("provider", "configured", "key_prefix", "updated_at")
KNOWN = ("openreward", "huggingface", "wandb", "prime_intellect", "lambda", "runpod")

app = group("Credentials at other services, kept encrypted.")

Provider = Annotated[
    str,
    typer.Argument(metavar="PROVIDER", help=f"The service: {', '.join(KNOWN)}.", autocompletion=completing.words(*KNOWN)),
]


@app.command("set")
@remote
def set_(
    cli: Cli,
    provider: Provider,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read the credential from a file; `-` is standard input.")
    ] = None,
) -> None:
    """Keep a credential, in the place of the one before. It is asked for, or read from standard input."""
    secret = asking.secret(cli.out, f"Credential for {provider}", file)
    with naming({"api_key": "the credential"}):
        cli.out.show(cli.api.put(f"{PATH}/{provider}", {"api_key": secret}), FIELDS)


@app.command("list")
@remote
def list_(cli: Cli) -> None:
    """List the services, and which a credential is kept for."""
    cli.out.table(cli.api.get(PATH)["data"], FIELDS, "")


@app.command("remove")
@remote
def remove(cli: Cli, provider: Provider) -> None:
    """Forget a credential for good."""
    gone = cli.api.delete(f"{PATH}/{provider}")
    if cli.out.as_json:
        cli.out.json(gone)
    else:
        cli.out.say(f"The credential for {provider} is gone.")
