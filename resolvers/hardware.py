"""Reading the hardware that a caller asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import Field, model_validator
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.errors import Invalid
from burnish.kit.money import cost_micros
from engines.compute import hardware, local, rates
from engines.compute.hardware import LOCAL, PROVIDERS, Shape
from engines.training.memory_model import named_parameters
from models.host import Host
from models.ledger import HOUR_S
from resolvers.context import Context
from resolvers.inputs import Input

BYTES_PER_PARAMETER = 2
# For the cache, and for what is worked on.
ROOM_BESIDE_WEIGHTS = 1.25


class GpuInput(Input):
    """`{type, count}`; `{gpu_type, gpu_count}` is read too."""

    type: str = Field(min_length=1, max_length=64)
    count: int = Field(ge=1, le=hardware.MAX_COUNT)

    @model_validator(mode="before")
    @classmethod
    def _other_names(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        names = {"gpu_type": "type", "gpu_count": "count"}
        twice = [f"{name} and {other}" for other, name in names.items() if other in data and name in data]
        if twice:
            raise ValueError(f"{twice[0]} mean the same: give one of them")
        return {names.get(key, key): value for key, value in data.items()}


def shape_of(gpu: GpuInput, param: str = "gpu.type") -> Shape:
    """Return the shape; Invalid (`INVALID_GPU_TYPE`) naming the known types where it is unknown."""
    known = hardware.canonical(gpu.type)
    if known is None:
        names = ", ".join((hardware.CPU, *hardware.GPU_TYPES))
        raise Invalid(f"Unknown GPU type '{gpu.type}'. Known: {names}.", code="INVALID_GPU_TYPE", param=param)
    return Shape(known, gpu.count)


def check_provider(provider: str | None) -> None:
    if provider is not None and provider not in PROVIDERS:
        raise Invalid(f"Unknown provider '{provider}'. Known: {', '.join(PROVIDERS)}.", param="provider")


@dataclass(frozen=True)
class Offer:
    """Hardware that work would run on, and what an hour of it costs."""

    shape: Shape
    provider: str
    hour_micros: int


def offer(ctx: Context, gpu: GpuInput) -> Offer:
    """Return what a request for this hardware would run on here; Invalid where the type is unknown."""
    ctx.require("read")
    found = runs_on(ctx.core, shape_of(gpu))
    return Offer(found, LOCAL, hour_micros(ctx.core, found))


@dataclass(frozen=True)
class Kind:
    """A type that can be asked for. `most` is how many of it one host has, `reason` why work would not start now, None where it
    would as soon as it is free.
    """

    type: str
    vram_gb: int | None
    most: int
    offer: Offer
    reason: str | None


async def kinds(ctx: Context) -> list[Kind]:
    """Return every type that can be asked for, with what it would run on for how much, and whether a live host has it."""
    ctx.require("read")
    alive = col(Host.seen_at) > clock.now() - timedelta(seconds=ctx.core.settings.lease_s)
    async with ctx.db.read() as session:
        hosts = (await session.exec(select(Host).where(alive))).all()
    return [_kind(ctx, name, [host.offers for host in hosts]) for name in (hardware.CPU, *hardware.GPU_TYPES)]


def _kind(ctx: Context, name: str, offers: list[dict[str, Any]]) -> Kind:
    found = offer(ctx, GpuInput(type=name, count=1))
    if found.shape.is_cpu:
        # A request for whatever runs there, and takes one slot.
        most = hardware.MAX_COUNT if any(host["cpu_slots"] for host in offers) else 0
    else:
        most = max((sum(gpu["type"] == name for gpu in host["gpus"]) for host in offers), default=0)
    memory = None if name == hardware.CPU else int(name.rpartition("-")[2].removesuffix("GB"))
    missing = f"No host of this installation has a {name}." if offers else "No host is running."
    return Kind(name, memory, min(most, hardware.MAX_COUNT), found, None if most else missing)


@dataclass(frozen=True)
class Configuration:
    """Hardware that can be asked for: what an hour of it costs here, and whether a live host has it. `memory_gb` is of its GPUs
    together, None for the CPU.
    """

    asked: Shape
    hour_micros: int
    available: bool
    memory_gb: int | None


async def configurations(ctx: Context, wanted: Sequence[GpuInput]) -> list[Configuration]:
    """Return each of the wanted shapes as it can be had here; Invalid where a type is unknown."""
    known = {kind.type: kind for kind in await kinds(ctx)}
    return [_configuration(ctx, known[shape.type], shape) for shape in map(shape_of, wanted)]


def _configuration(ctx: Context, kind: Kind, asked: Shape) -> Configuration:
    memory = None if kind.vram_gb is None else kind.vram_gb * asked.count
    return Configuration(asked, hour_micros(ctx.core, asked), asked.count <= kind.most, memory)


def cheapest(offers: Sequence[Configuration], model: str) -> Configuration | None:
    """Return the cheapest that is available and holds as many parameters as the model's name says, the smallest of equals, a CPU
    only where there is no other; None where there is none.
    """
    needed = _weights_gb(model) * ROOM_BESIDE_WEIGHTS
    fitting = [one for one in offers if one.available and (one.memory_gb is None or one.memory_gb >= needed)]
    return min(fitting, key=lambda one: (one.memory_gb is None, one.hour_micros, one.memory_gb or 0), default=None)


def _weights_gb(model: str) -> float:
    """Return how large the weights of a model are at two bytes a parameter, as far as its name tells: `Qwen3-4B`, `8x7B`."""
    return (named_parameters(model) or 0) * BYTES_PER_PARAMETER / 1e9


def hour_micros(core: Core, asked: Shape) -> int:
    """Return what an hour of the shape that will really run costs here: the amount that a start sets aside."""
    return cost_micros(rates.own_micros(core.settings, runs_on(core, asked)), HOUR_S)


def runs_on(core: Core, asked: Shape) -> Shape:
    """Return what a request really runs on: a CPU slot, where this installation falls back on that."""
    return Shape(hardware.CPU, 1) if local.falls_back(core.settings) else asked
