"""What something will cost, told before it is started."""

from typing import Any

from burnish.cli.client import Json
from burnish.cli.command import Cli
from burnish.cli.exits import ERROR, ApiError, CliError
from burnish.cli.output import cell

OFFERS = """query Price($type: String!, $count: Int!) {
  hardwareOffers(type: $type, count: $count) { pricePerHour { amount } } }"""


def agree(cli: Cli, gpu: Json, what: str) -> None:
    """Tell the price and ask; CliError where the answer is no. Where no terminal is, the price is told and nobody is asked."""
    tell(cli, gpu, what)
    if not cli.out.confirm("Go on?"):
        raise CliError("Nothing was started.", ERROR)


def tell(cli: Cli, gpu: Json, what: str) -> None:
    rate = per_hour(cli, gpu)
    cost = (
        f"costs {rate} USD an hour while it runs; an hour of that is set aside at the start" if rate else "has no known price yet"
    )
    cli.out.say(f"{what}, on {cell(gpu)}, {cost}.")


def per_hour(cli: Cli, gpu: Json) -> str | None:
    """Return what an hour of the hardware costs there, or None where that is not known before it is placed."""
    try:
        offers: Any = cli.api.graphql(OFFERS, type=gpu.get("type"), count=gpu.get("count", 1))["hardwareOffers"]
    except ApiError:
        return None
    return next((offer["pricePerHour"]["amount"] for offer in offers if offer["pricePerHour"]), None)
