"""`burnish billing`: the account's credit, what changed it, and how long it lasts."""

from typing import Annotated

import typer

from burnish.cli.command import Cli, Limit, group, naming, remote
from burnish.cli.exits import USAGE, CliError
from burnish.cli.output import cell

BALANCE = ("balance_usd", "held_usd", "free_usd", "plan", "stripe_customer_id")
COLUMNS = ("id", "amount_usd", "description", "created_at")
BURN = ("balance_usd", "hourly_burn_usd", "hours_remaining", "active_jobs", "active_deployments")
PAGE = 100

app = group("Your account's credit.")


@app.command("balance")
@remote
def balance(cli: Cli) -> None:
    """Show the balance, what of it is set aside for running work, and what is free."""
    cli.out.show(cli.api.get("/v1/billing/balance"), BALANCE)


@app.command("transactions")
@remote
def transactions(cli: Cli, limit: Limit = 20) -> None:
    """List what changed the balance, the newest first."""
    found: list[dict[str, object]] = []
    while len(found) < limit:
        after = found[-1]["id"] if found else None
        page = cli.api.get("/v1/billing/transactions", limit=min(PAGE, limit - len(found)), after=after)
        found += page["items"]
        if not page["has_more"]:
            break
    cli.out.table(found, COLUMNS, "No transactions yet.")


@app.command("burn-rate")
@remote
def burn_rate(cli: Cli) -> None:
    """Show what running work costs an hour, and how many hours the balance lasts."""
    cli.out.show(cli.api.get("/v1/billing/burn_rate"), BURN)


@app.command("check")
@remote
def check(cli: Cli, usd: Annotated[str, typer.Argument(metavar="USD", help="What it is expected to cost.")]) -> None:
    """Check whether the free credit covers a cost. Exit code 6 where it does not."""
    try:
        float(usd)
    except ValueError:
        raise CliError(f"USD: '{usd}' is not an amount of dollars.", USAGE) from None
    with naming({"estimated_cost_usd": "USD"}):
        found = cli.api.post("/v1/billing/check_balance", {"estimated_cost_usd": usd})
    if cli.out.as_json:
        cli.out.json(found)
    else:
        cli.out.say(f"The free credit covers {cell(found['estimated_cost_usd'])} USD.")
