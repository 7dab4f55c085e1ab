"""What something will cost, told before it is started."""

from decimal import Decimal

from burnish.cli.client import Json
from burnish.cli.command import Cli
from burnish.cli.exits import ERROR, ApiError, CliError
from burnish.cli.output import cell

OFFERS = """query Price($type: String!, $count: Int!) {
  hardwareOffers(type: $type, count: $count) { hardware { type count } pricePerHour { amount } } }"""


def agree(cli: Cli, gpu: Json, what: str, *, replicas: tuple[int, int] = (1, 1)) -> None:
    """Tell the price and ask; CliError where the answer is no. Where no terminal is, the price is told and nobody is asked.

    `replicas` are how many there are at first, and how many there may be.
    """
    tell(cli, gpu, what, replicas=replicas)
    if not cli.out.confirm("Go on?"):
        raise CliError("Nothing was started.", ERROR)


def tell(cli: Cli, gpu: Json, what: str, *, replicas: tuple[int, int] = (1, 1)) -> None:
    found = offer(cli, gpu)
    if found is None:
        cli.out.say(f"{what} asks for {cell(gpu)}, whose price is not known before it is placed.")
        return
    amount = Decimal(found["pricePerHour"]["amount"])
    hardware, (first, most) = cell(found["hardware"]), replicas
    if most == 1:
        cli.out.say(f"{what} runs on {hardware} at {amount:.2f} USD an hour; that much is set aside at the start.")
        return
    cli.out.say(
        f"{what} starts with {first} of at most {most} replicas, each on {hardware} at {amount:.2f} USD an hour;"
        f" {first * amount:.2f} USD is set aside at the start."
    )


def offer(cli: Cli, gpu: Json) -> Json | None:
    """Return what the hardware would be and cost there; None where that cannot be told, which the start itself will explain."""
    kind, count = gpu.get("type", gpu.get("gpu_type")), gpu.get("count", gpu.get("gpu_count", 1))
    try:
        offers: list[Json] = cli.api.graphql(OFFERS, type=kind, count=count)["hardwareOffers"]
    except ApiError:
        return None
    return next(iter(offers), None)
