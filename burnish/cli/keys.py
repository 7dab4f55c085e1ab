"""`burnish keys`: API keys of the account."""

from typing import Annotated

import typer

from burnish.cli import completing, durations
from burnish.cli.command import Cli, Limit, group, naming, remote

FIELDS = ("id", "name", "key", "key_prefix", "scopes", "created_at", "expires_at")
COLUMNS = ("id", "name", "key_prefix", "scopes", "last_used_at", "created_at", "expires_at")

app = group("API keys of your account.")


@app.command("create")
@remote
def create(
    cli: Cli,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    expires_in: Annotated[
        str | None,
        typer.Option("--expires-in", metavar="TIME", help="Revoke it by itself after this long: seconds, 15m, 12h, 30d or 2w."),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="read, write or inference; repeat for several. All of yours by default.",
            autocompletion=completing.words("read", "write", "inference"),
        ),
    ] = None,
) -> None:
    """Make a key. It is shown this once and never again."""
    lasts = durations.seconds(expires_in, "--expires-in") if expires_in else None
    body = {"name": name, "expires_in_seconds": lasts, "scopes": scope or None}
    with naming({"name": "NAME", "expires_in_seconds": "--expires-in", "scopes": "--scope"}):
        made = cli.api.post("/v1/api_keys", {key: value for key, value in body.items() if value is not None})
    cli.out.show(made, FIELDS)


@app.command("list")
@remote
def list_(cli: Cli, limit: Limit = 20) -> None:
    """List the keys in force, by their first characters."""
    cli.out.table(cli.api.all("/v1/api_keys", limit), COLUMNS, "No keys.")


@app.command("revoke")
@remote
def revoke(
    cli: Cli,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Id of the key (key_…).", autocompletion=completing.api_keys)],
) -> None:
    """Revoke a key: it is refused from the next request on."""
    gone = cli.api.delete(f"/v1/api_keys/{key}")
    if cli.out.as_json:
        cli.out.json(gone)
    else:
        cli.out.say(f"{key} is revoked.")
