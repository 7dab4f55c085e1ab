"""Costs: what was spent, and what things would come to."""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from typing import Annotated, Any, Self

import strawberry

from burnish.kit.money import usd
from resolvers import costs, hardware, prices
from resolvers.costs import Bucket, Group
from resolvers.hardware import GpuInput
from resolvers.inputs import parse
from resolvers.prices import CompareInput, EstimateInput, ProjectionInput
from schema.context import Info
from schema.hardware import Hardware, HardwareInput
from schema.nodes import Money

PLACES = Decimal("0.0001")


@strawberry.enum(description="By what costs are told apart.")
class CostDimension(Enum):
    PROVIDER = strawberry.enum_value("provider", description="Whose hardware it was.")
    GPU_TYPE = strawberry.enum_value("gpu_type", description="What hardware it was.")
    KIND = strawberry.enum_value("kind", description="Whether it was training or serving.")
    RESOURCE = strawberry.enum_value("resource_id", description="Which job or deployment it was.")


@strawberry.enum(description="How finely costs are told apart over time.")
class TimeGrain(Enum):
    HOUR = strawberry.enum_value("hour", description="By the hour.")
    DAY = strawberry.enum_value("day", description="By the day, in UTC.")
    MONTH = strawberry.enum_value("month", description="By the month, in UTC.")


@strawberry.enum(description="What money was spent on.")
class CostKind(Enum):
    TRAINING = strawberry.enum_value("job", description="A training job.")
    SERVING = strawberry.enum_value("dep", description="A deployment.")


@strawberry.enum(description="Where a rate comes from.")
class RateSource(Enum):
    FILE = strawberry.enum_value("file", description="The operator's file.")
    FETCHED = strawberry.enum_value("fetched", description="The provider's catalogue.")
    DEFAULT = strawberry.enum_value("default", description="What comes with the platform, with its date.")
    SETTINGS = strawberry.enum_value("settings", description="The operator's settings of own hardware.")


@strawberry.input(description="A span of time.")
class TimeRange:
    from_: datetime = strawberry.field(name="from", description="Its first moment.")
    to: datetime | None = strawberry.field(default=None, description="The moment after its last; now by default.")


@strawberry.interface(description="What costs are told apart by; null for what was not asked for.")
class CostKey:
    provider: str | None = strawberry.field(description="Whose hardware it was.")
    gpu_type: str | None = strawberry.field(description="What hardware it was.")
    kind: CostKind | None = strawberry.field(description="What it was spent on.")
    resource_id: strawberry.ID | None = strawberry.field(description="The id of the job or deployment; it may be deleted by now.")
    cost: Money = strawberry.field(description="What it has cost.")


@strawberry.type(description="What one group has cost in the whole of the range.")
class CostGroup(CostKey):
    hours: Decimal = strawberry.field(description="Hours of hardware that were billed; a CPU slot counts as one.")
    job_count: int = strawberry.field(description="The training jobs that ran.")

    @classmethod
    def of(cls, row: Group) -> Self:
        return cls(**_key(row), hours=_rounded(row.hours), job_count=row.job_count)


@strawberry.type(description="What one group has cost in one hour, day or month.")
class CostBucket(CostKey):
    starts_at: datetime = strawberry.field(description="When that began.")

    @classmethod
    def of(cls, row: Bucket) -> Self:
        return cls(**_key(row), starts_at=row.starts_at)


@strawberry.type(
    description="What was spent in a span of time: running work up to its last posting, a billing period ago at most."
)
class CostReport:
    since: datetime = strawberry.field(description="The first moment.")
    until: datetime = strawberry.field(description="The moment after the last.")
    total: CostGroup = strawberry.field(description="All of it.")
    groups: list[CostGroup] = strawberry.field(description="By the dimensions asked for, the dearest first.")
    buckets: list[CostBucket] = strawberry.field(description="By the dimensions and over time, the oldest first.")


@strawberry.type(
    description="What work would come to: (GPUs + storage + overhead) x markup. Own hardware has neither overhead nor markup."
)
class CostEstimate:
    hardware: Hardware = strawberry.field(description="What it would run on.")
    total: Money = strawberry.field(description="All of it, with the markup.")
    gpus: Money = strawberry.field(description="The hardware.")
    storage: Money = strawberry.field(description="The storage.")
    overhead: Money = strawberry.field(description="The overhead.")
    markup: Decimal = strawberry.field(description="What the sum is multiplied by.")
    duration_seconds: int = strawberry.field(description="How long it would take.")


@strawberry.type(description="What a habit would come to in 30 days, before the markup.")
class CostProjection:
    total_jobs: int = strawberry.field(description="How many jobs that is.")
    per_job: Money = strawberry.field(description="What each costs.")
    monthly: Money = strawberry.field(description="What all of them cost.")
    keep_warm: Money = strawberry.field(description="What keeping rented hardware warm between them costs.")
    monthly_with_keep_warm: Money = strawberry.field(description="Both.")


@strawberry.type(description="What a provider asks for hardware, before the markup.")
class ProviderOffer:
    hardware: Hardware = strawberry.field(description="The hardware, and whose it is.")
    available: bool = strawberry.field(description="Whether this provider has any.")
    price_per_hour: Money | None = strawberry.field(description="What an hour of one GPU costs; null where there is none.")
    cost: Money | None = strawberry.field(description="What all of it costs for the duration; null where there is none.")


