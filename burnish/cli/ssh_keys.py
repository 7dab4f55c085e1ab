"""`burnish ssh-keys`: pairs for machines at providers."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import asking, completing
from burnish.cli.command import Cli, Limit, group, naming, remote

FIELDS = ("id", "name", "provider", "public_key_fingerprint", "created_at")
FLAGS = {"name": "NAME", "public_key": "--public-key", "private_key": "--private-key", "provider": "--provider"}

app = group("SSH key pairs for machines at providers, kept encrypted.")


@app.command("add")
@remote
def add(
    cli: Cli,
    name: Annotated[str, typer.Argument(help="What to call the pair.")],
    private_key: Annotated[
        Path, typer.Option("--private-key", "-i", metavar="FILE", help="The private key's file; `-` is standard input.")
    ],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="FILE", help="The public key's file; the private one's with .pub else.")
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            help="Whose machines it is for: prime_intellect, lambda or runpod; any by default.",
            autocompletion=completing.words("prime_intellect", "lambda", "runpod"),
        ),
    ] = None,
) -> None:
    """Keep a pair. It is checked: what cannot be read, has a passphrase or is no pair is refused."""
    public = public_key or private_key.with_name(f"{private_key.name}.pub")
    body = {"name": name, "public_key": asking.read(public), "private_key": asking.read(private_key), "provider": provider}
    with naming(FLAGS):
        made = cli.api.post("/v1/ssh_keys", {key: value for key, value in body.items() if value is not None})
    cli.out.show(made, FIELDS)


@app.command("list")
@remote
def list_(cli: Cli, limit: Limit = 20) -> None:
    """List the pairs, by name and fingerprint."""
    cli.out.table(cli.api.all("/v1/ssh_keys", limit), FIELDS, "No SSH keys: `burnish ssh-keys add NAME -i FILE`.")


@app.command("delete")
@remote
def delete(
    cli: Cli,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Id of the pair (sk_…).", autocompletion=completing.ssh_keys)],
) -> None:
    """Delete a pair, its private key for good."""
    gone = cli.api.delete(f"/v1/ssh_keys/{key}")
    if cli.out.as_json:
        cli.out.json(gone)
    else:
        cli.out.say(f"{key} is deleted.")
