"""The hardware profiles and what they cost here."""

from pydantic import Field
from starlette.requests import Request

from burnish.kit.money import usd_float
from engines.compute.hardware import PROFILES
from resolvers import hardware
from resolvers.context import Context
from rest_compat.dedicated.deployments import TAG
from rest_compat.dedicated.errors import DEDICATED
from rest_compat.operation import Operation
from rest_compat.wire import Wire


class MachineType(Wire):
    """A hardware profile."""

    hardware_profile: str
    price_per_hour: float = Field(description="What an hour of a replica costs here, in US dollars.")
    runs_on: str = Field(description="What a replica with this profile really runs on here.")
    available: bool = Field(description="Whether a host that runs just now has it.")


class MachineTypes(Wire):
    """Every profile that can be asked for."""

    machine_types: list[MachineType]


async def page(ctx: Context, request: Request) -> MachineTypes:
    """List the hardware profiles, with what a replica would run on here for how much."""
    kinds = {kind.type: kind for kind in await hardware.kinds(ctx)}
    return MachineTypes(machine_types=[_shape(name, kinds[type_]) for name, type_ in PROFILES.items()])


def _shape(name: str, kind: hardware.Kind) -> MachineType:
    return MachineType(
        hardware_profile=name,
        price_per_hour=usd_float(kind.offer.hour_micros),
        runs_on=kind.offer.shape.type,
        available=kind.reason is None,
    )


OPERATIONS = [
    Operation(
        method="GET",
        path="/api/v2/external/machine-types",
        handler=page,
        tag=TAG,
        answers=MachineTypes,
        dialect=DEDICATED,
    )
]