@strawberry.type(description="What an hour of one GPU costs at a provider.")
class Rate:
    provider: str = strawberry.field(description="Whose hardware.")
    gpu_type: str = strawberry.field(description="What hardware.")
    per_hour: Money = strawberry.field(description="The rate.")
    source: RateSource = strawberry.field(description="Where it comes from.")
    updated_at: datetime = strawberry.field(description="Since when it is known.")


Minutes = Annotated[Decimal, strawberry.argument(description="How many minutes it takes.")]
Shape = Annotated[HardwareInput, strawberry.argument(description="The hardware; without a provider, the cheapest that has it.")]


@strawberry.type
class CostQueries:
    @strawberry.field(description="What the account has spent. Work that failed by a fault of the platform costs nothing.")
    async def costs(
        self,
        info: Info,
        range: Annotated[TimeRange, strawberry.argument(description="The time it is about.")],
        group_by: Annotated[list[CostDimension], strawberry.argument(description="By what to tell costs apart.")],
        grain: Annotated[TimeGrain, strawberry.argument(description="How finely over time.")] = TimeGrain.DAY,
    ) -> CostReport:
        names = [str(dimension.value) for dimension in group_by]
        found = await costs.report(info.context.known, names, str(grain.value), range.from_, range.to)
        return CostReport(
            since=found.since,
            until=found.until,
            total=CostGroup.of(found.total),
            groups=[CostGroup.of(row) for row in found.groups],
            buckets=[CostBucket.of(row) for row in found.buckets],
        )

    @strawberry.field(description="What work would cost.")
    async def cost_estimate(
        self,
        info: Info,
        hardware: Shape,
        duration_minutes: Minutes = Decimal(60),
        markup: Annotated[Decimal, strawberry.argument(description="What rented hardware is multiplied by.")] = prices.MARKUP,
    ) -> CostEstimate:
        info.context.known.require("read")
        spec = {**_gpu(hardware), "duration_minutes": duration_minutes, "markup": markup, "provider": hardware.provider}
        found = await prices.estimate(info.context.known, parse(EstimateInput, spec))
        return CostEstimate(
            hardware=Hardware(type=found.shape.type, count=found.shape.count, provider=found.provider),
            total=_money(found.cost),
            gpus=_money(found.gpu_cost),
            storage=_money(found.storage_cost),
            overhead=_money(found.overhead_cost),
            markup=found.markup,
            duration_seconds=found.duration_s,
        )

    @strawberry.field(description="What a habit would cost in a month.")
    async def cost_projection(
        self,
        info: Info,
        hardware: Shape,
        jobs_per_day: Annotated[int, strawberry.argument(description="How many jobs a day.")],
        average_minutes: Annotated[Decimal, strawberry.argument(description="How many minutes each takes.")],
    ) -> CostProjection:
        info.context.known.require("read")
        spec = {**_gpu(hardware), "jobs_per_day": jobs_per_day, "avg_duration_minutes": average_minutes}
        found = await prices.project(info.context.known, parse(ProjectionInput, spec | {"provider": hardware.provider}))
        return CostProjection(
            total_jobs=found.total_jobs,
            per_job=_money(found.per_job),
            monthly=_money(found.total),
            keep_warm=_money(found.keep_warm),
            monthly_with_keep_warm=_money(found.total + found.keep_warm),
        )

    @strawberry.field(description="What each provider asks for the same hardware: the cheapest first, those that have none last.")
    async def cost_comparison(
        self,
        info: Info,
        type: Annotated[str, strawberry.argument(description="The kind of hardware, such as `H100`.")],
        count: Annotated[int, strawberry.argument(description="How many.")] = 1,
        duration_minutes: Minutes = Decimal(60),
    ) -> list[ProviderOffer]:
        info.context.known.require("read")
        spec = {"gpu_type": type, "gpu_count": count, "duration_minutes": duration_minutes}
        rows = await prices.compare(info.context.known, parse(CompareInput, spec))
        return [
            ProviderOffer(
                hardware=Hardware(type=row.shape.type, count=row.shape.count, provider=row.provider),
                available=row.cost is not None,
                price_per_hour=None if row.rate_per_hour is None else Money(amount=row.rate_per_hour, currency="USD"),
                cost=None if row.cost is None else _money(row.cost),
            )
            for row in rows
        ]

    @strawberry.field(description="The rates that hold now, by provider and type.")
    async def rates(
        self,
        info: Info,
        provider: Annotated[str | None, strawberry.argument(description="Only this provider's.")] = None,
    ) -> list[Rate]:
        hardware.check_provider(provider)
        book = await prices.book(info.context.known)
        return [
            Rate(
                provider=rate.provider,
                gpu_type=rate.gpu_type,
                per_hour=Money.of(rate.micros_per_hour),
                source=RateSource(rate.source),
                updated_at=rate.at,
            )
            for _, rate in sorted(book.rates.items())
            if provider in (None, rate.provider)
        ]


def _gpu(given: HardwareInput) -> dict[str, object]:
    gpu = parse(GpuInput, given.as_gpu)
    return {"gpu_type": gpu.type, "gpu_count": gpu.count}


def _key(row: Group | Bucket) -> dict[str, Any]:
    return {
        "provider": row.provider,
        "gpu_type": row.gpu_type,
        "kind": None if row.kind is None else CostKind(row.kind),
        "resource_id": None if row.resource_id is None else strawberry.ID(row.resource_id),
        "cost": Money(amount=usd(row.cost_micros), currency="USD"),
    }


def _money(amount: Decimal) -> Money:
    return Money(amount=_rounded(amount), currency="USD")


def _rounded(number: Decimal) -> Decimal:
    return number.quantize(PLACES, ROUND_HALF_EVEN)
