"""`burnish keys`: API keys of the account."""

from typing import Annotated

import typer

from burnish.cli import completing, durations
from burnish.cli.command import Cli, Limit, group, naming, remote

LIMITS = ("inference_requests_per_minute", "inference_tokens_per_minute")
FIELDS = ("id", "name", "key", "key_prefix", "scopes", *LIMITS, "created_at", "expires_at")
COLUMNS = ("id", "name", "key_prefix", "scopes", *LIMITS, "last_used_at", "created_at", "expires_at")

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
    requests_per_minute: Annotated[
        int | None,
        typer.Option("--requests-per-minute", min=0, metavar="N", help="Completions it may ask deployments for a minute."),
    ] = None,
    tokens_per_minute: Annotated[
        int | None,
        typer.Option("--tokens-per-minute", min=0, metavar="N", help="Prompt and completion tokens it may use a minute."),
    ] = None,
) -> None:
    """Make a key. It is shown this once and never again."""
    lasts = durations.seconds(expires_in, "--expires-in") if expires_in else None
    options = {
        "name": "NAME",
        "expires_in_seconds": "--expires-in",
        "scopes": "--scope",
        "inference_requests_per_minute": "--requests-per-minute",
        "inference_tokens_per_minute": "--tokens-per-minute",
    }
    body = dict(zip(options, (name, lasts, scope or None, requests_per_minute, tokens_per_minute), strict=True))
    with naming(options):
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
