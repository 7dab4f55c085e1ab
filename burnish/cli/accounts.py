"""`burnish accounts`: tenants and their credit. Works on the database of this machine, so only who can read that can use it."""

import asyncio
from decimal import Decimal
from typing import Annotated, Any

import typer

from burnish.cli import operator
from burnish.cli.command import AsJson, group, reported
from burnish.cli.exits import USAGE, CliError
from burnish.cli.output import Output

FIELDS = ("id", "name", "api_key", "credit_usd")

app = group("Accounts and their credit (operator: works on this machine's database).")

Name = Annotated[str, typer.Argument(help="Name of the account: lower-case letters, digits and inner hyphens.")]


@app.command("create")
def create(
    name: Name,
    credit: Annotated[str, typer.Option("--credit", metavar="USD", help="Credit to start with, in dollars.")] = "0",
    as_json: AsJson = False,
) -> None:
    """Make an account and its first API key, which is shown this once."""
    out = Output(as_json)
    with reported(out):
        micros = _micros(credit, "--credit")
        out.show(asyncio.run(operator.create_account(name, micros)), FIELDS)


@app.command("credit")
def credit(
    name: Name, usd: Annotated[str, typer.Argument(metavar="USD", help="Dollars to add.")], as_json: AsJson = False
) -> None:
    """Add credit to an account."""
    out = Output(as_json)
    with reported(out):
        found: dict[str, Any] = asyncio.run(operator.credit_account(name, _micros(usd, "USD")))
        out.show(found, FIELDS)


def _micros(text: str, flag: str) -> int:
    from burnish.kit.money import parse_usd

    try:
        return parse_usd(Decimal(text) if text.strip() else text)
    except (ValueError, ArithmeticError):
        raise CliError(f"{flag}: '{text}' is not an amount of dollars with at most six decimals.", USAGE) from None
