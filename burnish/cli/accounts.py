"""`burnish accounts`: tenants and their credit. Works on the database of this machine, so only who can read that can use it."""

import asyncio
import sys
from decimal import Decimal
from typing import Annotated, Any

import typer

from burnish.cli import operator
from burnish.cli.command import AsJson, group, reported
from burnish.cli.exits import USAGE, CliError
from burnish.cli.output import Output

FIELDS = ("id", "name", "api_key", "credit_usd", "billing", "stripe_customer_id")

app = group("Accounts and their credit (operator: works on this machine's database).")

Name = Annotated[str, typer.Argument(help="Name of the account: lower-case letters, digits and inner hyphens.")]


@app.command("create")
def create(
    name: Name,
    credit: Annotated[str, typer.Option("--credit", metavar="USD", help="Credit to start with, in dollars.")] = "0",
    metered: Annotated[
        bool, typer.Option("--metered", help="Let it owe what it uses: nothing is refused for want of credit.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account and its first API key, which is shown this once."""
    out = Output(as_json)
    with reported(out):
        micros = _micros(credit, "--credit")
        out.show(asyncio.run(operator.create_account(name, micros, metered)), FIELDS)


@app.command("credit")
def credit(
    name: Name, usd: Annotated[str, typer.Argument(metavar="USD", help="Dollars to add.")], as_json: AsJson = False
) -> None:
    """Add credit to an account."""
    out = Output(as_json)
    with reported(out):
        found: dict[str, Any] = asyncio.run(operator.credit_account(name, _micros(usd, "USD")))
        out.show(found, FIELDS)


@app.command("billing")
def billing(
    name: Name,
    mode: Annotated[str, typer.Argument(metavar="prepaid|metered", help="Whether it pays before, or owes what it uses.")],
    as_json: AsJson = False,
) -> None:
    """Make an account prepaid or metered."""
    out = Output(as_json)
    with reported(out):
        out.show(asyncio.run(operator.set_mode(name, mode)), FIELDS)


@app.command("stripe")
def stripe(
    name: Name,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Its customer id at Stripe, cus_….")],
    as_json: AsJson = False,
) -> None:
    """Say which customer at Stripe an account is: what that customer pays is its credit."""
    out = Output(as_json)
    with reported(out):
        out.show(asyncio.run(operator.set_customer(name, customer)), FIELDS)


@app.command("link")
def link(name: Name, as_json: AsJson = False) -> None:
    """Make a link that signs in to the dashboard once, within 24 hours."""
    out = Output(as_json)
    with reported(out):
        out.show(asyncio.run(operator.link_account(name)), ("url", "expires_at"))


@app.command("password")
def password(
    name: Name,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read it from standard input, a line, instead of asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set an account's password for the dashboard, typed twice. Its sessions end."""
    out = Output(as_json)
    with reported(out):
        operator.installed()
        asyncio.run(operator.set_password(name, _password(out, stdin)))
        _done(out, name, "has a new password, and its sessions have ended")


@app.command("email")
def email(
    name: Name, address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The email address.")], as_json: AsJson = False
) -> None:
    """Set the email address that an account signs in with beside its name."""
    out = Output(as_json)
    with reported(out):
        asyncio.run(operator.set_email(name, address))
        _done(out, name, f"signs in as {address} too")


def _done(out: Output, name: str, what: str) -> None:
    if out.as_json:
        out.json({"name": name})
    else:
        out.say(f"{name} {what}.")


def _password(out: Output, stdin: bool) -> str:
    if stdin or not _is_asked():
        return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    first, second = (out.err.input(asked, password=True) for asked in ("New password: ", "The same again: "))
    if first != second:
        raise CliError("The two are not the same.", USAGE)
    return first


def _is_asked() -> bool:
    return sys.stdin.isatty()


def _micros(text: str, flag: str) -> int:
    from burnish.kit.money import parse_usd

    try:
        return parse_usd(Decimal(text) if text.strip() else text)
    except (ValueError, ArithmeticError):
        raise CliError(f"{flag}: '{text}' is not an amount of dollars with at most six decimals.", USAGE) from None
