"""Hardware: what is asked for, and what work really runs on."""

from typing import Annotated, Any, Self

import strawberry

from engines.compute.hardware import as_json
from resolvers import hardware
from resolvers.hardware import GpuInput
from resolvers.inputs import parse
from schema.context import Info
from schema.nodes import Money


@strawberry.type(description="Hardware of a kind.")
class Hardware:
    type: str = strawberry.field(description="The kind, such as `H100`, or `CPU`.")
    count: int = strawberry.field(description="How many.")
    provider: str | None = strawberry.field(description="Whose they are, where that is asked for or known.")

    @classmethod
    def of(cls, gpu: dict[str, Any], provider: str | None) -> Self:
        return cls(type=gpu["type"], count=gpu["count"], provider=provider)


@strawberry.type(description="Hardware that work would run on, and its price.")
class HardwareOffer:
    hardware: Hardware = strawberry.field(description="What it would run on: `CPU` where there is no GPU, whatever is asked for.")
    price_per_hour: Money = strawberry.field(description="What an hour of all of it costs: the amount that a start sets aside.")


@strawberry.type(description="A type of hardware that can be asked for.")
class HardwareType:
    type: str = strawberry.field(description="Its name, as it is asked for.")
    vram_gb: int | None = strawberry.field(description="The memory of one in GB, as its name says it; null of a CPU.")
    max_count: int = strawberry.field(description="How many can be had together now: what one host has; 0 where none has any.")
    runs_on: str = strawberry.field(description="What it would really run on: `CPU` where the installation falls back on that.")
    price_per_hour: Money = strawberry.field(description="What an hour of one costs here, on what it would really run on.")
    available: bool = strawberry.field(description="Whether a running host has it; it may have to be waited for.")
    unavailable_reason: str | None = strawberry.field(description="Why not.")

    @classmethod
    def of(cls, kind: hardware.Kind) -> Self:
        return cls(
            type=kind.type,
            vram_gb=kind.vram_gb,
            max_count=kind.most,
            runs_on=kind.offer.shape.type,
            price_per_hour=Money.of(kind.offer.hour_micros),
            available=kind.reason is None,
            unavailable_reason=kind.reason,
        )


@strawberry.input(description="Hardware to ask for. Where this installation falls back on the CPU, any request runs there.")
class HardwareInput:
    type: str = strawberry.field(description="The kind, such as `H100`, or `CPU`.")
    count: int = strawberry.field(default=1, description="How many.")
    provider: str | None = strawberry.field(default=None, description="Whose: `local` or a provider's name; any by default.")

    @property
    def as_gpu(self) -> dict[str, Any]:
        return {"type": self.type, "count": self.count}


@strawberry.type
class HardwareQueries:
    @strawberry.field(description="Every type of hardware that can be asked for, with its price, and whether it can be had now.")
    async def hardware_types(self, info: Info) -> list[HardwareType]:
        return [HardwareType.of(kind) for kind in await hardware.kinds(info.context.known)]

    @strawberry.field(description="What a request for this hardware would run on, and for how much.")
    async def hardware_offers(
        self,
        info: Info,
        type: Annotated[str, strawberry.argument(description="The kind that would be asked for, such as `H100`, or `CPU`.")],
        count: Annotated[int, strawberry.argument(description="How many.")] = 1,
    ) -> list[HardwareOffer]:
        ctx = info.context.known
        found = hardware.offer(ctx, parse(GpuInput, {"type": type, "count": count}))
        shown = Hardware.of(as_json(found.shape), found.provider)
        return [HardwareOffer(hardware=shown, price_per_hour=Money.of(found.hour_micros))]
