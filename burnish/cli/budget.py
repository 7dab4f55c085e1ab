"""`burnish budget`: what the account lets itself spend."""

from typing import Annotated

import typer

from burnish.cli.client import Json
from burnish.cli.command import Cli, group, naming, remote

FIELDS = ("limit_usd", "period", "spent_usd", "remaining_usd", "period_began_at")
PATH = "/v1/billing/budget"
NONE = ("none", "off")

app = group("Your account's budget: at its end running work is stopped.")


@app.command("show")
@remote
def show(cli: Cli) -> None:
    """Show the budget, and what is left of it."""
    _print(cli, cli.api.get(PATH))


@app.command("set")
@remote
def set_(
    cli: Cli,
    usd: Annotated[str, typer.Argument(metavar="USD|none", help="The most to spend in a period; `none` takes the budget away.")],
    period: Annotated[str, typer.Option("--period", help="`month`, of the calendar in UTC, or `total`.")] = "month",
) -> None:
    """Set the budget. What was spent in the period already counts."""
    body = {"limit_usd": None if usd.lower() in NONE else usd, "period": period}
    with naming({"limit_usd": "USD", "period": "--period"}):
        _print(cli, cli.api.put(PATH, body))


def _print(cli: Cli, found: Json) -> None:
    if found["limit_usd"] is None and not cli.out.as_json:
        cli.out.say("There is no budget: `burnish budget set USD` sets one.")
    else:
        cli.out.show(found, FIELDS)
