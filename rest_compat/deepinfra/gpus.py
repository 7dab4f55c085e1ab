"""The hardware that DeepInfra's clients may ask for, under their names, with its price here."""

from typing import Literal, get_args

from pydantic import Field
from starlette.requests import Request

from burnish.kit.money import usd_float
from engines.compute import hardware as words
from engines.compute.hardware import CPU
from resolvers import hardware
from resolvers.context import Context
from resolvers.hardware import GpuInput
from resolvers.inputs import Input, parse
from rest_compat.deepinfra.errors import DEEPINFRA
from rest_compat.operation import Operation
from rest_compat.wire import Wire

GpuName = Literal[
    "L4-24GB", "L40S-48GB", "A100-80GB", "H100-80GB", "H200-141GB", "B200-180GB", "B300-270GB", "RTXPRO6000-96GB", "other"
]
OTHER: GpuName = "other"
COUNTS = (1, 2, 4, 8)


class AvailabilityQuery(Input):
    """What the hardware is for."""

    source: str = Field("", description="Where the model comes from; the answer is the same for all sources.")
    base_model: str = Field("", description="The model: what is recommended holds as many parameters as its name says.")


class GpuAvailability(Wire):
    """A number of GPUs of one type."""

    gpu_config: str = Field(description="How many of which, as in `2xA100-80GB`.")
    usd_per_hour: float = Field(description="What an instance on it costs an hour here, in US dollars.")
    available: bool = Field(description="Whether a running host has it.")
    recommended: bool = Field(description="Whether it is the cheapest that is available and large enough.")


class DeployGpuAvailability(Wire):
    """What can be asked for."""

    gpus: list[GpuAvailability] = Field(description="What can be asked for.")


def asked_for(name: GpuName) -> str:
    """Return the type of hardware that a name stands for in a request."""
    return CPU if name == OTHER else name


def word_for(gpu_type: str) -> GpuName:
    """Return the name of hardware that was asked for, in whatever words."""
    found = words.canonical(gpu_type)
    name: GpuName
    for name in get_args(GpuName):
        if name == found:
            return name
    return OTHER


async def availability(ctx: Context, request: Request) -> DeployGpuAvailability:
    """List the hardware that can be asked for, with its price."""
    query = parse(AvailabilityQuery, dict(request.query_params), at="query")
    offers = await configurations(ctx)
    best = hardware.cheapest(offers, query.base_model)
    return DeployGpuAvailability(
        gpus=[
            GpuAvailability(
                gpu_config=f"{one.asked.count}x{word_for(one.asked.type)}",
                usd_per_hour=usd_float(one.hour_micros),
                available=one.available,
                recommended=one is best,
            )
            for one in offers
        ]
    )


async def configurations(ctx: Context) -> list[hardware.Configuration]:
    """Return what can be asked for in this dialect, with its price and whether a host has it."""
    wanted = [GpuInput(type=name, count=count) for name in get_args(GpuName) if name != OTHER for count in COUNTS]
    return await hardware.configurations(ctx, [*wanted, GpuInput(type=CPU, count=1)])


OPERATIONS = [
    Operation(
        method="GET",
        path="/deploy/llm/gpu_availability",
        handler=availability,
        tag="DeepInfra",
        answers=DeployGpuAvailability,
        query=AvailabilityQuery,
        dialect=DEEPINFRA,
    ),
]
